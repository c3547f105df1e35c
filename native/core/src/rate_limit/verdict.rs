//! What one policy says of one key.

use super::policy::{Code, PARTS, Policy, UNLIMITED};
use super::state::{State, wait_for_level};

/// The details of a decision, as numbers for JavaScript to read: whatever is unlimited or unknown is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[repr(C)]
pub struct Decision {
    /// A `Code`.
    pub code: f64,
    /// The limit that refuses or, when allowed, the request limit with the least left.
    pub limit: f64,
    pub remaining_requests: f64,
    pub remaining_tokens: f64,
    pub retry_after_ms: f64,
    pub reset_ms: f64,
    pub tokens_reset_ms: f64,
    pub at_ms: f64,
    pub index: f64,
}

/// Numbers of a decision.
pub const DECISION_FIELDS: usize = size_of::<Decision>() / size_of::<f64>();

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub cost: u64,
    pub tokens: u64,
    pub places: u64,
}

impl Ask {
    const NOTHING: Self = Self { cost: 0, tokens: 0, places: 0 };
}

fn number(limit: u64) -> f64 {
    if limit == UNLIMITED { f64::INFINITY } else { limit as f64 }
}

fn wait(ms: Option<u64>) -> f64 {
    ms.map_or(f64::INFINITY, |ms| ms as f64)
}

/// By how much `taken` and `asked` together are over the limit.
fn over(limit: u64, taken: u64, asked: u64) -> u64 {
    (taken + asked).saturating_sub(limit)
}

/// Whether the key may take what is asked for at `at`, for which it was pruned; writes all but the index. `None` is a key that is not held. Takes nothing.
#[inline(always)]
pub fn decide(policy: &Policy, state: Option<&State>, at: u64, ask: Ask, decision: &mut Decision) -> Code {
    decision.at_ms = at as f64;
    if describe(policy, state, at, Some(ask), Code::Allowed, decision) {
        decision.code = 0.0;
        decision.retry_after_ms = 0.0;
        Code::Allowed
    } else {
        refuse(policy, state, at, ask, decision)
    }
}

/// Writes what is left as it is, with nothing asked for.
pub fn stand(policy: &Policy, state: Option<&State>, at: u64, decision: &mut Decision) {
    describe(policy, state, at, None, Code::Allowed, decision);
}

#[cold]
fn refuse(policy: &Policy, state: Option<&State>, at: u64, ask: Ask, decision: &mut Decision) -> Code {
    let (code, retry_after_ms) = find_refusal(policy, state, at, ask);
    describe(policy, state, at, None, code, decision);
    decision.code = f64::from(code as u8);
    decision.retry_after_ms = retry_after_ms;
    code
}

/// Which limit refuses, and for how long.
fn find_refusal(policy: &Policy, state: Option<&State>, at: u64, ask: Ask) -> (Code, f64) {
    let mut refusal = (Code::Allowed, 0.0);
    // Of several limits that refuse, the one to wait for longest counts, and the first of equals.
    let mut refuse = |code, wait: f64| {
        if refusal.0 == Code::Allowed || wait > refusal.1 {
            refusal = (code, wait);
        }
    };
    if policy.has_bucket {
        let level = level_of(policy, state, at);
        let wanted = ask.cost as f64 * PARTS;
        if wanted > level {
            let ms = if ask.cost as f64 > policy.burst { None } else { wait_for_level(level, wanted, policy.rate) };
            refuse(Code::Second, wait(ms));
        }
    }
    for (index, window) in policy.windows().iter().enumerate() {
        let taken = state.map_or(0, |state| state.taken(index).0);
        let over = over(window.requests, taken, ask.cost);
        if over > 0 {
            let ms = state.and_then(|state| state.wait_for(index, over, at, |one| one.requests));
            refuse(window.code, wait(ms));
        }
    }
    if policy.tokens_per_minute != UNLIMITED {
        let taken = state.map_or(0, |state| state.taken(0).1);
        let over = over(policy.tokens_per_minute, taken, ask.tokens);
        if over > 0 {
            let ms = state.and_then(|state| state.wait_for(0, over, at, |one| one.tokens));
            refuse(Code::Tokens, wait(ms));
        }
    }
    if refusal.0 == Code::Allowed { (Code::Concurrency, f64::INFINITY) } else { refusal }
}

