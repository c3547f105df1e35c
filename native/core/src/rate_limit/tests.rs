//! What shows inside only: how states are kept, many threads, keys that come and go. Whole histories are judged from the TypeScript side, beside the other engine.

use super::policy::{Family, Kind, PARTS};
use super::shard::Shard;
use super::slot::Slot;
use super::state::{Held, State, wait_for_level};
use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: f64 = 1.7e12;
const ALLOWED: f64 = Code::Allowed as u8 as f64;
const MINUTE: f64 = Code::Minute as u8 as f64;
const CONCURRENCY: f64 = Code::Concurrency as u8 as f64;

/// A policy without limits, in a scope of its own.
fn unset(scope: &str) -> Spec {
    Spec {
        scope: scope.to_owned(),
        requests_per_second: f64::NAN,
        burst: f64::NAN,
        requests_per_minute: f64::NAN,
        requests_per_hour: f64::NAN,
        requests_per_day: f64::NAN,
        requests_per_window: f64::NAN,
        window_ms: f64::NAN,
        tokens_per_minute: f64::NAN,
        max_concurrent: f64::NAN,
    }
}

fn policy(spec: &Spec) -> Policy {
    policy_of(intern(spec).unwrap()).unwrap()
}

fn per_minute(scope: &str, requests: f64) -> Policy {
    policy(&Spec { requests_per_minute: requests, ..unset(scope) })
}

fn key(policy: &Policy, text: &str) -> Key {
    Key::new(policy, hash_text(&text.encode_utf16().collect::<Vec<_>>()))
}

/// One request, and what is said to it.
fn ask(space: &Space, policy: &Policy, key: Key, now: f64) -> Decision {
    let mut decision = Decision::default();
    space.check(policy, key, Ask { cost: 1, tokens: 0, places: 1 }, now, true, &mut decision);
    decision
}

fn code(space: &Space, policy: &Policy, key: Key, now: f64) -> f64 {
    ask(space, policy, key, now).code
}

fn private(max_keys: usize) -> std::sync::Arc<Space> {
    open(None, max_keys).1
}

#[test]
fn equal_policies_have_one_handle_and_families_share_keys() {
    let spec = Spec { requests_per_minute: 5.0, ..unset("families") };
    assert_eq!(intern(&spec), intern(&spec.clone()));
    let more = policy(&Spec { requests_per_minute: 7.0, ..spec.clone() });
    let (five, elsewhere) = (policy(&spec), per_minute("elsewhere", 5.0));
    assert_eq!(five.family, more.family);
    assert_ne!(five.family, elsewhere.family);
    let space = private(100);
    for _ in 0..5 {
        assert_eq!(code(&space, &five, key(&five, "k"), NOW), ALLOWED);
    }
    assert_eq!(code(&space, &five, key(&five, "k"), NOW), MINUTE);
    assert_eq!(ask(&space, &more, key(&more, "k"), NOW).remaining_requests, 1.0);
    assert_eq!(ask(&space, &elsewhere, key(&elsewhere, "k"), NOW).remaining_requests, 4.0);
}

#[test]
fn a_hash_knows_every_unit() {
    let policy = per_minute("hash", 1.0);
    let texts = ["", "\0", "a", "A", "a\0", "\0a", "ab", "\u{4241}", "\u{6162}", "é", "😀", "__proto__", "*", "{a}"];
    let long: Vec<String> = (60..70).map(|len| "a".repeat(len)).collect();
    let all: HashSet<u64> = texts.into_iter().map(str::to_owned).chain(long).map(|text| key(&policy, &text).0).collect();
    assert_eq!(all.len(), texts.len() + 10);
    assert_ne!(Key::new(&policy, hash_text(&[0xd83d])), Key::new(&policy, hash_text(&[0xde00])));
    assert_ne!(Key::new(&policy, hash_text(&[0xd83d])), Key::new(&policy, hash_text(&[0xfffd])));
}

#[test]
fn a_name_opens_one_space_until_all_have_closed_it() {
    let policy = per_minute("named", 1.0);
    let (first, space) = open(Some("shared"), 100);
    let (second, same) = open(Some("shared"), 100);
    assert_eq!(first, second);
    assert_eq!(code(&space, &policy, key(&policy, "k"), NOW), ALLOWED);
    assert_eq!(code(&same, &policy, key(&policy, "k"), NOW), MINUTE);
    close(first);
    assert_eq!(open(Some("shared"), 100).0, first);
    close(first);
    close(first);
    let (third, fresh) = open(Some("shared"), 100);
    assert_ne!(third, first);
    assert_eq!(code(&fresh, &policy, key(&policy, "k"), NOW), ALLOWED);
    close(third);
}

