//! The state of all deployments, in the layout of `lib/router/state/memory.ts`.

use std::array::from_fn;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Integers before those of the deployments: the first says how many threads have a row.
const HEADER: usize = 32;
const THREADS: usize = 0;
const INTS: usize = 14;
const DOUBLES: usize = 7;
const SAMPLES: usize = 16;

/// Threads that may share a state at the same time.
pub const MAX_THREADS: usize = 64;

/// Integers in a thread's row of requests in flight: whole cache lines.
#[must_use]
pub const fn row_length(capacity: usize) -> usize {
    capacity.next_multiple_of(32)
}

/// Arrays of integers, one number per deployment.
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

/// Arrays of doubles, one number per deployment.
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

/// Integers of a region for `capacity` deployments, before its doubles.
#[must_use]
pub const fn integers(capacity: usize) -> usize {
    HEADER + INTS * capacity
}

/// Bytes of a region for `capacity` deployments.
#[must_use]
pub const fn bytes(capacity: usize) -> usize {
    integers(capacity) * 4 + (DOUBLES + 2 * SAMPLES) * capacity * 8
}

/// The memory of a router: other threads may write to it at any time.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    header: &'a [AtomicI32],
    ints: [&'a [AtomicI32]; INTS],
    doubles: [&'a [AtomicU64]; DOUBLES],
    /// Requests in flight of each thread.
    rows: &'a [AtomicI32],
    capacity: usize,
}

impl<'a> Memory<'a> {
    /// `rows` is empty where no threads share it. `None` where no capacity has these lengths.
    #[must_use]
    pub fn new(ints: &'a [AtomicI32], doubles: &'a [AtomicU64], rows: &'a [AtomicI32]) -> Option<Self> {
        let capacity = ints.len().checked_sub(HEADER)? / INTS;
        let fits = ints.len() == HEADER + INTS * capacity && doubles.len() == (DOUBLES + 2 * SAMPLES) * capacity;
        let (header, ints) = ints.split_at(HEADER);
        fits.then(|| Self {
            header,
            ints: from_fn(|array| &ints[array * capacity..(array + 1) * capacity]),
            doubles: from_fn(|array| &doubles[array * capacity..(array + 1) * capacity]),
            rows,
            capacity,
        })
    }

    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline(always)]
    #[must_use]
    pub fn int(&self, array: Int, slot: usize) -> i32 {
        self.ints[array as usize][slot].load(Relaxed)
    }

    #[inline(always)]
    #[must_use]
    pub fn double(&self, array: Double, slot: usize) -> f64 {
        f64::from_bits(self.doubles[array as usize][slot].load(Relaxed))
    }

    /// Requests in flight, of all threads and processes.
    #[inline(always)]
    #[must_use]
    pub fn in_flight(&self, slot: usize) -> i32 {
        let count = self.int(Int::InFlight, slot).wrapping_add(self.int(Int::ElsewhereInFlight, slot));
        if self.rows.is_empty() { count } else { count.wrapping_add(self.in_threads(slot)) }
    }

    fn in_threads(&self, slot: usize) -> i32 {
        let threads = usize::try_from(self.header[THREADS].load(Acquire)).unwrap_or(0);
        let rows = self.rows.chunks_exact(row_length(self.capacity)).take(threads);
        rows.fold(0i32, |sum, row| sum.wrapping_add(row[slot].load(Relaxed)))
    }

    /// Counts the rows up to this thread's.
    pub fn admit(&self, thread: usize) {
        self.header[THREADS].fetch_max(thread as i32 + 1, AcqRel);
    }

    /// Clears a thread's row.
    pub fn clear_row(&self, thread: usize) {
        let row = self.rows.chunks_exact(row_length(self.capacity)).nth(thread).unwrap_or_default();
        for count in row {
            count.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_tell_the_capacity() {
        let ints: Vec<AtomicI32> = (0..HEADER + INTS * 8).map(|_| AtomicI32::new(0)).collect();
        let doubles: Vec<AtomicU64> = (0..(DOUBLES + 2 * SAMPLES) * 8).map(|_| AtomicU64::new(0)).collect();
        assert_eq!(Memory::new(&ints, &doubles, &[]).map(|memory| memory.capacity()), Some(8));
        assert_eq!(ints.len() * 4 + doubles.len() * 8, bytes(8));
        assert!(Memory::new(&ints[1..], &doubles, &[]).is_none());
        assert!(Memory::new(&ints, &doubles[1..], &[]).is_none());
        assert!(Memory::new(&ints[..10], &doubles, &[]).is_none());
    }

    #[test]
    fn requests_of_all_threads_add_up_until_a_row_is_cleared() {
        let ints: Vec<AtomicI32> = (0..HEADER + INTS * 8).map(|_| AtomicI32::new(0)).collect();
        let doubles: Vec<AtomicU64> = (0..(DOUBLES + 2 * SAMPLES) * 8).map(|_| AtomicU64::new(0)).collect();
        let rows: Vec<AtomicI32> = (0..MAX_THREADS * row_length(8)).map(|_| AtomicI32::new(0)).collect();
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
    }
}
