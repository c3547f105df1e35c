//! What a space keeps of a key beside its counts: when it was used last, its place, and where its counts are.

use super::*;
use proptest::prelude::*;

fn per_minute() -> Policy {
    let unset = f64::NAN;
    policy_of(
        intern(&Spec {
            scope: "space tests".to_owned(),
            requests_per_second: unset,
            burst: unset,
            requests_per_minute: 100.0,
            requests_per_hour: unset,
            requests_per_day: unset,
            requests_per_window: unset,
            window_ms: unset,
            tokens_per_minute: unset,
            max_concurrent: unset,
        })
        .unwrap(),
    )
    .unwrap()
}

#[test]
fn a_busy_key_was_last_used_at_its_last_taking() {
    let policy = per_minute();
    let space = Space::new(10);
    let key = Key::new(&policy, hash_text(&[]));
    // From the fourth instant on it is busy, and the last two are counted with that one.
    for at in [1, 2, 3, 4, 5, 900] {
        let ask = Ask { cost: 1, tokens: 0, places: 1 };
        let code = space.check(&policy, key, ask, at as f64, true, &mut Decision::default());
        let shard = space.shard(key);
        let number = shard.find(key.0, policy.family).unwrap();
        assert_eq!((code, shard.used_at(number)), (Code::Allowed, at));
    }
}

#[test]
fn a_lent_key_takes_its_place_along() {
    let (policy, space) = (per_minute(), Space::new(2));
    let takes = |text: u16| {
        let ask = Ask { cost: 1, tokens: 0, places: 1 };
        space.check(&policy, Key::new(&policy, hash_text(&[text])), ask, 1.0, true, &mut Decision::default());
    };
    takes(1);
    takes(2);
    assert!(space.lend(&policy, Key::new(&policy, hash_text(&[1])), &mut [0.0; 64]) > 0);
    takes(3);
    assert_eq!((space.stats().keys, space.stats().evicted), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A key among many busy ones is decided on as it is alone.
    #[test]
    fn hints_change_no_decision(steps in prop::collection::vec((0u16..4, 0u8..10, 0u64..30, prop_oneof![3 => Just(0u64), 2 => 1u64..300, 1 => 1_000u64..40_000]), 1..300)) {
        let policy = per_minute();
        let key_of = |number: u16| Key::new(&policy, hash_text(&[number]));
        let (crowded, alone) = (Space::new(1000), Space::new(1000));
        let ask = |cost| Ask { cost, tokens: 0, places: 1 };
        for turn in 1..=10u64 {
            for number in 100..300 {
                crowded.check(&policy, key_of(number), ask(1), turn.min(5) as f64, true, &mut Decision::default());
            }
        }
        prop_assert!(crowded.shard(key_of(0)).has_hints());
        let mut now = 10;
        for (number, what, cost, advance_ms) in steps {
            now += advance_ms;
            let key = key_of(number);
            let told = [&crowded, &alone].map(|space| {
                let mut decision = Decision::default();
                let code = match what {
                    0 => {
                        space.reset(&policy, key);
                        Code::Allowed
                    }
                    1 => {
                        space.settle(&policy, key, 5, now as f64, now as f64);
                        Code::Allowed
                    }
                    2 => space.check(&policy, key, ask(cost), now as f64, false, &mut decision),
                    3 => space.check_all(&[Scope { policy: &policy, key }, Scope { policy: &policy, key: key_of(0) }], 1, 0, now as f64, &mut decision),
                    _ => space.check(&policy, key, ask(cost.min(2)), now as f64, true, &mut decision),
                };
                (code, decision)
            });
            prop_assert_eq!(told[0], told[1]);
        }
    }
}
