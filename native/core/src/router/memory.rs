//! What is known of every deployment, as JavaScript lays it out: `lib/router/router.memory.ts`.

use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Integers before those of the deployments: the journal's length, and the journal.
const HEADER: usize = 64;
const JOURNAL: usize = 4096;
const FIRST: usize = HEADER + JOURNAL;
const INTS: usize = 14;
const DOUBLES: usize = 7;
const SAMPLES: usize = 16;
const SLOT_BITS: u32 = 16;
const ROUND_MASK: u32 = 0x7fff;

/// Arrays of integers, one number for each deployment.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Int {
    InFlight = 0,
    Minute = 1,
    Requests = 2,
    Tokens = 3,
    ElsewhereInFlight = 9,
    ElsewhereMinute = 10,
    ElsewhereRequests = 11,
    ElsewhereTokens = 12,
}

/// Arrays of doubles, likewise.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Double {
    CoolingUntil = 0,
    UnhealthyUntil = 1,
    Latency = 3,
    FirstToken = 4,
    LatencyAt = 5,
    FirstTokenAt = 6,
}

/// Integers of a region for so many deployments, before its doubles.
#[must_use]
pub const fn integers(capacity: usize) -> usize {
    FIRST + INTS * capacity
}

/// Bytes of a region for so many deployments.
#[must_use]
pub const fn bytes(capacity: usize) -> usize {
    integers(capacity) * 4 + (DOUBLES + 2 * SAMPLES) * capacity * 8
}

/// The memory of a router: other threads may write to it at any time.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    ints: &'a [AtomicI32],
    doubles: &'a [AtomicU64],
    capacity: usize,
}

impl<'a> Memory<'a> {
    /// `None` where the lengths are not those of any capacity.
    #[must_use]
    pub fn new(ints: &'a [AtomicI32], doubles: &'a [AtomicU64]) -> Option<Self> {
        let capacity = ints.len().checked_sub(FIRST)? / INTS;
        let fits = ints.len() == FIRST + INTS * capacity && doubles.len() == (DOUBLES + 2 * SAMPLES) * capacity;
        fits.then_some(Self { ints, doubles, capacity })
    }

    #[must_use]
    pub fn capacity(self) -> usize {
        self.capacity
    }

    #[inline(always)]
    #[must_use]
    pub fn int(self, array: Int, slot: usize) -> i32 {
        debug_assert!(slot < self.capacity);
        self.ints[FIRST + array as usize * self.capacity + slot].load(Relaxed)
    }

    #[inline(always)]
    #[must_use]
    pub fn double(self, array: Double, slot: usize) -> f64 {
        debug_assert!(slot < self.capacity);
        f64::from_bits(self.doubles[array as usize * self.capacity + slot].load(Relaxed))
    }

    /// Takes back what a thread had under way, and tells the others.
    pub fn give_back(self, slot: usize, count: i32) {
        self.ints[FIRST + Int::InFlight as usize * self.capacity + slot].fetch_sub(count, AcqRel);
        let at = self.ints[0].fetch_add(1, AcqRel) as u32;
        let round = ((at >> JOURNAL.trailing_zeros()) + 1) & ROUND_MASK;
        let entry = ((round << SLOT_BITS) | slot as u32) as i32;
        self.ints[HEADER + (at as usize & (JOURNAL - 1))].store(entry, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_tell_the_capacity() {
        let ints: Vec<AtomicI32> = (0..FIRST + INTS * 8).map(|_| AtomicI32::new(0)).collect();
        let doubles: Vec<AtomicU64> = (0..(DOUBLES + 2 * SAMPLES) * 8).map(|_| AtomicU64::new(0)).collect();
        assert_eq!(Memory::new(&ints, &doubles).map(Memory::capacity), Some(8));
        assert_eq!(ints.len() * 4 + doubles.len() * 8, bytes(8));
        assert!(Memory::new(&ints[1..], &doubles).is_none());
        assert!(Memory::new(&ints, &doubles[1..]).is_none());
        assert!(Memory::new(&ints[..10], &doubles).is_none());
    }

    #[test]
    fn what_is_given_back_is_in_the_journal() {
        let ints: Vec<AtomicI32> = (0..FIRST + INTS * 8).map(|_| AtomicI32::new(0)).collect();
        let doubles: Vec<AtomicU64> = (0..(DOUBLES + 2 * SAMPLES) * 8).map(|_| AtomicU64::new(0)).collect();
        ints[0].store(JOURNAL as i32 + 2, Relaxed);
        ints[FIRST + 5].store(9, Relaxed);
        let memory = Memory::new(&ints, &doubles).expect("the lengths of 8");
        memory.give_back(5, 4);
        assert_eq!(memory.int(Int::InFlight, 5), 5);
        assert_eq!(ints[0].load(Relaxed), JOURNAL as i32 + 3);
        assert_eq!(ints[HEADER + 2].load(Relaxed), (2 << SLOT_BITS) | 5);
    }
}
