//! The decision on one key under one policy.

use crate::rate_limit::policy::{Ask, Code, PARTS, Policy, UNLIMITED};
use crate::rate_limit::window::bucket::wait_for_level;
use crate::rate_limit::window::state::State;

/// A decision as numbers that JavaScript reads: what is unlimited or unknown is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[repr(C)]
pub struct Decision {
    /// A `Code`.
    pub code: f64,
    /// The limit that denies or, when allowed, the request limit with the least left.
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

impl Decision {
    #[inline(always)]
    pub fn is_allowed(&self) -> bool {
        self.code == 0.0
    }
}

/// How a key stands under a policy at a time for which it was pruned.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    pub policy: &'a Policy,
    /// `None`: the key is not held.
    pub state: Option<&'a State>,
    pub at: u64,
}

impl Standing<'_> {
    /// Whether the key may take what is asked for, and what is then left. Takes nothing.
    #[inline(always)]
    pub fn decide(self, ask: Ask) -> Decision {
        self.describe(Some(ask), Code::Allowed).unwrap_or_else(|| self.deny(ask))
    }

    /// What is left as it is.
    pub fn left(self) -> Decision {
        self.describe(None, Code::Allowed).unwrap_or_default()
    }

    #[cold]
    fn deny(self, ask: Ask) -> Decision {
        let (code, retry_after_ms) = self.longest_denial(ask);
        Decision { code: f64::from(code as u8), retry_after_ms, ..self.describe(None, code).unwrap_or_default() }
    }

    /// Of the limits that deny, the one to wait for longest, and the first of equals.
    fn longest_denial(self, ask: Ask) -> (Code, f64) {
        let Self { policy, at, .. } = self;
        let mut longest = (Code::Allowed, 0.0);
        let mut denied_by = |code, wait_ms: Option<u64>| {
            let wait_ms = wait_ms.map_or(f64::INFINITY, |ms| ms as f64);
            if longest.0 == Code::Allowed || wait_ms > longest.1 {
                longest = (code, wait_ms);
            }
        };
        let wanted = ask.cost as f64 * PARTS;
        if policy.has_bucket && wanted > self.level() {
            let wait = if ask.cost as f64 > policy.burst { None } else { wait_for_level(self.level(), wanted, policy.rate) };
            denied_by(Code::Second, wait);
        }
        for (index, window) in policy.windows.iter().enumerate() {
            let over = over(window.requests, self.taken(index).0, ask.cost);
            if over > 0 {
                denied_by(window.code, self.state.and_then(|state| state.wait_for(index, over, at, |one| one.requests)));
            }
        }
        if policy.tokens_per_minute != UNLIMITED {
            let over = over(policy.tokens_per_minute, self.taken(0).1, ask.tokens);
            if over > 0 {
                denied_by(Code::Tokens, self.state.and_then(|state| state.wait_for(0, over, at, |one| one.tokens)));
            }
        }
        if longest.0 == Code::Allowed { (Code::Concurrency, f64::INFINITY) } else { longest }
    }

    /// What is left once `asked` is taken, or as it is. `None`: it may not be taken. `code` is the
    /// limit to describe, where one denies.
    #[inline(always)]
    fn describe(self, asked: Option<Ask>, code: Code) -> Option<Decision> {
        let Self { policy, state, at } = self;
        let takes = asked.is_some();
        let ask = asked.unwrap_or(Ask::NOTHING);
        let mut decision =
            Decision { at_ms: at as f64, remaining_requests: f64::INFINITY, remaining_tokens: f64::INFINITY, ..Decision::default() };
        if policy.has_bucket {
            let level = self.level() - ask.cost as f64 * PARTS;
            if takes && level < 0.0 {
                return None;
            }
            decision.remaining_requests = (level / PARTS).floor().max(0.0);
            decision.limit = policy.burst;
            decision.reset_ms = wait_for_level(level, policy.burst * PARTS, policy.rate).map_or(f64::INFINITY, |ms| ms as f64);
        }
        let mut is_described = code == Code::Second;
        for (index, window) in policy.windows.iter().enumerate() {
            let (requests, tokens) = self.taken(index);
            if takes && over(window.requests, requests, ask.cost) > 0 {
                return None;
            }
            let reset_ms = if takes && policy.is_logged(window, ask) {
                window.length_ms
            } else {
                state.map_or(0, |state| state.empty_at(index).saturating_sub(at))
            } as f64;
            let left = left_of(window.requests, requests, ask.cost);
            let is_tighter = left < decision.remaining_requests;
            if is_tighter {
                decision.remaining_requests = left;
            }
            if !is_described && (code == window.code || is_tighter) {
                decision.limit = number(window.requests);
                decision.reset_ms = reset_ms;
                is_described = code == window.code;
            }
            if index == 0 && policy.tokens_per_minute != UNLIMITED {
                if takes && over(policy.tokens_per_minute, tokens, ask.tokens) > 0 {
                    return None;
                }
                decision.remaining_tokens = left_of(policy.tokens_per_minute, tokens, ask.tokens);
                decision.tokens_reset_ms = reset_ms;
            }
        }
        let in_flight = state.map_or(0, |state| state.in_flight);
        if takes && over(policy.max_concurrent, in_flight, ask.in_flight) > 0 {
            return None;
        }
        let limits_requests = decision.remaining_requests != f64::INFINITY;
        let limits_tokens = policy.tokens_per_minute != UNLIMITED;
        if code == Code::Tokens || (!limits_requests && limits_tokens && code != Code::Concurrency) {
            decision.limit = number(policy.tokens_per_minute);
            decision.reset_ms = decision.tokens_reset_ms;
        } else if code == Code::Concurrency || !limits_requests {
            decision.limit = number(policy.max_concurrent);
            decision.reset_ms = 0.0;
        }
        if !limits_requests {
            decision.remaining_requests = left_of(policy.max_concurrent, in_flight, ask.in_flight);
        }
        Some(decision)
    }

    #[inline(always)]
    fn level(self) -> f64 {
        self.state.map_or(self.policy.burst * PARTS, |state| state.level(self.policy, self.at))
    }

    #[inline(always)]
    fn taken(self, window: usize) -> (u64, u64) {
        self.state.map_or((0, 0), |state| state.taken(window))
    }
}

fn number(limit: u64) -> f64 {
    if limit == UNLIMITED { f64::INFINITY } else { limit as f64 }
}

/// By how much `taken` and `asked` together are over the limit.
fn over(limit: u64, taken: u64, asked: u64) -> u64 {
    (taken + asked).saturating_sub(limit)
}

fn left_of(limit: u64, taken: u64, asked: u64) -> f64 {
    if limit == UNLIMITED { f64::INFINITY } else { limit.saturating_sub(taken + asked) as f64 }
}
