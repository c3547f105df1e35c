//! Histories of a space, judged by an exact log of all that was admitted: never pruned, and read
//! from the start each time. Nothing is admitted over a limit, and nothing refused that was free a
//! 60th of a window earlier.
#![no_main]

use fast_litellm_core::rate_limit::{Ask, Code, Correction, Decision, Key, Policy, Scope, Space, Spec, intern, release};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const START: u64 = 1_700_000_000_000;
const MINUTE_MS: u64 = 60_000;
/// Windows of a policy with their lengths.
const LENGTHS: [u64; 4] = [MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS, 10_000];
/// A bucket counts in thousandths.
const PARTS: u64 = 1_000;
const KEYS: usize = 3;
const STEPS: usize = 400;

/// Limits by window (minute, hour, day, ten seconds), then tokens, places, and the bucket's rate
/// and burst.
#[derive(Arbitrary, Debug)]
struct Limits {
    windows: [Option<u8>; 4],
    tokens: Option<u16>,
    places: Option<u8>,
    bucket: Option<(u8, u8)>,
}

#[derive(Arbitrary, Debug)]
enum Advance {
    None,
    Few(u8),
    Some(u16),
    /// To the end of a window, or a millisecond before or behind it.
    Window(u8, i8),
}

#[derive(Arbitrary, Debug)]
enum Call {
    Check {
        cost: u8,
        tokens: u16,
    },
    Peek {
        cost: u8,
        tokens: u16,
    },
    /// All keys of which the bit is set, all or nothing.
    CheckAll {
        keys: u8,
        cost: u8,
        tokens: u16,
    },
    Settle {
        tokens: u16,
    },
    SettleLost {
        tokens: u16,
    },
    ReleaseAny,
    Release,
    Reset,
}

#[derive(Arbitrary, Debug)]
struct History {
    limits: Limits,
    steps: Vec<(Advance, u8, Call)>,
}

#[derive(Clone, Copy)]
struct Taking {
    at: u64,
    cost: u64,
    tokens: u64,
}

#[derive(Default)]
struct Log {
    takings: Vec<Taking>,
    /// When the requests in flight were allowed; and those that were in flight at a reset.
    running: Vec<u64>,
    forgotten: Vec<u64>,
    /// The last taking before a reset.
    lost: Option<Taking>,
}

impl Log {
    /// Whether a limit is over, exactly; or, where `widened`, may be said to be over: what was
    /// taken may count a 60th of its window longer.
    fn is_over(&self, limits: &Limits, at: u64, ask: Ask, widened: bool) -> bool {
        let sum = |length: u64, what: fn(&Taking) -> u64| -> u64 {
            let counted = |taking: &&Taking| (at - taking.at) * 60 < length * if widened { 61 } else { 60 };
            self.takings.iter().filter(counted).map(what).sum()
        };
        let windows = LENGTHS.iter().zip(limits.windows);
        windows
            .filter_map(|(&length, limit)| Some((length, limit?)))
            .any(|(length, limit)| sum(length, |one| one.cost) + ask.cost > limit.into())
            || limits.tokens.is_some_and(|limit| sum(MINUTE_MS, |one| one.tokens) + ask.tokens > limit.into())
            || limits.places.is_some_and(|limit| self.running.len() as u64 + 1 > limit.into())
            || limits.bucket.is_some_and(|(rate, burst)| self.level(rate, burst, at) < u128::from(ask.cost * PARTS))
    }

    /// What the bucket holds, in thousandths of a request: whole numbers from the beginning.
    fn level(&self, rate: u8, burst: u8, at: u64) -> u128 {
        let full = if rate == 0 { 0 } else { u128::from(burst) * u128::from(PARTS) };
        let (mut level, mut last) = (full, 0);
        for taking in self.takings.iter().chain(&[Taking { at, cost: 0, tokens: 0 }]) {
            level = full.min(level + u128::from(rate) * u128::from(taking.at - last)) - u128::from(taking.cost * PARTS);
            last = taking.at;
        }
        level
    }

    fn take(&mut self, at: u64, ask: Ask) {
        self.takings.push(Taking { at, cost: ask.cost, tokens: ask.tokens });
        self.running.push(at);
    }
}

/// The policy of the limits; none where nothing is limited.
fn policy_for(limits: &Limits) -> Option<(u32, Policy)> {
    let number = |limit: Option<u64>| limit.map(|limit| limit as f64);
    let [requests_per_minute, requests_per_hour, requests_per_day, requests_per_window] =
        limits.windows.map(|limit| number(limit.map(u64::from)));
    let spec = Spec {
        scope: "fuzz".to_owned(),
        requests_per_second: number(limits.bucket.map(|(rate, _)| rate.into())),
        burst: number(limits.bucket.map(|(_, burst)| burst.into())),
        requests_per_minute,
        requests_per_hour,
        requests_per_day,
        requests_per_window,
        window_ms: limits.windows[3].map(|_| 10_000.0),
        tokens_per_minute: number(limits.tokens.map(u64::from)),
        max_concurrent: number(limits.places.map(u64::from)),
    };
    let limits_nothing =
        limits.windows.iter().all(Option::is_none) && limits.tokens.is_none() && limits.places.is_none() && limits.bucket.is_none();
    // A bucket that holds nothing is refused where options are checked.
    if limits_nothing || limits.bucket.is_some_and(|(_, burst)| burst == 0) {
        return None;
    }
    Some(intern(&spec).expect("a policy"))
}

