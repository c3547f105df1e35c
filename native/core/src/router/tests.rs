//! Scans against plain loops, on random states; states that threads share.

use super::members::{FACTS, Members, TURN, WEIGHT};
use super::memory::{MAX_THREADS, Memory, bytes, integers, row_length};
use super::participants::{Participant, slot};
use super::question::{QUESTION, Question};
use super::scan::scan;
use super::strategy::Strategy as Routing;
use crate::CoreError;
use crate::shared_memory::Region;
use proptest::prelude::*;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};

const CAPACITY: usize = 32;
const NOW: f64 = 1_700_000_000_000.0;

#[derive(Debug)]
struct State {
    ints: Vec<AtomicI32>,
    doubles: Vec<AtomicU64>,
    facts: Vec<f64>,
    slots: Vec<i32>,
}

impl State {
    fn new(in_flight: &[i32], cooling: &[bool], weights: &[f64]) -> Self {
        let ints: Vec<AtomicI32> = (0..integers(CAPACITY)).map(|_| AtomicI32::new(0)).collect();
        let doubles: Vec<AtomicU64> = (0..(bytes(CAPACITY) - integers(CAPACITY) * 4) / 8).map(|_| AtomicU64::new(0)).collect();
        let first = integers(CAPACITY) - 14 * CAPACITY;
        let mut facts = vec![f64::INFINITY; in_flight.len() * FACTS];
        for (slot, &count) in in_flight.iter().enumerate() {
            ints[first + slot].store(count, Relaxed);
            doubles[slot].store(if cooling[slot] { NOW + 1.0 } else { NOW }.to_bits(), Relaxed);
            facts[WEIGHT * in_flight.len() + slot] = weights[slot];
            facts[TURN * in_flight.len() + slot] = ((slot * 7) % 5) as f64;
        }
        Self { ints, doubles, facts, slots: (0..in_flight.len() as i32).collect() }
    }

    fn members(&self) -> Members<'_> {
        let memory = Memory::new(&self.ints, &self.doubles, &[]).expect("the lengths of a memory");
        Members::new(memory, &self.slots, &self.facts).expect("facts for all")
    }
}

fn question(random: f64) -> Question {
    let mut numbers = [0.0; QUESTION];
    numbers[1] = NOW;
    numbers[3] = random;
    numbers[8] = 1.0;
    Question::read(&numbers)
}

fn states() -> impl Strategy<Value = State> {
    (1..=CAPACITY).prop_flat_map(|count| {
        let in_flight = prop::collection::vec(0..6, count);
        let cooling = prop::collection::vec(any::<bool>(), count);
        let weights = prop::collection::vec(prop_oneof![Just(0.0), 1.0..9.0], count);
        (in_flight, cooling, weights).prop_map(|(in_flight, cooling, weights)| State::new(&in_flight, &cooling, &weights))
    })
}

proptest! {
    #[test]
    fn the_least_busy_has_the_lowest_count_and_turn(state in states(), random in 0.0..1.0) {
        let members = state.members();
        let first = integers(CAPACITY) - 14 * CAPACITY;
        let key = |slot: usize| (state.ints[first + slot].load(Relaxed), members.fact(slot, TURN) as i32);
        let eligible: Vec<usize> = (0..members.len()).filter(|&slot| f64::from_bits(state.doubles[slot].load(Relaxed)) <= NOW).collect();
        let (found, count) = scan(&members, Routing::LeastBusy, &[], &question(random));
        prop_assert_eq!(count, eligible.len());
        prop_assert_eq!(found.map(key), eligible.iter().map(|&slot| key(slot)).min());
        prop_assert!(found.is_none_or(|slot| eligible.contains(&slot)));
    }

    #[test]
    fn a_draw_gives_each_member_its_share(state in states()) {
        let members = state.members();
        let draws = 4_000;
        let mut counts = vec![0.0; members.len()];
        for draw in 0..draws {
            let random = f64::from(draw) / f64::from(draws);
            if let (Some(position), _) = scan(&members, Routing::SimpleShuffle, &[], &question(random)) {
                counts[position] += 1.0 / f64::from(draws);
            }
        }
        let cools = |slot: usize| f64::from_bits(state.doubles[slot].load(Relaxed)) > NOW;
        let left = (0..members.len()).filter(|&slot| !cools(slot)).count() as f64;
        let weight = |slot: usize| if cools(slot) { 0.0 } else { members.fact(slot, WEIGHT) };
        let sum: f64 = (0..members.len()).map(weight).sum();
        for (slot, share) in counts.iter().enumerate() {
            let expected = if sum > 0.0 { weight(slot) / sum } else if cools(slot) { 0.0 } else { 1.0 / left };
            prop_assert!((share - expected).abs() < 1e-3, "slot {} has {} for {}", slot, share, expected);
        }
    }
}

#[test]
fn slots_and_facts_beyond_the_memory_are_rejected() {
    let state = State::new(&[1, 2], &[false, false], &[1.0, 1.0]);
    let memory = Memory::new(&state.ints, &state.doubles, &[]).expect("the lengths of a memory");
    assert!(Members::new(memory, &[0, CAPACITY as i32], &state.facts).is_none());
    assert!(Members::new(memory, &[0, -1], &state.facts).is_none());
    assert!(Members::new(memory, &[0], &state.facts).is_none());
    assert!(Routing::from_number(9.0).is_none());
}

#[test]
fn a_thread_that_ends_releases_its_requests() {
    let first = Participant::new("gives back", 8).expect("a state");
    assert_eq!((slot("gives back", "a"), slot("gives back", "b"), slot("gives back", "a")), (Some(0), Some(1), Some(0)));
    let second = Participant::new("gives back", 8).expect("a state");
    assert_eq!((first.thread, second.thread), (0, 1));
    let rows = Region::named("router/gives back/threads", MAX_THREADS * row_length(8) * 4).expect("its rows").integers();
    rows[1].store(4, Relaxed);
    rows[row_length(8) + 1].store(3, Relaxed);
    let memory = first.memory().expect("a memory");
    assert_eq!(memory.in_flight(1), 7);
    drop(second);
    assert_eq!(memory.in_flight(1), 4);
    assert_eq!(Participant::new("gives back", 8).expect("a state").thread, 1);
    assert!(Participant::new("gives back", 16).is_err());
}

#[test]
fn as_many_threads_share_a_state_as_there_are_rows() {
    let mut all: Vec<Participant> = (0..MAX_THREADS).map(|_| Participant::new("crowded", 8).expect("a row")).collect();
    assert_eq!(Participant::new("crowded", 8).err(), Some(CoreError::TooManyMembers));
    all.remove(7);
    assert_eq!(Participant::new("crowded", 8).expect("a row").thread, 7);
}

#[test]
fn there_are_as_many_slots_as_the_capacity() {
    let _participant = Participant::new("many", 8).expect("a state");
    let slots: Vec<Option<u32>> = (0..9).map(|number| slot("many", &number.to_string())).collect();
    assert_eq!(slots[7], Some(7));
    assert_eq!(slots[8], None);
    assert_eq!(slot("unknown", "a"), None);
}
