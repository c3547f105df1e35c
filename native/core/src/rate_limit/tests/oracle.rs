//! Random histories, judged by an exact log of all that was admitted: never pruned, read from the
//! start each time, and nothing like the engine.

use crate::rate_limit::Spec;
use crate::rate_limit::policy::{Ask, Code, PARTS, Policy};
use crate::rate_limit::registry::{close, intern, open, release};
use crate::rate_limit::table::key::{Key, Scope};
use crate::rate_limit::table::space::Correction;
use proptest::prelude::*;
use std::collections::HashMap;

const START: u64 = 1_700_000_000_000;
const MINUTE_MS: u64 = 60_000;
/// Windows of a policy with their lengths.
const LENGTHS: [u64; 4] = [MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS, 10_000];

/// Limits by window (minute, hour, day, ten seconds), then tokens, slots, and the bucket's rate and
/// burst.
#[derive(Clone, Debug)]
struct Limits {
    windows: [Option<u64>; 4],
    tokens: Option<u64>,
    slots: Option<u64>,
    bucket: Option<(u64, u64)>,
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
        windows.filter_map(|(&length, limit)| Some((length, limit?))).any(|(length, limit)| sum(length, |one| one.cost) + ask.cost > limit)
            || limits.tokens.is_some_and(|limit| sum(MINUTE_MS, |one| one.tokens) + ask.tokens > limit)
            || limits.slots.is_some_and(|limit| self.running.len() as u64 + 1 > limit)
            || limits.bucket.is_some_and(|(rate, burst)| self.level(rate, burst, at) < u128::from(ask.cost) * PARTS as u128)
    }

    /// What the bucket holds, in thousandths of a request: whole numbers from the beginning.
    fn level(&self, rate: u64, burst: u64, at: u64) -> u128 {
        let full = u128::from(if rate == 0 { 0 } else { burst }) * PARTS as u128;
        let (mut level, mut last) = (full, 0);
        for taking in self.takings.iter().chain(&[Taking { at, cost: 0, tokens: 0 }]) {
            level = full.min(level + u128::from(rate) * u128::from(taking.at - last)) - u128::from(taking.cost) * PARTS as u128;
            last = taking.at;
        }
        level
    }
}

fn limit() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 2 => prop::sample::select(vec![0u64, 1, 2, 3, 5, 8, 20, 100]).prop_map(Some)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let tokens = prop_oneof![2 => Just(None), 1 => prop::sample::select(vec![0u64, 10, 100, 1000]).prop_map(Some)];
    let slots = prop_oneof![3 => Just(None), 1 => prop::sample::select(vec![0u64, 1, 2, 5]).prop_map(Some)];
    let bucket = prop_oneof![3 => Just(None), 1 => (prop::sample::select(vec![0u64, 1, 2, 7, 100]), prop::sample::select(vec![1u64, 3, 10])).prop_map(Some)];
    (prop::array::uniform4(limit()), tokens, slots, bucket)
        .prop_map(|(windows, tokens, slots, bucket)| Limits { windows, tokens, slots, bucket })
        .prop_filter("something is limited", |limits| {
            limits.windows.iter().any(Option::is_some) || limits.tokens.is_some() || limits.slots.is_some() || limits.bucket.is_some()
        })
}

/// Spaces keep histories apart: one scope for all.
fn policy_for(limits: &Limits) -> (u32, Policy) {
    let number = |limit: Option<u64>| limit.map(|limit| limit as f64);
    let [requests_per_minute, requests_per_hour, requests_per_day, requests_per_window] = limits.windows.map(number);
    let spec = Spec {
        scope: "oracle".to_owned(),
        requests_per_second: number(limits.bucket.map(|(rate, _)| rate)),
        burst: number(limits.bucket.map(|(_, burst)| burst)),
        requests_per_minute,
        requests_per_hour,
        requests_per_day,
        requests_per_window,
        window_ms: limits.windows[3].map(|_| 10_000.0),
        tokens_per_minute: number(limits.tokens),
        max_concurrent: number(limits.slots),
    };
    intern(&spec).unwrap()
}

