//! The deployments that are chosen among, and how each stands: `lib/router/selection/eligibility.ts`.

use super::memory::{Double, Int, Memory};

/// Numbers of each member.
pub const FACTS: usize = 6;
/// Numbers of a question.
pub const QUESTION: usize = 10;

/// What members are ordered by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Shuffle,
    InFlight,
    Latency,
    FirstToken,
    Tokens,
    Cost,
}

/// What is asked, of whom, and when.
#[derive(Clone, Copy)]
pub struct Question {
    pub order: Order,
    pub now_ms: f64,
    pub input_tokens: f64,
    pub random: f64,
    pub limits: bool,
    pub any_health: bool,
    pub buffer: f64,
    pub sample_ttl_ms: f64,
}

impl Question {
    /// `None` for an order that does not exist.
    #[must_use]
    pub fn read(numbers: [f64; QUESTION]) -> Option<Self> {
        let order = [Order::Shuffle, Order::InFlight, Order::Latency, Order::FirstToken, Order::Tokens, Order::Cost]
            .into_iter()
            .nth(numbers[0] as usize)?;
        let respects = !matches!(order, Order::Shuffle | Order::InFlight);
        Some(Self {
            order,
            now_ms: numbers[1],
            input_tokens: numbers[2],
            random: numbers[3],
            limits: numbers[4] == 1.0 || respects,
            any_health: numbers[5] == 1.0,
            buffer: numbers[6],
            sample_ttl_ms: numbers[7],
        })
    }

    #[must_use]
    pub fn minute(&self) -> i32 {
        (self.now_ms / 60_000.0).floor() as i32
    }
}

/// Members of a group: their slots, and `FACTS` numbers each.
#[derive(Clone, Copy)]
pub struct Members<'a> {
    pub memory: Memory<'a>,
    slots: &'a [i32],
    facts: &'a [f64],
}

impl<'a> Members<'a> {
    /// `None` where a slot is not of the memory, or facts are missing.
    #[must_use]
    pub fn new(memory: Memory<'a>, slots: &'a [i32], facts: &'a [f64]) -> Option<Self> {
        let known = slots.iter().all(|&slot| slot >= 0 && (slot as usize) < memory.capacity());
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

    #[must_use]
    pub fn fact(&self, position: usize, fact: usize) -> f64 {
        self.facts[position * FACTS + fact]
    }

    fn slot(&self, position: usize) -> usize {
        self.slots[position] as usize
    }

    /// Whether a member cools or has failed a health check.
    #[inline]
    #[must_use]
    pub fn is_out(&self, position: usize, question: &Question) -> bool {
        let slot = self.slot(position);
        let is_later = |at: Double| self.memory.double(at, slot) > question.now_ms;
        is_later(Double::CoolingUntil) || is_later(Double::UnhealthyUntil)
    }

    /// Whether a member may be chosen.
    #[inline]
    #[must_use]
    pub fn free(&self, position: usize, question: &Question) -> bool {
        let memory = self.memory;
        let slot = self.slot(position);
        let facts = &self.facts[position * FACTS..(position + 1) * FACTS];
        if memory.double(Double::CoolingUntil, slot) > question.now_ms {
            return false;
        }
        if !question.any_health && memory.double(Double::UnhealthyUntil, slot) > question.now_ms {
            return false;
        }
        if question.input_tokens > facts[3] || f64::from(memory.in_flight(slot)) >= facts[2] {
            return false;
        }
        if !question.limits || (facts[0] == f64::INFINITY && facts[1] == f64::INFINITY) {
            return true;
        }
        let requests = self.of_minute(slot, question, Int::Requests, Int::ElsewhereRequests);
        let tokens = self.of_minute(slot, question, Int::Tokens, Int::ElsewhereTokens);
        requests + 1.0 <= facts[0] && tokens + question.input_tokens.max(1.0) <= facts[1]
    }

    /// What a member is ordered by.
    #[inline]
    #[must_use]
    pub fn figure(&self, position: usize, question: &Question) -> f64 {
        let memory = self.memory;
        let slot = self.slot(position);
        let fresh = |at: Double| question.now_ms - memory.double(at, slot) < question.sample_ttl_ms;
        match question.order {
            Order::Shuffle => 0.0,
            Order::InFlight => f64::from(memory.in_flight(slot)),
            Order::Latency if fresh(Double::LatencyAt) => memory.double(Double::Latency, slot),
            Order::FirstToken if fresh(Double::FirstTokenAt) => memory.double(Double::FirstToken, slot),
            Order::Latency | Order::FirstToken => 0.0,
            Order::Tokens => self.of_minute(slot, question, Int::Tokens, Int::ElsewhereTokens),
            Order::Cost => self.fact(position, 5),
        }
    }

    /// When a member's standing or figure changes by the time alone.
    #[inline]
    #[must_use]
    pub fn wake_at(&self, position: usize, question: &Question) -> f64 {
        let slot = self.slot(position);
        let until = |at: Double| self.memory.double(at, slot);
        let stale = match question.order {
            Order::Latency => until(Double::LatencyAt) + question.sample_ttl_ms,
            Order::FirstToken => until(Double::FirstTokenAt) + question.sample_ttl_ms,
            _ => f64::INFINITY,
        };
        [until(Double::CoolingUntil), until(Double::UnhealthyUntil), stale]
            .into_iter()
            .filter(|&at| at > question.now_ms)
            .fold(f64::INFINITY, f64::min)
    }

    fn of_minute(&self, slot: usize, question: &Question, here: Int, elsewhere: Int) -> f64 {
        let minute = question.minute();
        let counted = |of: Int, count: Int| if self.memory.int(of, slot) == minute { f64::from(self.memory.int(count, slot)) } else { 0.0 };
        counted(Int::Minute, here) + counted(Int::ElsewhereMinute, elsewhere)
    }
}
