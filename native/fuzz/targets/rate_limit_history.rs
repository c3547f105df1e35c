//! Histories of a space, judged by an exact log of all that was admitted: never pruned, and read from the start each time.
//! Nothing is admitted over a limit, and nothing refused that was free a 60th of a window earlier.
#![no_main]

use fast_litellm_core::rate_limit::{
    Ask, Code, Decision, Key, Policy, STATE_NUMBERS, Scope, Space, Spec, hash_text, intern, policy_of, release,
};
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

/// Limits by window (minute, hour, day, ten seconds), then tokens, places, and the bucket's rate and burst.
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
    /// Takes the key out as numbers, and puts it back.
    Lend,
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
    /// When the requests in flight were admitted; and those that were in flight at a reset.
    running: Vec<u64>,
    forgotten: Vec<u64>,
    /// The last taking before a reset.
    lost: Option<Taking>,
}

impl Log {
    /// Whether a limit is over, exactly; or, where `widened`, may be said to be over: what was taken may count a 60th of its window longer.
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
    let number = |limit: Option<u64>| limit.map_or(f64::NAN, |limit| limit as f64);
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
        window_ms: if limits.windows[3].is_some() { 10_000.0 } else { f64::NAN },
        tokens_per_minute: number(limits.tokens.map(u64::from)),
        max_concurrent: number(limits.places.map(u64::from)),
    };
    let limits_nothing =
        limits.windows.iter().all(Option::is_none) && limits.tokens.is_none() && limits.places.is_none() && limits.bucket.is_none();
    // A bucket that holds nothing is refused where options are checked.
    if limits_nothing || limits.bucket.is_some_and(|(_, burst)| burst == 0) {
        return None;
    }
    let handle = intern(&spec).expect("a policy");
    policy_of(handle).map(|policy| (handle, policy))
}

struct Run {
    limits: Limits,
    policy: Policy,
    space: Space,
    now: u64,
    logs: [Log; KEYS],
}

impl Run {
    fn key(&self, number: usize) -> Key {
        Key::new(&self.policy, hash_text(&[number as u16]))
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
        let (key, now) = (self.key(number), self.now as f64);
        match *call {
            Call::Check { cost, tokens } => self.check(number, ask_of(cost, tokens)),
            Call::Peek { cost, tokens } => {
                let ask = ask_of(cost, tokens);
                let code = self.space.check(&self.policy, key, ask, now, false, &mut Decision::default());
                self.judge(&[number], ask, code);
            }
            Call::CheckAll { keys, cost, tokens } => self.check_all(keys, ask_of(cost, tokens)),
            Call::Settle { tokens } => {
                let Some(taking) = self.logs[number].takings.last_mut() else { return };
                self.space.settle(&self.policy, key, i64::from(tokens) - taking.tokens as i64, taking.at as f64, now);
                if self.now - taking.at < MINUTE_MS {
                    taking.tokens = tokens.into();
                }
            }
            Call::SettleLost { tokens } => {
                let Some(taking) = self.logs[number].lost else { return };
                self.space.settle(&self.policy, key, i64::from(tokens) - taking.tokens as i64, taking.at as f64, now);
            }
            Call::ReleaseAny => {
                self.space.release(&self.policy, key, f64::INFINITY);
                self.logs[number].running.pop();
            }
            Call::Release => {
                let log = &mut self.logs[number];
                let Some(taken_at) = log.forgotten.pop().or_else(|| log.running.pop()) else { return };
                self.space.release(&self.policy, key, taken_at as f64);
            }
            Call::Reset => {
                self.space.reset(&self.policy, key);
                let log = &mut self.logs[number];
                let lost = log.takings.last().copied();
                log.forgotten.append(&mut log.running);
                *log = Log { lost, forgotten: std::mem::take(&mut log.forgotten), ..Log::default() };
                // Within the millisecond of a reset nobody can tell who came before it.
                self.now += 1;
            }
            Call::Lend => {
                let mut numbers = [f64::NAN; STATE_NUMBERS];
                let len = self.space.lend(&self.policy, key, &mut numbers);
                if len > 0 {
                    self.space.take_back(&self.policy, key, &numbers[..len], now);
                    self.space.make_room(1);
                }
            }
        }
    }

    fn judge(&self, numbers: &[usize], ask: Ask, code: Code) {
        let is_over = |widened| numbers.iter().any(|number| self.logs[*number].is_over(&self.limits, self.now, ask, widened));
        if code == Code::Allowed {
            assert!(!is_over(false), "admitted over a limit");
        } else {
            assert!(is_over(true), "refused by {code:?} for nothing");
        }
    }

    fn check(&mut self, number: usize, ask: Ask) {
        let (key, now) = (self.key(number), self.now as f64);
        let mut decision = Decision::default();
        let code = self.space.check(&self.policy, key, ask, now, true, &mut decision);
        self.judge(&[number], ask, code);
        if code == Code::Allowed {
            self.logs[number].take(self.now, ask);
        } else if decision.retry_after_ms.is_finite() {
            // Asked without taking: nobody comes in between, so the time told is the time it takes, but for a place that is held.
            let peek = |wait: f64| self.space.check(&self.policy, key, ask, now + wait, false, &mut Decision::default());
            assert_ne!(peek(decision.retry_after_ms - 1.0), Code::Allowed);
            assert!(matches!(peek(decision.retry_after_ms), Code::Allowed | Code::Concurrency));
            // A space's time does not run back.
            self.now += decision.retry_after_ms as u64;
        }
    }

    fn check_all(&mut self, keys: u8, ask: Ask) {
        let numbers: Vec<usize> = (0..KEYS).filter(|number| keys >> number & 1 == 1).collect();
        let scopes: Vec<Scope<'_>> = numbers.iter().map(|number| Scope { policy: &self.policy, key: self.key(*number) }).collect();
        if scopes.is_empty() {
            return;
        }
        let code = self.space.check_all(&scopes, ask.cost, ask.tokens, self.now as f64, &mut Decision::default());
        drop(scopes);
        self.judge(&numbers, ask, code);
        if code == Code::Allowed {
            numbers.into_iter().for_each(|number| self.logs[number].take(self.now, ask));
        }
    }
}

fn ask_of(cost: u8, tokens: u16) -> Ask {
    Ask { cost: (cost % 8).into(), tokens: tokens.into(), places: 1 }
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