struct Run {
    limits: Limits,
    policy: Policy,
    space: Space,
    now: u64,
    logs: [Log; KEYS],
}

impl Run {
    fn scope(&self, number: usize) -> Scope<'_> {
        Scope { policy: &self.policy, key: Key::new(&self.policy, &[number as u16]) }
    }

    fn settle(&self, number: usize, taking: Taking, tokens: u16) {
        let correction = Correction { tokens: i64::from(tokens) - taking.tokens as i64, taken_at_ms: taking.at as f64 };
        self.space.settle(self.scope(number), correction, self.now as f64);
    }

    fn advance(&mut self, by: &Advance) {
        self.now += match *by {
            Advance::None => 0,
            Advance::Few(ms) => ms.into(),
            Advance::Some(ms) => ms.into(),
            Advance::Window(window, around) => LENGTHS[usize::from(window) % LENGTHS.len()].saturating_add_signed(around.into()),
        };
    }

    fn step(&mut self, number: usize, call: &Call) {
        match *call {
            Call::Check { cost, tokens } => self.check(number, ask_of(cost, tokens)),
            Call::Peek { cost, tokens } => {
                let ask = ask_of(cost, tokens);
                let decision = self.space.peek(self.scope(number), ask, self.now as f64);
                self.judge(&[number], ask, decision);
            }
            Call::CheckAll { keys, cost, tokens } => self.check_all(keys, ask_of(cost, tokens)),
            Call::Settle { tokens } => {
                let Some(&taking) = self.logs[number].takings.last() else { return };
                self.settle(number, taking, tokens);
                if self.now - taking.at < MINUTE_MS
                    && let Some(taking) = self.logs[number].takings.last_mut()
                {
                    taking.tokens = tokens.into();
                }
            }
            Call::SettleLost { tokens } => {
                let Some(taking) = self.logs[number].lost else { return };
                self.settle(number, taking, tokens);
            }
            Call::ReleaseAny => {
                self.space.release(self.scope(number), f64::INFINITY);
                self.logs[number].running.pop();
            }
            Call::Release => {
                let log = &mut self.logs[number];
                let Some(taken_at) = log.forgotten.pop().or_else(|| log.running.pop()) else { return };
                self.space.release(self.scope(number), taken_at as f64);
            }
            Call::Reset => {
                self.space.reset(self.scope(number));
                let log = &mut self.logs[number];
                let lost = log.takings.last().copied();
                log.forgotten.append(&mut log.running);
                *log = Log { lost, forgotten: std::mem::take(&mut log.forgotten), ..Log::default() };
                // Within the millisecond of a reset, takings before and after it cannot be told
                // apart.
                self.now += 1;
            }
        }
    }

    fn judge(&self, numbers: &[usize], ask: Ask, decision: Decision) {
        let is_over = |widened| numbers.iter().any(|number| self.logs[*number].is_over(&self.limits, self.now, ask, widened));
        if decision.is_allowed() {
            assert!(!is_over(false), "admitted over a limit");
        } else {
            assert!(is_over(true), "denied for nothing: {decision:?}");
        }
    }

    fn check(&mut self, number: usize, ask: Ask) {
        let (scope, now) = (self.scope(number), self.now as f64);
        let decision = self.space.check(scope, ask, now);
        self.judge(&[number], ask, decision);
        if decision.is_allowed() {
            self.logs[number].take(self.now, ask);
        } else if decision.retry_after_ms.is_finite() {
            // A peek takes nothing, so `retry_after_ms` is exact unless it waits for a request in
            // flight.
            let peek = |wait: f64| self.space.peek(scope, ask, now + wait).code;
            assert_ne!(peek(decision.retry_after_ms - 1.0), 0.0);
            assert!([0.0, f64::from(Code::Concurrency as u8)].contains(&peek(decision.retry_after_ms)));
            // A space's time does not run back.
            self.now += decision.retry_after_ms as u64;
        }
    }

    fn check_all(&mut self, keys: u8, ask: Ask) {
        let numbers: Vec<usize> = (0..KEYS).filter(|number| keys >> number & 1 == 1).collect();
        let scopes: Vec<Scope<'_>> = numbers.iter().map(|number| self.scope(*number)).collect();
        if scopes.is_empty() {
            return;
        }
        let decision = self.space.check_all(&scopes, ask, self.now as f64);
        self.judge(&numbers, ask, decision);
        if decision.is_allowed() {
            numbers.into_iter().for_each(|number| self.logs[number].take(self.now, ask));
        }
    }
}

fn ask_of(cost: u8, tokens: u16) -> Ask {
    Ask::new((cost % 8).into(), tokens.into())
}

fuzz_target!(|history: History| {
    let History { limits, steps } = history;
    let Some((handle, policy)) = policy_for(&limits) else { return };
    let mut run = Run { limits, policy, space: Space::new(1_000_000), now: START, logs: Default::default() };
    for (advance, number, call) in steps.iter().take(STEPS) {
        run.advance(advance);
        run.step(usize::from(*number) % KEYS, call);
    }
    release(handle);
});
