//! Any memory, facts and question: what is found may be chosen, is counted right, and is the best. Lengths that are wrong are refused.
#![no_main]

use fast_litellm_core::router::{FACTS, Members, Memory, Order, QUESTION, Question, lottery, rank, scan};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Lengths of the memory, as JavaScript lays it out: `lib/router/state/memory.ts`.
const HEADER: usize = 64 + 4096;
const INTS: usize = 14;
const DOUBLES: usize = 39;
const ROW: usize = 32;
const MOST: usize = 24;

/// Numbers near one another, and anything else.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Small(i8),
    Time(u16),
    Infinite,
    Any(f64),
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Self::Small(number) => number.into(),
            Self::Time(ms) => 1_700_000_000_000.0 + f64::from(ms) * 100.0,
            Self::Infinite => f64::INFINITY,
            Self::Any(number) => number,
        }
    }
}

#[derive(Debug)]
struct Input {
    ints: Vec<AtomicI32>,
    doubles: Vec<AtomicU64>,
    rows: Vec<AtomicI32>,
    slots: Vec<i32>,
    facts: Vec<f64>,
    excluded: Vec<u8>,
    question: [f64; QUESTION],
    leaves: usize,
    ties: Vec<i32>,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let capacity = bytes.int_in_range(0..=MOST)?;
        // Mostly 0.
        let off = |bytes: &mut Unstructured<'a>| Ok(usize::from(bytes.ratio(1, 32)?));
        let count = bytes.int_in_range(0..=MOST)?;
        let question = (0..QUESTION).map(|_| Ok(Number::arbitrary(bytes)?.value())).collect::<arbitrary::Result<Vec<_>>>()?;
        let slots = (0..count).map(|_| if bytes.ratio(1, 64)? { i32::arbitrary(bytes) } else { bytes.int_in_range(0..=capacity as i32) });
        let slots = slots.collect::<arbitrary::Result<_>>()?;
        let facts = count * FACTS + off(bytes)?;
        let facts = (0..facts).map(|_| Ok(Number::arbitrary(bytes)?.value())).collect::<arbitrary::Result<_>>()?;
        let excluded = (0..bytes.int_in_range(0..=MOST)?).map(|_| Ok(bytes.int_in_range(0..=2)?)).collect::<arbitrary::Result<_>>()?;
        let leaves = count + bytes.int_in_range(0..=8)? - off(bytes)?.min(count);
        let ties = (0..leaves).map(|_| i32::arbitrary(bytes)).collect::<arbitrary::Result<_>>()?;
        let (ints, doubles) = (HEADER + INTS * capacity + off(bytes)?, DOUBLES * capacity + off(bytes)?);
        let rows = ROW * bytes.int_in_range(0..=3)? + off(bytes)?;
        // The header is of one number: a thread's rows are read by it.
        let threads = i32::arbitrary(bytes)?;
        let int = |bytes: &mut Unstructured<'a>| {
            Ok(AtomicI32::new(if bool::arbitrary(bytes)? { i8::arbitrary(bytes)?.into() } else { i32::arbitrary(bytes)? }))
        };
        let ints =
            (0..ints).map(|at| if at < HEADER { Ok(AtomicI32::new(threads)) } else { int(bytes) }).collect::<arbitrary::Result<_>>()?;
        let rows = (0..rows).map(|_| int(bytes)).collect::<arbitrary::Result<_>>()?;
        let doubles =
            (0..doubles).map(|_| Ok(AtomicU64::new(Number::arbitrary(bytes)?.value().to_bits()))).collect::<arbitrary::Result<_>>()?;
        let mut numbers = [0.0; QUESTION];
        numbers.copy_from_slice(&question);
        Ok(Self { ints, doubles, rows, slots, facts, excluded, question: numbers, leaves, ties })
    }
}

fn check_scan(members: &Members<'_>, excluded: &[u8], question: &Question) {
    let (found, count) = scan(members, excluded, question);
    let may_be_chosen = |position: &usize| excluded.get(*position) != Some(&1) && members.free(*position, question);
    let free: Vec<usize> = (0..members.len()).filter(may_be_chosen).collect();
    assert_eq!(count, free.len());
    let Some(found) = found else {
        // Nothing is within a buffer that is no number, below 0 or beside a figure below 0.
        let is_buffered = matches!(question.order, Order::Latency | Order::FirstToken);
        let is_number = |position: &usize| !members.figure(*position, question).is_nan();
        assert!(is_buffered || !free.iter().any(is_number));
        return;
    };
    assert!(free.contains(&found));
    if matches!(question.order, Order::InFlight | Order::Tokens | Order::Cost) {
        let figure = members.figure(found, question);
        assert!(free.iter().all(|position| !(members.figure(*position, question) < figure)));
    }
}

fn check_rank(members: &Members<'_>, question: &Question, leaves: usize, ties: &[i32]) {
    // As the binding does.
    if leaves < members.len() {
        return;
    }
    let (mut keys, mut winners) = (vec![f64::INFINITY; leaves], vec![0; 2 * leaves]);
    let seen = rank(members, question, &mut keys, ties, &mut winners);
    let asked = Question { input_tokens: 0.0, ..*question };
    assert_eq!(seen.count, (0..members.len()).filter(|position| members.free(*position, &asked)).count());
    assert!(winners.iter().all(|winner| (*winner as usize) < leaves));
    if leaves.is_power_of_two() && leaves > 1 && !keys.iter().any(|key| key.is_nan()) {
        let best = keys[winners[1] as usize];
        assert!(keys.iter().all(|key| best <= *key));
    }
}

fn check_lottery(members: &Members<'_>, question: &Question) {
    let len = members.len();
    let (mut chances, mut aliases) = (vec![0.0; len], vec![-1; 2 * len]);
    let seen = lottery(members, question, &mut chances, &mut aliases);
    let out = (0..len).filter(|position| members.is_out(*position, question)).count();
    assert_eq!(seen.count, len - out);
    for alias in &aliases[..2 * seen.count] {
        assert!(!members.is_out(*alias as usize, question));
    }
}

fuzz_target!(|input: Input| {
    let Input { ints, doubles, rows, slots, facts, excluded, question, leaves, ties } = input;
    let (Some(memory), Some(question)) = (Memory::new(&ints, &doubles, &rows), Question::read(question)) else { return };
    let Some(members) = Members::new(memory, &slots, &facts) else { return };
    check_scan(&members, &excluded, &question);
    check_rank(&members, &question, leaves, &ties);
    check_lottery(&members, &question);
});
