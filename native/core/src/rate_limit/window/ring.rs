//! The instants of a busy key, packed.

use super::instant::Instant;
use std::collections::VecDeque;

/// Room at first and at last. A ring seldom needs more, and sizes in between would leave holes in
/// the allocator's memory.
const LITTLE_ROOM: usize = 8;
const FULL_ROOM: usize = 64;

/// A queue of instants. Of each time the lower bits are kept: a later time, less than a window
/// away, gives the others.
#[derive(Debug)]
pub enum Ring {
    /// Of a minute: 16 bits of time, 16 of requests, 32 of tokens.
    Compact(VecDeque<(u16, u16, u32)>),
    /// Without tokens.
    Plain(VecDeque<(u32, u32)>),
    /// For a minute with more than 65,535 requests at an instant.
    Wide(VecDeque<(u32, u32, u32)>),
}

impl Ring {
    pub fn new(with_tokens: bool) -> Self {
        if with_tokens { Self::Compact(VecDeque::new()) } else { Self::Plain(VecDeque::new()) }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Compact(ring) => ring.len(),
            Self::Plain(ring) => ring.len(),
            Self::Wide(ring) => ring.len(),
        }
    }

    /// The instant with this index; `later` is a time after it.
    pub fn get(&self, index: usize, later: u64) -> Instant {
        match self {
            Self::Compact(ring) => {
                let (time, requests, tokens) = ring[index];
                let age = (later as u16).wrapping_sub(time);
                Instant { at: later - u64::from(age), requests: requests.into(), tokens: tokens.into() }
            }
            Self::Plain(ring) => {
                let (time, requests) = ring[index];
                Instant { at: later - age(later, time), requests: requests.into(), tokens: 0 }
            }
            Self::Wide(ring) => {
                let (time, requests, tokens) = ring[index];
                Instant { at: later - age(later, time), requests: requests.into(), tokens: tokens.into() }
            }
        }
    }

    /// Replaces the tokens of an instant.
    pub fn set_tokens(&mut self, index: usize, tokens: u64) {
        match self {
            Self::Compact(ring) => ring[index].2 = tokens as u32,
            Self::Plain(_) => {}
            Self::Wide(ring) => ring[index].2 = tokens as u32,
        }
    }

    pub fn push(&mut self, instant: Instant) {
        let Instant { at, requests, tokens } = instant;
        if let Self::Compact(ring) = self {
            if requests <= u64::from(u16::MAX) {
                return push(ring, (at as u16, requests as u16, tokens as u32));
            }
            let wide = (0..self.len()).map(|index| self.get(index, at));
            let wide = wide.map(|kept| (kept.at as u32, kept.requests as u32, kept.tokens as u32));
            *self = Self::Wide(wide.collect());
        }
        match self {
            Self::Compact(_) => {}
            Self::Plain(ring) => push(ring, (at as u32, requests as u32)),
            Self::Wide(ring) => push(ring, (at as u32, requests as u32, tokens as u32)),
        }
    }

    pub fn pop(&mut self) {
        match self {
            Self::Compact(ring) => drop(ring.pop_front()),
            Self::Plain(ring) => drop(ring.pop_front()),
            Self::Wide(ring) => drop(ring.pop_front()),
        }
    }
}

fn age(later: u64, time: u32) -> u64 {
    (later as u32).wrapping_sub(time).into()
}

fn push<T>(ring: &mut VecDeque<T>, instant: T) {
    if ring.len() == ring.capacity() {
        // More than `FULL_ROOM` only where instants cannot be merged, because one would hold too
        // much.
        let room = if ring.len() < LITTLE_ROOM { LITTLE_ROOM } else { FULL_ROOM.max(2 * ring.len()) };
        ring.reserve_exact(room - ring.len());
    }
    ring.push_back(instant);
}
