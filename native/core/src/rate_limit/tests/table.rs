use super::{NOW, code, policy, scope, unlimited};
use crate::rate_limit::policy::{Ask, Code, Family, Kind, Policy};
use crate::rate_limit::registry::{close, intern, open};
use crate::rate_limit::table::key::{Key, Scope};
use crate::rate_limit::table::reset_tombstones::{MOST, ResetTombstones};
use crate::rate_limit::table::shard::Shard;
use crate::rate_limit::table::slot::Slot;
use crate::rate_limit::table::space::Space;
use crate::rate_limit::window::state::{Held, State};
use crate::rate_limit::{Decision, Spec};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

const ALLOWED: u8 = Code::Allowed as u8;
const MINUTE: u8 = Code::Minute as u8;
const CONCURRENCY: u8 = Code::Concurrency as u8;

fn per_minute(name: &str, requests: f64) -> Policy {
    policy(&Spec { requests_per_minute: Some(requests), ..unlimited(name) })
}

/// One request, and the decision on it.
fn ask(space: &Space, scope: Scope<'_>, now: f64) -> Decision {
    space.check(scope, Ask::new(1, 0), now)
}

fn private(max_keys: usize) -> std::sync::Arc<Space> {
    open(None, max_keys).1
}

#[test]
fn equal_policies_have_one_handle_and_families_share_keys() {
    let spec = Spec { requests_per_minute: Some(5.0), ..unlimited("families") };
    assert_eq!(intern(&spec).unwrap().0, intern(&spec.clone()).unwrap().0);
    let more = policy(&Spec { requests_per_minute: Some(7.0), ..spec.clone() });
    let (five, elsewhere) = (policy(&spec), per_minute("elsewhere", 5.0));
    assert_eq!(five.family, more.family);
    assert_ne!(five.family, elsewhere.family);
    let space = private(100);
    for _ in 0..5 {
        assert_eq!(code(ask(&space, scope(&five, "k"), NOW)), ALLOWED);
    }
    assert_eq!(code(ask(&space, scope(&five, "k"), NOW)), MINUTE);
    assert_eq!(ask(&space, scope(&more, "k"), NOW).remaining_requests, 1.0);
    assert_eq!(ask(&space, scope(&elsewhere, "k"), NOW).remaining_requests, 4.0);
}

#[test]
fn texts_that_differ_in_one_unit_have_different_keys() {
    let policy = per_minute("hash", 1.0);
    let texts = ["", "\0", "a", "A", "a\0", "\0a", "ab", "\u{4241}", "\u{6162}", "é", "😀", "__proto__", "*", "{a}"];
    let long: Vec<String> = (60..70).map(|len| "a".repeat(len)).collect();
    let all: HashSet<u64> = texts.into_iter().map(str::to_owned).chain(long).map(|text| scope(&policy, &text).key.0).collect();
    assert_eq!(all.len(), texts.len() + 10);
    assert_ne!(Key::new(&policy, &[0xd83d]), Key::new(&policy, &[0xde00]));
    assert_ne!(Key::new(&policy, &[0xd83d]), Key::new(&policy, &[0xfffd]));
}

#[test]
fn a_name_opens_one_space_until_it_is_closed_as_often_as_opened() {
    let policy = per_minute("named", 1.0);
    let (first, space) = open(Some("shared"), 100);
    let (second, same) = open(Some("shared"), 100);
    assert_eq!(first, second);
    assert_eq!(code(ask(&space, scope(&policy, "k"), NOW)), ALLOWED);
    assert_eq!(code(ask(&same, scope(&policy, "k"), NOW)), MINUTE);
    close(first);
    assert_eq!(open(Some("shared"), 100).0, first);
    close(first);
    close(first);
    let (third, fresh) = open(Some("shared"), 100);
    assert_ne!(third, first);
    assert_eq!(code(ask(&fresh, scope(&policy, "k"), NOW)), ALLOWED);
    close(third);
}

