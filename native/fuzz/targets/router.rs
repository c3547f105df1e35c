//! Any memory, facts and question: what is selected is eligible, counted, and the best. Wrong
//! lengths are rejected.
#![no_main]

use fast_litellm_core::router::{FACTS, Members, Memory, QUESTION, Question, Strategy, scan};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Lengths of the memory, as JavaScript lays it out: `lib/router/state/memory.ts`.
const HEADER: usize = 32;
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
        Ok(Self { ints, doubles, rows, slots, facts, excluded, question: numbers })
    }
}

fuzz_target!(|input: Input| {
    let Input { ints, doubles, rows, slots, facts, excluded, question } = input;
    let (Some(memory), Some(strategy)) = (Memory::new(&ints, &doubles, &rows), Strategy::from_number(question[0])) else { return };
    let Some(members) = Members::new(memory, &slots, &facts) else { return };
    let question = Question::read(&question);
    let (found, count) = scan(&members, strategy, &excluded, &question);
    let asked = Question { limits: question.limits || strategy.respects_limits(), ..question };
    let is_eligible = |position: &usize| excluded.get(*position) != Some(&1) && members.is_eligible(*position, &asked);
    let eligible: Vec<usize> = (0..members.len()).filter(is_eligible).collect();
    assert_eq!(count, eligible.len());
    let figure = |position: usize| strategy.figure(&members, position, &asked);
    let Some(found) = found else {
        // Nothing is within a buffer beside a figure below 0, and no figure is compared with one that
        // is no number.
        let is_compared = |position: &usize| !figure(*position).is_nan();
        assert!(strategy.is_buffered() || strategy != Strategy::SimpleShuffle && !eligible.iter().all(is_compared) || eligible.is_empty());
        return;
    };
    assert!(eligible.contains(&found));
    if matches!(strategy, Strategy::LeastBusy | Strategy::UsageBased | Strategy::CostBased) {
        assert!(eligible.iter().all(|position| !(figure(*position) < figure(found))));
    }
});
