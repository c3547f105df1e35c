//! What a space keeps of a key beside its counts: when it was used last, and its place.

use super::*;

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
        let mut shard = space.shard(key);
        let number = shard.find(key.0, policy.family).unwrap();
        assert_eq!((code, shard.slot(number).used_at()), (Code::Allowed, at));
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