#[test]
fn threads_share_a_key_exactly() {
    let space = private(100_000);
    let limits = policy(&Spec { requests_per_minute: Some(10_000.0), tokens_per_minute: Some(50_000.0), ..unlimited("threads") });
    let concurrent = policy(&Spec { max_concurrent: Some(3.0), ..unlimited("in flight") });
    let (admitted, in_flight, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (space, limits, concurrent, admitted, in_flight, most) = (&space, &limits, &concurrent, &admitted, &in_flight, &most);
            threads.spawn(move || {
                for turn in 0..10_000 {
                    // Every thread has a clock of its own.
                    let now = NOW + f64::from((turn + thread * 7) % 50);
                    let hot = scope(limits, "hot");
                    let own = scope(limits, &format!("{thread} {turn}"));
                    let pair = if thread % 2 == 0 { [hot, own] } else { [own, hot] };
                    if space.check_all(&pair, Ask::new(1, 4), now).is_allowed() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                    if code(ask(space, scope(concurrent, "hot"), now)) == ALLOWED {
                        most.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        in_flight.fetch_sub(1, Ordering::SeqCst);
                        space.release(scope(concurrent, "hot"), f64::INFINITY);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 10_000);
    assert!(most.into_inner() <= 3);
    assert_eq!(ask(&space, scope(&concurrent, "hot"), NOW).remaining_requests, 2.0);
}

#[test]
fn evicts_the_least_recently_used_key() {
    let policy = per_minute("bounded", 1.0);
    let space = private(3);
    let admits = |name: &str| code(ask(&space, scope(&policy, name), NOW)) == ALLOWED;
    assert!(admits("a") && admits("b") && admits("c"));
    // A denied request is a use, too.
    assert!(!admits("a"));
    assert!(admits("d"));
    assert!(!admits("a") && !admits("c") && !admits("d"));
    assert!(admits("b"));
    assert_eq!((space.stats().keys, space.stats().evicted), (3, 2));

    let many = private(5000);
    for number in 0..100_000 {
        ask(&many, scope(&policy, &number.to_string()), NOW + f64::from(number) / 100.0);
        let keys = many.stats().keys;
        assert!(keys <= 5000, "{keys} keys after {number}");
    }
}

#[test]
fn evicts_idle_keys_first_and_keys_with_requests_in_flight_last() {
    let requests = per_minute("idle", 100.0);
    let concurrent = policy(&Spec { max_concurrent: Some(1.0), ..unlimited("idle") });
    let space = private(4);
    let in_flight = scope(&concurrent, "in flight");
    ask(&space, in_flight, NOW);
    ask(&space, scope(&requests, "old"), NOW);
    ask(&space, scope(&requests, "new"), NOW + 50_000.0);
    ask(&space, scope(&requests, "newer"), NOW + 50_000.0);
    // "old" is idle by now, so the fifth key evicts none.
    ask(&space, scope(&requests, "newest"), NOW + 60_000.0);
    assert_eq!(space.stats().evicted, 0);
    for number in 0..20 {
        ask(&space, scope(&requests, &number.to_string()), NOW + 60_000.0);
    }
    assert_eq!(code(ask(&space, in_flight, NOW + 60_000.0)), CONCURRENCY);
}

#[test]
fn new_keys_sweep_idle_ones() {
    let policy = per_minute("swept", 1.0);
    let space = private(1_000_000);
    for number in 0..20_000 {
        ask(&space, scope(&policy, &number.to_string()), NOW);
    }
    for number in 20_000..40_000 {
        ask(&space, scope(&policy, &number.to_string()), NOW + 60_000.0);
    }
    assert!(space.stats().keys < 21_000 && space.stats().evicted == 0, "{:?}", space.stats());
}

#[test]
fn a_full_log_never_has_more_than_64_instants_and_loses_nothing() {
    let limit = policy(&Spec { requests_per_minute: Some(1e9), tokens_per_minute: Some(1e9), ..unlimited("full") });
    let mut state = State::new(&limit);
    let mut taken: Vec<u64> = Vec::new();
    let mut at = 1_000_000;
    for turn in 0..20_000u64 {
        at += [0, 1, 5, 999, 1000, 1001, 300][turn as usize % 7];
        state.prune(at);
        let cost = if turn % 1000 == 0 { 70_000 } else { 1 };
        state.take(&limit, Ask::new(cost, 3), at);
        taken.extend(std::iter::repeat_n(at, cost as usize));
        let (requests, tokens) = state.taken(0);
        let since = |age: u64| taken.iter().filter(|&&then| at - then < age).count() as u64;
        assert!((since(60_000)..=since(61_000)).contains(&requests));
        assert!(tokens >= 3);
        if let Held::Heap(heap) = &state.held {
            assert!(heap.log(0).len() <= 64);
        }
        taken.retain(|&then| at - then < 61_000);
    }
}

#[test]
fn requests_in_flight_at_a_reset_end_once() {
    let (policy, other) = (per_minute("reset", 1.0), per_minute("another reset", 1.0));
    let resets = ResetTombstones::default();
    let key = scope(&policy, "k");
    assert!(!resets.end(key, 5));
    resets.add(key, 10, 2);
    assert!(!resets.end(scope(&policy, "l"), 5) && !resets.end(scope(&other, "k"), 5) && !resets.end(key, 11));
    assert!(resets.end(key, 10) && resets.end(key, 5) && !resets.end(key, 5));
    assert!(resets.covers(key, 5) && !resets.covers(key, 11));
}

#[test]
fn remembers_a_bounded_number_of_resets() {
    let policy = per_minute("resets", 1.0);
    let resets = ResetTombstones::default();
    let key = |number: usize| scope(&policy, &number.to_string()).key;
    for number in 0..10 * MOST {
        resets.add(Scope { policy: &policy, key: key(number) }, 10, 1);
    }
    assert_eq!(resets.len(), MOST);
    assert!(resets.end(Scope { policy: &policy, key: key(10 * MOST - 1) }, 9) && !resets.end(Scope { policy: &policy, key: key(0) }, 9));
    for number in 9 * MOST..10 * MOST {
        resets.end(Scope { policy: &policy, key: key(number) }, 9);
    }
    resets.add(Scope { policy: &policy, key: key(0) }, 10 + 60_000, 1);
    assert_eq!(resets.len(), 1);
}

proptest! {
    /// A state that goes into a slot after every taking answers like one that never does.
    #[test]
    fn a_slot_gives_back_what_it_took(
        kind in 0usize..6,
        steps in prop::collection::vec((0u64..30_000, prop_oneof![Just(1u64), 0u64..100, 0u64..100_000], prop_oneof![0u64..100, 0u64..10_000_000], 0u8..4), 1..60),
    ) {
        let scope = unlimited("slots");
        let limit = policy(&[
            Spec { requests_per_minute: Some(1e9), tokens_per_minute: Some(1e9), ..scope.clone() },
            Spec { requests_per_hour: Some(1e9), ..scope.clone() },
            Spec { requests_per_day: Some(1e9), max_concurrent: Some(100.0), ..scope.clone() },
            Spec { requests_per_second: Some(1e5), burst: Some(1e9), max_concurrent: Some(100.0), ..scope.clone() },
            Spec { max_concurrent: Some(100.0), ..scope.clone() },
            Spec { requests_per_second: Some(1e5), burst: Some(1e9), requests_per_minute: Some(1e9), requests_per_window: Some(1e9), window_ms: Some(5000.0), ..scope },
        ][kind]);
        let mut kept = State::new(&limit);
        let mut slot = Slot::new(1, limit.family);
        slot.store(State::new(&limit), 0);
        let mut at = NOW as u64;
        for (advance, cost, tokens, what) in steps {
            at += advance;
            let mut state = slot.load();
            for state in [&mut kept, &mut state] {
                state.prune(at);
                match what {
                    0 => state.in_flight = state.in_flight.saturating_sub(1),
                    1 => state.adjust(at.saturating_sub(advance), tokens as i64 - 100),
                    _ => state.take(&limit, Ask::new(cost, tokens), at),
                }
            }
            slot.store(state, at);
            let state = slot.load();
            prop_assert_eq!(state.in_flight, kept.in_flight);
            prop_assert_eq!(state.level(&limit, at), kept.level(&limit, at));
            for window in 0..limit.windows.len() {
                prop_assert_eq!(state.taken(window), kept.taken(window));
                prop_assert_eq!(state.empty_at(window).saturating_sub(at), kept.empty_at(window).saturating_sub(at));
                let (requests, _) = kept.taken(window);
                for amount in [1, requests / 2, requests] {
                    prop_assert_eq!(state.wait_for(window, amount, at, |one| one.requests), kept.wait_for(window, amount, at, |one| one.requests));
                }
            }
            slot.store(state, at);
            prop_assert_eq!(slot.used_at(), at);
            prop_assert_eq!(slot.in_flight(), kept.in_flight);
        }
    }

    /// A shard finds what a map finds, whatever comes and goes, even if all hashes fall together.
    #[test]
    fn a_shard_is_a_map(steps in prop::collection::vec((0u64..300, any::<bool>()), 1..2000), spread in prop_oneof![Just(1u64), Just(1 << 40), Just(0x9e37_79b9_7f4a_7c15)]) {
        let family = Family(Kind::InFlight as u16);
        let mut shard = Shard::new(true);
        let mut known: HashMap<u64, ()> = HashMap::new();
        for (number, comes) in steps {
            let hash = number.wrapping_mul(spread);
            prop_assert_eq!(shard.find_hash(hash, family).is_some(), known.contains_key(&hash));
            match shard.find_hash(hash, family) {
                Some(found) if !comes => {
                    shard.remove(found);
                    known.remove(&hash);
                }
                None if comes => {
                    let (inserted, _) = shard.insert(hash, family, 0);
                    shard.store(inserted, State { in_flight: 1, ..State::default() }, 0);
                    known.insert(hash, ());
                }
                _ => {}
            }
            prop_assert_eq!(shard.len(), known.len());
        }
        for hash in known.keys() {
            prop_assert!(shard.find_hash(*hash, family).is_some_and(|number| number < shard.len()));
        }
    }
}
