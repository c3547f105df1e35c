//! Any numbers, as JavaScript may hand them over: no panic, no hang, no more keys than there may be, and texts that hash the same wherever they are.
#![no_main]

use fast_litellm_core::rate_limit::{
    Ask, Decision, Key, Policy, STATE_NUMBERS, Scope, Space, Spec, Stats, close, hash_text, intern, open, policy_of, release, secret,
};
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
    Lend { room: u16 },
    TakeBack { numbers: Vec<Number> },
    MakeRoom,
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
    let [second, burst, minute, hour, day, window, window_ms, tokens, concurrent] =
        limits.numbers.map(|number| number.map_or(f64::NAN, Number::value));
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

fn check_hash(units: &[u16]) {
    let shifted = [&[1], units].concat();
    assert_eq!(hash_text(units), hash_text(&shifted[1..]));
    if let Some((_, shorter)) = units.split_last() {
        assert_ne!(hash_text(units), hash_text(shorter));
    }
    assert_eq!(secret(units.len() as u32), secret(units.len() as u32));
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
        let policy = self.policy(policy);
        let key_of = |policy: &Policy, key: u8| Key::new(policy, hash_text(&[key.into()]));
        let key = key_of(policy, key);
        let mut decision = Decision::default();
        match call {
            &Call::Check { cost, tokens, spends } => {
                let ask = Ask { cost: cost.into(), tokens: tokens.into(), places: 1 };
                let code = space.check(policy, key, ask, now_ms, spends, &mut decision);
                assert_eq!(decision.code, f64::from(code as u8));
            }
            Call::CheckAll { scopes, cost, tokens } => {
                let scope = |&(policy, key): &(u8, u8)| {
                    let policy = self.policy(policy);
                    Scope { policy, key: key_of(policy, key) }
                };
                let scopes: Vec<Scope<'_>> = scopes.iter().take(12).map(scope).collect();
                space.check_all(&scopes, (*cost).into(), (*tokens).into(), now_ms, &mut decision);
            }
            &Call::Settle { difference, at_ms } => space.settle(policy, key, difference as i64, at_ms.value(), now_ms),
            &Call::Release { at_ms } => space.release(policy, key, at_ms.value()),
            Call::Reset => space.reset(policy, key),
            Call::Lend { room } => {
                let mut numbers = vec![0.0; usize::from(*room).min(STATE_NUMBERS)];
                if space.lend(policy, key, &mut numbers) > 0 {
                    space.take_back(policy, key, &numbers, now_ms);
                    space.make_room(1);
                }
            }
            Call::TakeBack { numbers } => {
                let numbers: Vec<f64> = numbers.iter().take(STATE_NUMBERS).map(|number| number.value()).collect();
                space.take_back(policy, key, &numbers, now_ms);
            }
            Call::MakeRoom => space.make_room(1),
            Call::MaxKeys { keys } => space.set_max_keys((*keys).into()),
        }
        let Stats { keys, .. } = space.stats();
        assert!(keys <= 256 * POLICIES as u64);
    }
}

fuzz_target!(|input: Input| {
    check_hash(&input.key);
    let handles: Vec<u32> = input.limits.iter().take(POLICIES).filter_map(|limits| intern(&spec_of(limits)).ok()).collect();
    let policies: Vec<Policy> = handles.iter().filter_map(|handle| policy_of(*handle)).collect();
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
