//! Portions of a batch: some of its texts, one behind the other.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Texts are handed to threads in portions of about this many units.
pub const PORTION: usize = 8 << 10;
/// Portions that wait before a calling thread that waits for the batch counts one itself.
pub const MOST_WAITING: usize = 64;
/// Buffers that are kept, and their size in units: fresh memory costs more than counting what is
/// read into it.
const KEEP_BUFFERS: usize = 64;
const KEEP_UNITS: usize = 4 * PORTION;

static BUFFERS: Mutex<Vec<Vec<u16>>> = Mutex::new(Vec::new());

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole texts, one behind the other: those of the batch from `first` to `end`.
pub struct Portion {
    pub units: Vec<u16>,
    pub len: usize,
    pub first: usize,
    pub end: usize,
}

impl Portion {
    /// Without texts yet, from the `first` on.
    pub fn from(first: usize) -> Self {
        Self { units: lock(&BUFFERS).pop().unwrap_or_default(), len: 0, first, end: first }
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        let mut buffers = lock(&BUFFERS);
        if self.units.len() <= KEEP_UNITS && buffers.len() < KEEP_BUFFERS {
            buffers.push(std::mem::take(&mut self.units));
        }
    }
}

#[derive(Default)]
pub struct Queue {
    pub waiting: VecDeque<Portion>,
    /// Threads that take from it, beside the calling one.
    pub takers: usize,
}