#[test]
fn threads_share_a_key_exactly() {
    let space = private(100_000);
    let limits = policy(&Spec { requests_per_minute: 10_000.0, tokens_per_minute: 50_000.0, ..unset("threads") });
    let places = policy(&Spec { max_concurrent: 3.0, ..unset("places") });
    let (admitted, under_way, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (space, limits, places, admitted, under_way, most) = (&space, &limits, &places, &admitted, &under_way, &most);
            scope.spawn(move || {
                for turn in 0..10_000 {
                    // No clock is the others'.
                    let now = NOW + f64::from((turn + thread * 7) % 50);
                    let hot = Scope { policy: limits, key: key(limits, "hot") };
                    let own = Scope { policy: limits, key: key(limits, &format!("{thread} {turn}")) };
                    let pair = if thread % 2 == 0 { [hot, own] } else { [own, hot] };
                    if space.check_all(&pair, 1, 4, now, &mut Decision::default()) == Code::Allowed {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                    if code(space, places, key(places, "hot"), now) == ALLOWED {
                        most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        space.release(places, key(places, "hot"), f64::INFINITY);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 10_000);
    assert!(most.into_inner() <= 3);
    assert_eq!(ask(&space, &places, key(&places, "hot"), NOW).remaining_requests, 2.0);
}

#[test]
fn keys_are_bounded_and_the_least_recently_used_goes() {
    let policy = per_minute("bounded", 1.0);
    let space = private(3);
    let admits = |name: &str| code(&space, &policy, key(&policy, name), NOW) == ALLOWED;
    assert!(admits("a") && admits("b") && admits("c"));
    // A refused request is a use, too.
    assert!(!admits("a"));
    assert!(admits("d"));
    assert!(!admits("a") && !admits("c") && !admits("d"));
    assert!(admits("b"));
    assert_eq!((space.stats().keys, space.stats().evicted), (3, 2));

    let many = private(5000);
    for number in 0..100_000 {
        ask(&many, &policy, key(&policy, &number.to_string()), NOW + f64::from(number) / 100.0);
        let keys = many.stats().keys;
        assert!(keys <= 5000, "{keys} keys after {number}");
    }
}

#[test]
fn idle_keys_go_first_and_busy_ones_last() {
    let requests = per_minute("idle", 100.0);
    let places = policy(&Spec { max_concurrent: 1.0, ..unset("idle") });
    let space = private(4);
    let under_way = key(&places, "under way");
    ask(&space, &places, under_way, NOW);
    ask(&space, &requests, key(&requests, "old"), NOW);
    ask(&space, &requests, key(&requests, "new"), NOW + 50_000.0);
    ask(&space, &requests, key(&requests, "newer"), NOW + 50_000.0);
    // "old" is idle by now, so that nobody has to be forgotten for the fifth.
    ask(&space, &requests, key(&requests, "newest"), NOW + 60_000.0);
    assert_eq!(space.stats().evicted, 0);
    for number in 0..20 {
        ask(&space, &requests, key(&requests, &number.to_string()), NOW + 60_000.0);
    }
    assert_eq!(code(&space, &places, under_way, NOW + 60_000.0), CONCURRENCY);
}

#[test]
fn what_is_idle_is_swept_by_new_keys() {
    let policy = per_minute("swept", 1.0);
    let space = private(1_000_000);
    for number in 0..20_000 {
        ask(&space, &policy, key(&policy, &number.to_string()), NOW);
    }
    for number in 20_000..40_000 {
        ask(&space, &policy, key(&policy, &number.to_string()), NOW + 60_000.0);
    }
    assert!(space.stats().keys < 21_000 && space.stats().evicted == 0, "{:?}", space.stats());
}

#[test]
fn a_full_log_never_has_more_than_64_instants_and_loses_nothing() {
    let limit = policy(&Spec { requests_per_minute: 1e9, tokens_per_minute: 1e9, ..unset("full") });
    let mut state = State::new(&limit);
    let mut taken: Vec<u64> = Vec::new();
    let mut at = 1_000_000;
    for turn in 0..20_000u64 {
        at += [0, 1, 5, 999, 1000, 1001, 300][turn as usize % 7];
        state.prune(at);
        let cost = if turn % 1000 == 0 { 70_000 } else { 1 };
        state.take(&limit, Ask { cost, tokens: 3, places: 1 }, at);
        taken.extend(std::iter::repeat_n(at, cost as usize));
        let (requests, tokens) = state.taken(0);
        let since = |age: u64| taken.iter().filter(|&&then| at - then < age).count() as u64;
        assert!((since(60_000)..=since(61_000)).contains(&requests));
        assert!(tokens >= 3);
        if let Held::Busy(busy) = &state.held {
            assert!(busy.first.len() <= 64);
        }
        taken.retain(|&then| at - then < 61_000);
    }
}

#[test]
fn a_bucket_waits_for_the_last_thousandth() {
    assert_eq!(wait_for_level(0.0, PARTS, 3.0), Some(334));
    assert_eq!(wait_for_level(999.0, PARTS, 1.0), Some(1));
    assert_eq!(wait_for_level(0.0, PARTS, 0.0), None);
    assert_eq!(wait_for_level(0.0, 1e300, 1e-300), None);
}

proptest! {
    /// A state that goes into a slot after every taking answers like one that never does.
    #[test]
    fn a_slot_gives_back_what_it_took(
        kind in 0usize..6,
        steps in prop::collection::vec((0u64..30_000, prop_oneof![Just(1u64), 0u64..100, 0u64..100_000], prop_oneof![0u64..100, 0u64..10_000_000], 0u8..4), 1..60),
    ) {
        let scope = unset("slots");
        let limit = policy(&[
            Spec { requests_per_minute: 1e9, tokens_per_minute: 1e9, ..scope.clone() },
            Spec { requests_per_hour: 1e9, ..scope.clone() },
            Spec { requests_per_day: 1e9, max_concurrent: 100.0, ..scope.clone() },
            Spec { requests_per_second: 1e5, burst: 1e9, max_concurrent: 100.0, ..scope.clone() },
            Spec { max_concurrent: 100.0, ..scope.clone() },
            Spec { requests_per_second: 1e5, burst: 1e9, requests_per_minute: 1e9, requests_per_window: 1e9, window_ms: 5000.0, ..scope },
        ][kind]);
        let mut kept = State::new(&limit);
        let mut slot = Slot::new(1, limit.family);
        slot.store(&mut State::new(&limit), 0);
        let mut at = NOW as u64;
        for (advance, cost, tokens, what) in steps {
            at += advance;
            let mut state = slot.load();
            for state in [&mut kept, &mut state] {
                state.prune(at);
                match what {
                    0 => state.in_flight = state.in_flight.saturating_sub(1),
                    1 => state.adjust(at.saturating_sub(advance), tokens as i64 - 100),
                    _ => state.take(&limit, Ask { cost, tokens, places: 1 }, at),
                }
            }
            slot.store(&mut state, at);
            let mut state = slot.load();
            prop_assert_eq!(state.in_flight, kept.in_flight);
            prop_assert_eq!(state.level(&limit, at), kept.level(&limit, at));
            for window in 0..limit.windows().len() {
                prop_assert_eq!(state.taken(window), kept.taken(window));
                prop_assert_eq!(state.empty_at(window).saturating_sub(at), kept.empty_at(window).saturating_sub(at));
                let (requests, _) = kept.taken(window);
                for amount in [1, requests / 2, requests] {
                    prop_assert_eq!(state.wait_for(window, amount, at, |one| one.requests), kept.wait_for(window, amount, at, |one| one.requests));
                }
            }
            slot.store(&mut state, at);
            prop_assert_eq!(slot.used_at(), at);
            prop_assert_eq!(slot.in_flight(), kept.in_flight);
        }
    }

    /// A shard finds what a map finds, whatever comes and goes, even if all hashes fall together.
    #[test]
    fn a_shard_is_a_map(steps in prop::collection::vec((0u64..300, any::<bool>()), 1..2000), spread in prop_oneof![Just(1u64), Just(1 << 40), Just(0x9e37_79b9_7f4a_7c15)]) {
        let family = Family(Kind::Places as u16);
        let mut shard = Shard::new(true);
        let mut known: HashMap<u64, ()> = HashMap::new();
        for (number, comes) in steps {
            let hash = number.wrapping_mul(spread);
            prop_assert_eq!(shard.find(hash, family).is_some(), known.contains_key(&hash));
            match shard.find(hash, family) {
                Some(found) if !comes => {
                    shard.remove(found);
                    known.remove(&hash);
                }
                None if comes => {
                    let (inserted, _) = shard.insert(hash, family, 0);
                    let mut state = State { in_flight: 1, ..State::default() };
                    shard.store(inserted, &mut state, 0);
                    known.insert(hash, ());
                }
                _ => {}
            }
            prop_assert_eq!(shard.len(), known.len());
        }
        for hash in known.keys() {
            prop_assert!(shard.find(*hash, family).is_some_and(|number| number < shard.len()));
        }
    }
}
