//! The deployments that are compared, and which of them are eligible:
//! `lib/router/selection/eligibility.ts`.

use super::memory::{Double, Int, Memory};
use super::question::Question;
use std::array::from_fn;

/// Columns of facts, each with a number per member: `Fact` of `lib/router/engine/engine.ts`.
pub const FACTS: usize = 7;
pub const RPM: usize = 0;
pub const TPM: usize = 1;
const MAX_PARALLEL: usize = 2;
const MAX_INPUT_TOKENS: usize = 3;
pub const WEIGHT: usize = 4;
pub const COST: usize = 5;
pub const TURN: usize = 6;

/// Deployments of a model group: their slots, and their facts.
#[derive(Clone, Copy)]
pub struct Members<'a> {
    pub memory: Memory<'a>,
    slots: &'a [i32],
    facts: &'a [f64],
}

impl<'a> Members<'a> {
    /// `None` where a slot is beyond the memory, or facts are missing.
    #[must_use]
    pub fn new(memory: Memory<'a>, slots: &'a [i32], facts: &'a [f64]) -> Option<Self> {
        // Without an early end the loop is vectorized. A negative slot becomes a large one.
        let known = slots.iter().fold(true, |known, &slot| known & ((slot as u32 as usize) < memory.capacity()));
        (known && facts.len() == slots.len() * FACTS).then_some(Self { memory, slots, facts })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[inline]
    #[must_use]
    pub fn fact(&self, position: usize, fact: usize) -> f64 {
        self.facts[fact * self.slots.len() + position]
    }

    #[inline(always)]
    #[must_use]
    pub fn slot(&self, position: usize) -> usize {
        self.slots[position] as usize
    }

    /// Whether a member may take a request now.
    #[inline(always)]
    #[must_use]
    pub fn is_eligible(&self, position: usize, question: &Question) -> bool {
        let memory = &self.memory;
        let slot = self.slot(position);
        if memory.double(Double::CoolingUntil, slot) > question.now_ms {
            return false;
        }
        if !question.any_health && memory.double(Double::UnhealthyUntil, slot) > question.now_ms {
            return false;
        }
        !question.limited || self.is_within_limits(position, slot, question)
    }

    fn is_within_limits(&self, position: usize, slot: usize, question: &Question) -> bool {
        let memory = &self.memory;
        let facts: [f64; MAX_INPUT_TOKENS + 1] = from_fn(|fact| self.fact(position, fact));
        if question.input_tokens > facts[MAX_INPUT_TOKENS] {
            return false;
        }
        if facts[MAX_PARALLEL] != f64::INFINITY && f64::from(memory.in_flight(slot)) >= facts[MAX_PARALLEL] {
            return false;
        }
        !question.limits || self.has_room(slot, facts[RPM], facts[TPM], question)
    }

    /// Whether a request fits into the member's rpm and tpm.
    fn has_room(&self, slot: usize, rpm: f64, tpm: f64, question: &Question) -> bool {
        let used = |here, elsewhere| self.of_minute(slot, question.minute, here, elsewhere);
        if rpm != f64::INFINITY && used(Int::Requests, Int::ElsewhereRequests) + 1.0 > rpm {
            return false;
        }
        let tokens = question.input_tokens.max(1.0);
        tpm == f64::INFINITY || used(Int::Tokens, Int::ElsewhereTokens) + tokens <= tpm
    }

    /// A count of the minute, of this process and of the others.
    #[must_use]
    pub fn of_minute(&self, slot: usize, minute: i32, here: Int, elsewhere: Int) -> f64 {
        let counted = |of: Int, count: Int| if self.memory.int(of, slot) == minute { f64::from(self.memory.int(count, slot)) } else { 0.0 };
        counted(Int::Minute, here) + counted(Int::ElsewhereMinute, elsewhere)
    }
}