/// Writes what is left once `asked` is taken, or as it is. Whether it may be taken is still to be seen: `false` is a refusal.
#[inline(always)]
fn describe(policy: &Policy, state: Option<&State>, at: u64, asked: Option<Ask>, code: Code, decision: &mut Decision) -> bool {
    let takes = asked.is_some();
    let taken = asked.unwrap_or(Ask::NOTHING);
    let (mut limit, mut reset_ms) = (0.0, 0.0);
    let (mut requests_left, mut tokens_left, mut tokens_reset_ms) = (f64::INFINITY, f64::INFINITY, 0.0);
    if policy.has_bucket {
        let level = level_of(policy, state, at) - taken.cost as f64 * PARTS;
        if takes && level < 0.0 {
            return false;
        }
        requests_left = (level / PARTS).floor().max(0.0);
        limit = policy.burst;
        reset_ms = wait(wait_for_level(level, policy.burst * PARTS, policy.rate));
    }
    let mut told = code == Code::Second;
    for (index, window) in policy.windows().iter().enumerate() {
        let (requests, tokens) = state.map_or((0, 0), |state| state.taken(index));
        if takes && over(window.requests, requests, taken.cost) > 0 {
            return false;
        }
        let window_reset_ms = if takes && policy.is_logged(window, taken.cost, taken.tokens) {
            window.length_ms
        } else {
            state.map_or(0, |state| state.empty_at(index).saturating_sub(at))
        } as f64;
        let left = left_of(window.requests, requests, taken.cost);
        let is_tighter = left < requests_left;
        if is_tighter {
            requests_left = left;
        }
        if !told && (code == window.code || is_tighter) {
            limit = number(window.requests);
            reset_ms = window_reset_ms;
            told = code == window.code;
        }
        if index == 0 && policy.tokens_per_minute != UNLIMITED {
            if takes && over(policy.tokens_per_minute, tokens, taken.tokens) > 0 {
                return false;
            }
            tokens_left = left_of(policy.tokens_per_minute, tokens, taken.tokens);
            tokens_reset_ms = window_reset_ms;
        }
    }
    let in_flight = state.map_or(0, |state| state.in_flight);
    if takes && over(policy.max_concurrent, in_flight, taken.places) > 0 {
        return false;
    }
    let limits_requests = requests_left != f64::INFINITY;
    let limits_tokens = policy.tokens_per_minute != UNLIMITED;
    if code == Code::Tokens || (!limits_requests && limits_tokens && code != Code::Concurrency) {
        limit = number(policy.tokens_per_minute);
        reset_ms = tokens_reset_ms;
    } else if code == Code::Concurrency || !limits_requests {
        limit = number(policy.max_concurrent);
        reset_ms = 0.0;
    }
    if !limits_requests {
        requests_left = left_of(policy.max_concurrent, in_flight, taken.places);
    }
    decision.limit = limit;
    decision.reset_ms = reset_ms;
    decision.remaining_requests = requests_left;
    decision.remaining_tokens = tokens_left;
    decision.tokens_reset_ms = tokens_reset_ms;
    true
}

#[inline(always)]
fn level_of(policy: &Policy, state: Option<&State>, at: u64) -> f64 {
    state.map_or(policy.burst * PARTS, |state| state.level(policy, at))
}

#[inline(always)]
fn left_of(limit: u64, taken: u64, asked: u64) -> f64 {
    if limit == UNLIMITED { f64::INFINITY } else { limit.saturating_sub(taken + asked) as f64 }
}
