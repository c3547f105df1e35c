//! The vectors that both engines answer.

use super::members::{COST, FACTS, Members, WEIGHT};
use super::memory::{Memory, bytes, integers};
use super::question::{QUESTION, Question};
use super::scan::scan;
use super::strategy::Strategy;
use serde_json::Value;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};

const CAPACITY: usize = 64;
const INTS: [&str; 13] = [
    "inFlight",
    "minute",
    "requests",
    "tokens",
    "successes",
    "failures",
    "fails",
    "latencies",
    "firstTokens",
    "elsewhereInFlight",
    "elsewhereMinute",
    "elsewhereRequests",
    "elsewhereTokens",
];
const DOUBLES: [&str; 7] = ["coolingUntil", "unhealthyUntil", "failsUntil", "latency", "firstToken", "latencyAt", "firstTokenAt"];
const FACT_NAMES: [&str; FACTS] = ["rpm", "tpm", "maxParallel", "maxInputTokens", "weight", "cost", "turn"];

fn answer(vector: &Value, now_ms: f64) -> (i64, usize) {
    let ints: Vec<AtomicI32> = (0..integers(CAPACITY)).map(|_| AtomicI32::new(0)).collect();
    let doubles: Vec<AtomicU64> = (0..(bytes(CAPACITY) - integers(CAPACITY) * 4) / 8).map(|_| AtomicU64::new(0)).collect();
    let first = integers(CAPACITY) - 14 * CAPACITY;
    let members = vector["members"].as_array().unwrap();
    let count = members.len();
    let mut facts = vec![f64::INFINITY; FACTS * count];
    facts[WEIGHT * count..COST * count].fill(f64::NAN);
    facts[COST * count..].fill(0.0);
    for (slot, member) in members.iter().enumerate() {
        for (name, value) in member.as_object().unwrap() {
            if let Some(array) = INTS.iter().position(|known| known == name) {
                ints[first + array * CAPACITY + slot].store(value.as_i64().unwrap() as i32, Relaxed);
            } else if let Some(array) = DOUBLES.iter().position(|known| known == name) {
                doubles[array * CAPACITY + slot].store(value.as_f64().unwrap().to_bits(), Relaxed);
            } else {
                let fact = FACT_NAMES.iter().position(|known| known == name).unwrap();
                facts[fact * count + slot] = value.as_f64().unwrap();
            }
        }
    }
    let slots: Vec<i32> = (0..members.len() as i32).collect();
    let asked = &vector["question"];
    let number = |name: &str, fallback: f64| asked[name].as_f64().unwrap_or(fallback);
    let flag = |name: &str| f64::from(u8::from(asked[name].as_bool().unwrap_or(false)));
    let mut numbers = [0.0; QUESTION];
    numbers[..9].copy_from_slice(&[
        vector["order"].as_f64().unwrap(),
        now_ms,
        number("inputTokens", 0.0),
        number("random", 0.0),
        flag("limits"),
        flag("anyHealth"),
        number("buffer", 0.0),
        number("sampleTtlMs", 3_600_000.0),
        1.0,
    ]);
    let (strategy, question) = (Strategy::from_number(numbers[0]).unwrap(), Question::read(&numbers));
    let excluded: Vec<u8> =
        asked["excluded"].as_array().map_or(Vec::new(), |mask| mask.iter().map(|bit| bit.as_u64().unwrap() as u8).collect());
    let members = Members::new(Memory::new(&ints, &doubles, &[]).unwrap(), &slots, &facts).unwrap();
    let (found, count) = scan(&members, strategy, &excluded, &question);
    (found.map_or(-1, |position| position as i64), count)
}

#[test]
fn the_shared_vectors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/router.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 30);
    for vector in cases {
        let expected = &vector["expected"];
        let expected = (expected["scan"].as_i64().unwrap(), expected["count"].as_u64().unwrap() as usize);
        assert_eq!(answer(vector, vectors["nowMs"].as_f64().unwrap()), expected, "{}", vector["name"]);
    }
}
