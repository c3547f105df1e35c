//! What is known of every deployment, as JavaScript lays it out: `lib/router/state/memory.ts`.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Integers before those of the deployments: the journal's length, how many threads have a row, and the journal.
const HEADER: usize = 64;
const THREADS: usize = 32;
const JOURNAL: usize = 4096;
const FIRST: usize = HEADER + JOURNAL;
const INTS: usize = 14;
const DOUBLES: usize = 7;
const SAMPLES: usize = 16;
const SLOT_BITS: u32 = 16;
const ROUND_MASK: u32 = 0x7fff;

/// Threads that may share a state at a time.
pub const MAX_THREADS: usize = 64;

/// Integers of a thread's row of requests under way: whole cache lines.
#[must_use]
pub const fn row_length(capacity: usize) -> usize {
    capacity.next_multiple_of(32)
}

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
    /// What each thread has under way.
    rows: &'a [AtomicI32],
    capacity: usize,
}

impl<'a> Memory<'a> {
    /// `rows` is empty where no threads share it. `None` where the lengths are not those of any capacity.
    #[must_use]
    pub fn new(ints: &'a [AtomicI32], doubles: &'a [AtomicU64], rows: &'a [AtomicI32]) -> Option<Self> {
        let capacity = ints.len().checked_sub(FIRST)? / INTS;
        let fits = ints.len() == FIRST + INTS * capacity && doubles.len() == (DOUBLES + 2 * SAMPLES) * capacity;
        fits.then_some(Self { ints, doubles, rows, capacity })
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

    /// Requests under way, of all threads and processes.
    #[inline(always)]
    #[must_use]
    pub fn in_flight(self, slot: usize) -> i32 {
        let count = self.int(Int::InFlight, slot).wrapping_add(self.int(Int::ElsewhereInFlight, slot));
        if self.rows.is_empty() { count } else { count.wrapping_add(self.in_threads(slot)) }
    }

    fn in_threads(self, slot: usize) -> i32 {
        let threads = usize::try_from(self.ints[THREADS].load(Acquire)).unwrap_or(0);
        let rows = self.rows.chunks_exact(row_length(self.capacity)).take(threads);
        rows.fold(0i32, |sum, row| sum.wrapping_add(row[slot].load(Relaxed)))
    }

    /// One more thread has a row, all before it have one, too.
    pub fn admit(self, thread: usize) {
        self.ints[THREADS].fetch_max(thread as i32 + 1, AcqRel);
    }

    /// Clears a thread's row, and tells the others.
    pub fn clear_row(self, thread: usize) {
        let row = self.rows.chunks_exact(row_length(self.capacity)).nth(thread).unwrap_or_default();
        for (slot, count) in row.iter().enumerate().take(self.capacity) {
            if count.swap(0, AcqRel) != 0 {
                self.tell(slot);
            }
        }
    }

    fn tell(self, slot: usize) {
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
        assert_eq!(Memory::new(&ints, &doubles, &[]).map(Memory::capacity), Some(8));
        assert_eq!(ints.len() * 4 + doubles.len() * 8, bytes(8));
        assert!(Memory::new(&ints[1..], &doubles, &[]).is_none());
        assert!(Memory::new(&ints, &doubles[1..], &[]).is_none());
        assert!(Memory::new(&ints[..10], &doubles, &[]).is_none());
    }

    #[test]
    fn what_threads_have_is_added_up_and_what_one_leaves_is_in_the_journal() {
        let ints: Vec<AtomicI32> = (0..FIRST + INTS * 8).map(|_| AtomicI32::new(0)).collect();
        let doubles: Vec<AtomicU64> = (0..(DOUBLES + 2 * SAMPLES) * 8).map(|_| AtomicU64::new(0)).collect();
        let rows: Vec<AtomicI32> = (0..MAX_THREADS * row_length(8)).map(|_| AtomicI32::new(0)).collect();
        ints[0].store(JOURNAL as i32 + 2, Relaxed);
        let memory = Memory::new(&ints, &doubles, &rows).expect("the lengths of 8");
        rows[row_length(8) + 5].store(4, Relaxed);
        rows[2 * row_length(8) + 5].store(5, Relaxed);
        assert_eq!(memory.in_flight(5), 0);
        memory.admit(2);
        memory.admit(1);
        assert_eq!([memory.in_flight(5), memory.in_flight(4)], [9, 0]);
        memory.clear_row(1);
        memory.clear_row(MAX_THREADS);
        assert_eq!(memory.in_flight(5), 5);
        assert_eq!(ints[0].load(Relaxed), JOURNAL as i32 + 3);
        assert_eq!(ints[HEADER + 2].load(Relaxed), (2 << SLOT_BITS) | 5);
    }
}