fn advance() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => prop::sample::select(vec![0u64, 1, 10, 100, 500, 999, 1000, 1001]),
        2 => 0u64..20_000,
        1 => prop::sample::select(vec![59_999u64, 60_000, 60_001, 61_000, 3_600_000, 86_400_000]),
    ]
}

/// A check (0 to 15), a settlement of an earlier taking (16, 17) or of one before a reset (18), a
/// release by key (19) or of a request (20 to 22) or a reset (23), of one of three keys.
type Step = (u64, u8, usize, u64, u64);

fn step() -> impl Strategy<Value = Step> {
    let cost = prop::sample::select(vec![1u64, 1, 1, 1, 0, 2, 5, 30]);
    let tokens = prop::sample::select(vec![0u64, 1, 10, 50, 400]);
    (advance(), 0u8..24, 0usize..3, cost, tokens)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000)))]

    #[test]
    fn admits_nothing_over_a_limit_and_denies_nothing_that_was_free_a_60th_of_a_window_earlier(
        limits in limits(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (policy_handle, policy) = policy_for(&limits);
        let (space_handle, space) = open(None, 1_000_000);
        let mut logs: HashMap<usize, Log> = HashMap::new();
        let mut now = START;
        for (advance_ms, what, number, cost, tokens) in steps {
            now += advance_ms;
            let scope = Scope { policy: &policy, key: Key::new(&policy, &[number as u16]) };
            let log = logs.entry(number).or_default();
            let ask = Ask::new(cost, tokens);
            match what {
                16 | 17 => {
                    let Some(taking) = log.takings.last_mut() else { continue };
                    let correction = Correction { tokens: tokens as i64 - taking.tokens as i64, taken_at_ms: taking.at as f64 };
                    space.settle(scope, correction, now as f64);
                    if now - taking.at < MINUTE_MS {
                        taking.tokens = tokens;
                    }
                }
                18 => {
                    let Some(taking) = log.lost else { continue };
                    let correction = Correction { tokens: tokens as i64 - taking.tokens as i64, taken_at_ms: taking.at as f64 };
                    space.settle(scope, correction, now as f64);
                }
                19 => {
                    space.release(scope, f64::INFINITY);
                    log.running.pop();
                }
                20..=22 => {
                    let Some(taken_at) = log.forgotten.pop().or_else(|| log.running.pop()) else { continue };
                    space.release(scope, taken_at as f64);
                }
                23 => {
                    space.reset(scope);
                    let lost = log.takings.last().copied();
                    log.forgotten.append(&mut log.running);
                    *log = Log { lost, forgotten: std::mem::take(&mut log.forgotten), ..Log::default() };
                    // Within the millisecond of a reset, takings before and after it cannot be told
                    // apart.
                    now += 1;
                }
                _ => {
                    let decision = space.check(scope, ask, now as f64);
                    if decision.is_allowed() {
                        prop_assert!(!log.is_over(&limits, now, ask, false), "admitted over a limit");
                        log.takings.push(Taking { at: now, cost, tokens });
                        log.running.push(now);
                        continue;
                    }
                    prop_assert!(log.is_over(&limits, now, ask, true), "denied for nothing: {decision:?}");
                    if decision.retry_after_ms.is_finite() {
                        // A peek takes nothing, so `retry_after_ms` is exact unless a request in
                        // flight is what it waits for.
                        let peek = |wait: f64| space.peek(scope, ask, now as f64 + wait).code;
                        prop_assert_ne!(peek(decision.retry_after_ms - 1.0), 0.0);
                        prop_assert!([0.0, f64::from(Code::Concurrency as u8)].contains(&peek(decision.retry_after_ms)));
                        // A space's time does not run back.
                        now += decision.retry_after_ms as u64;
                    }
                }
            }
        }
        close(space_handle);
        release(policy_handle);
    }
}
