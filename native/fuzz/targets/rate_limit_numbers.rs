//! Any numbers, as JavaScript may hand them over: no panic, no hang, no more keys than there may
//! be, and texts that hash the same wherever they are.
#![no_main]

use fast_litellm_core::rate_limit::{Ask, Correction, Key, Policy, Scope, Space, Spec, Stats, close, intern, open, release};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const STEPS: usize = 400;
const POLICIES: usize = 4;

/// Numbers near one another, as times and counts are, and anything else.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Count(u8),
    Time(u16),
    Any(f64),
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Self::Count(count) => count.into(),
            Self::Time(ms) => 1_700_000_000_000.0 + f64::from(ms) * 10.0,
            Self::Any(number) => number,
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Limits {
    scope: Option<char>,
    numbers: [Option<Number>; 9],
}

#[derive(Arbitrary, Debug)]
enum Call {
    Check { cost: u32, tokens: u32, spends: bool },
    CheckAll { scopes: Vec<(u8, u8)>, cost: u32, tokens: u32 },
    Settle { difference: f64, at_ms: Number },
    Release { at_ms: Number },
    Reset,
    MaxKeys { keys: u16 },
}

#[derive(Arbitrary, Debug)]
struct Input {
    limits: Vec<Limits>,
    max_keys: f64,
    name: Option<char>,
    key: Vec<u16>,
    /// Policy, key, time.
    steps: Vec<(u8, u8, Number, Call)>,
}

fn spec_of(limits: &Limits) -> Spec {
    let [second, burst, minute, hour, day, window, window_ms, tokens, concurrent] = limits.numbers.map(|number| number.map(Number::value));
    Spec {
        scope: limits.scope.map(String::from).unwrap_or_default(),
        requests_per_second: second,
        burst,
        requests_per_minute: minute,
        requests_per_hour: hour,
        requests_per_day: day,
        requests_per_window: window,
        window_ms,
        tokens_per_minute: tokens,
        max_concurrent: concurrent,
    }
}

fn check_key(policy: &Policy, units: &[u16]) {
    let shifted = [&[1], units].concat();
    assert_eq!(Key::new(policy, units), Key::new(policy, &shifted[1..]));
    if let Some((_, shorter)) = units.split_last() {
        assert_ne!(Key::new(policy, units), Key::new(policy, shorter));
    }
}

struct Run {
    space: Arc<Space>,
    policies: Vec<Policy>,
}

impl Run {
    fn policy(&self, number: u8) -> &Policy {
        &self.policies[usize::from(number) % self.policies.len()]
    }

    fn step(&self, policy: u8, key: u8, now_ms: f64, call: &Call) {
        let space = &self.space;
        let scope_of = |policy: u8, key: u8| {
            let policy = self.policy(policy);
            Scope { policy, key: Key::new(policy, &[key.into()]) }
        };
        let scope = scope_of(policy, key);
        match call {
            &Call::Check { cost, tokens, spends } => {
                let ask = Ask::new(cost.into(), tokens.into());
                let decision = if spends { space.check(scope, ask, now_ms) } else { space.peek(scope, ask, now_ms) };
                assert!((0.0..8.0).contains(&decision.code));
            }
            Call::CheckAll { scopes, cost, tokens } => {
                let scopes: Vec<Scope<'_>> = scopes.iter().take(12).map(|&(policy, key)| scope_of(policy, key)).collect();
                space.check_all(&scopes, Ask::new((*cost).into(), (*tokens).into()), now_ms);
            }
            &Call::Settle { difference, at_ms } => {
                space.settle(scope, Correction { tokens: difference as i64, taken_at_ms: at_ms.value() }, now_ms);
            }
            &Call::Release { at_ms } => space.release(scope, at_ms.value()),
            Call::Reset => space.reset(scope),
            Call::MaxKeys { keys } => space.set_max_keys((*keys).into()),
        }
        let Stats { keys, .. } = space.stats();
        assert!(keys <= 256 * POLICIES as u64);
    }
}

fuzz_target!(|input: Input| {
    let (handles, policies): (Vec<u32>, Vec<Policy>) =
        input.limits.iter().take(POLICIES).filter_map(|limits| intern(&spec_of(limits)).ok()).unzip();
    policies.iter().for_each(|policy| check_key(policy, &input.key));
    let name = input.name.map(String::from);
    // The memory for shards grows with the keys: the check of options has a bound, too.
    let (space_handle, space) = open(name.as_deref(), (input.max_keys as usize).min(1 << 20));
    if !policies.is_empty() {
        let run = Run { space, policies };
        for (policy, key, now_ms, call) in input.steps.iter().take(STEPS) {
            run.step(*policy, *key, now_ms.value(), call);
        }
    }
    close(space_handle);
    close(space_handle);
    handles.into_iter().for_each(release);
});
