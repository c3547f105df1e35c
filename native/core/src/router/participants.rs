//! States that all threads of the process share: which deployment has which slot, and how many
//! requests each thread has in flight.

use super::memory::{MAX_THREADS, Memory, bytes, row_length};
use crate::CoreError;
use crate::shared_memory::Region;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::LazyLock;

#[derive(Default)]
struct Space {
    capacity: usize,
    slots: HashMap<String, u32>,
    /// Whether a thread uses the row of this number.
    threads: Vec<bool>,
}

static SPACES: LazyLock<Mutex<HashMap<String, Space>>> = LazyLock::new(Mutex::default);

/// The name of a state's memory.
#[must_use]
pub fn memory_name(name: &str) -> String {
    format!("router/{name}")
}

/// The name of the memory that holds the requests in flight of each thread.
#[must_use]
pub fn rows_name(name: &str) -> String {
    format!("router/{name}/threads")
}

fn rows_bytes(capacity: usize) -> usize {
    MAX_THREADS * row_length(capacity) * 4
}

/// A thread's part in a state. Only this thread writes to its row, which is cleared when the thread
/// ends, however it ends.
pub struct Participant {
    name: String,
    pub thread: u32,
    state: Region,
    rows: Region,
    capacity: usize,
}

impl Participant {
    /// # Errors
    /// When the state has another capacity, its memory cannot be allocated, or 64 threads share it.
    pub fn new(name: &str, capacity: usize) -> Result<Self, CoreError> {
        let state = Region::named(&memory_name(name), bytes(capacity))?;
        let mut spaces = SPACES.lock();
        let space = spaces.entry(name.to_owned()).or_insert_with(|| Space { capacity, ..Space::default() });
        let thread = space.threads.iter().position(|taken| !taken).unwrap_or(space.threads.len());
        if thread == MAX_THREADS {
            return Err(CoreError::TooManyMembers);
        }
        let rows = Region::named(&rows_name(name), rows_bytes(capacity))?;
        if thread == space.threads.len() {
            space.threads.push(true);
        } else {
            space.threads[thread] = true;
        }
        let participant = Self { name: name.to_owned(), thread: thread as u32, state, rows, capacity };
        if let Some(memory) = participant.memory() {
            memory.admit(thread);
        }
        Ok(participant)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state, as all threads see it.
    #[must_use]
    pub fn memory(&self) -> Option<Memory<'static>> {
        let doubles = (bytes(self.capacity) - self.integers() * 4) / 8;
        let all = self.state.doubles();
        Memory::new(&self.state.integers()[..self.integers()], &all[all.len() - doubles..], self.rows.integers())
    }

    fn integers(&self) -> usize {
        super::memory::integers(self.capacity)
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        if let Some(memory) = self.memory() {
            memory.clear_row(self.thread as usize);
        }
        if let Some(space) = SPACES.lock().get_mut(&self.name) {
            space.threads[self.thread as usize] = false;
        }
    }
}

/// The slot of a deployment in the state of this name, the same for all threads; `None` where all
/// slots are taken, or no such state is open.
#[must_use]
pub fn slot(name: &str, id: &str) -> Option<u32> {
    let mut spaces = SPACES.lock();
    let space = spaces.get_mut(name)?;
    if let Some(&slot) = space.slots.get(id) {
        return Some(slot);
    }
    let next = space.slots.len();
    if next == space.capacity {
        return None;
    }
    space.slots.insert(id.to_owned(), next as u32);
    Some(next as u32)
}
