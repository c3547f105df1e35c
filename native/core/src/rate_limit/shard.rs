//! A part of a space's keys: slots without gaps, which growth never moves. Their index is in `index.rs`.

use super::index::MOST;
use super::policy::{Code, Family};
use super::slot::Slot;
use super::state::State;

/// Slots are allocated in portions of 4 KB.
const CHUNK: usize = 128;
/// Slots that a new key makes the sweep look at: it is faster than growth.
const SWEPT: usize = 2;
/// Slots that are compared for the least recently used one.
const COMPARED: usize = 16;

/// What a decision on a known key needs is a cache line with the lock: threads that take turns hand over this line and that of the key's counts.
#[derive(Debug, Default)]
pub struct Shard {
    /// An entry for each place and, if it has hints, a hint behind each.
    pub(super) index: Box<[u32]>,
    pub(super) places: u32,
    /// How many more decisions on busy keys are worth the memory for hints, which takes as much as the entries; 0 with hints.
    pub(super) until_hints: u16,
    /// Whether the least recently used key is to be found exactly.
    is_exact: bool,
    /// Each full but the last that has any.
    chunks: Box<[Vec<Slot>]>,
    pub allowed: u64,
    rest: Box<Rest>,
}

const _: () = assert!(size_of::<Shard>() <= 56);

#[derive(Debug, Default)]
struct Rest {
    len: usize,
    /// Where the sweep stands.
    hand: usize,
    denied: u64,
    /// Order of use, if exact.
    last_use: u64,
    uses: Vec<u64>,
}

impl Shard {
    pub fn new(exact: bool) -> Self {
        Self { is_exact: exact, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.rest.len
    }

    pub fn denied(&self) -> u64 {
        self.rest.denied
    }

    #[inline(always)]
    pub(super) fn slot(&mut self, number: usize) -> &mut Slot {
        &mut self.chunks[number / CHUNK][number % CHUNK]
    }

    #[inline(always)]
    pub(super) fn at(&self, number: usize) -> &Slot {
        &self.chunks[number / CHUNK][number % CHUNK]
    }

    /// When the key of a slot was last used.
    #[inline(always)]
    pub fn used_at(&self, number: usize) -> u64 {
        self.at(number).used_at()
    }

    /// Requests under way of the key of a slot.
    pub fn in_flight(&self, number: usize) -> u64 {
        self.at(number).in_flight()
    }

    /// Moves the state out of a slot, which is empty until `store`.
    #[inline(always)]
    pub fn load(&mut self, number: usize) -> State {
        self.unhint(number);
        self.slot(number).load()
    }

    /// Puts a state in, which was pruned at `used_at` and holds nothing later.
    #[inline(always)]
    pub fn store(&mut self, number: usize, state: &mut State, used_at: u64) {
        self.slot(number).store(state, used_at);
    }

    /// Whether the key of a slot tells no more than one never seen.
    fn is_idle(&mut self, number: usize, at: u64) -> bool {
        let used_at = self.used_at(number);
        let mut state = self.load(number);
        let is_idle = state.is_idle(at);
        self.store(number, &mut state, used_at);
        is_idle
    }

    /// Makes a slot the one that was used last.
    #[inline(always)]
    pub fn touch(&mut self, number: usize) {
        if self.is_exact {
            self.rest.last_use += 1;
            self.rest.uses[number] = self.rest.last_use;
        }
    }

    /// Counts a decision.
    #[inline(always)]
    pub fn count(&mut self, code: Code) {
        if code == Code::Allowed {
            self.allowed += 1;
        } else {
            self.rest.denied += 1;
        }
    }

    /// A slot for a key that `find` did not find, with what is idle at `at` swept on the way. Returns its number and how many keys fewer there are.
    pub fn insert(&mut self, hash: u64, family: Family, at: u64) -> (usize, usize) {
        let mut swept = 0;
        for _ in 0..SWEPT {
            if self.len() == 0 {
                break;
            }
            let number = self.next();
            if self.is_idle(number, at) {
                self.remove(number);
                swept += 1;
            }
        }
        if self.len() == MOST && self.evict(at).is_some() {
            swept += 1;
        }
        self.reserve();
        let number = self.len();
        if number / CHUNK == self.chunks.len() {
            let mut chunks = std::mem::take(&mut self.chunks).into_vec();
            chunks.resize_with((2 * chunks.len()).max(1), Vec::new);
            self.chunks = chunks.into_boxed_slice();
        }
        let chunk = &mut self.chunks[number / CHUNK];
        if chunk.capacity() == 0 {
            chunk.reserve_exact(CHUNK);
        }
        chunk.push(Slot::new(hash, family));
        if self.is_exact {
            self.rest.uses.push(0);
        }
        self.rest.len += 1;
        self.enter(hash, number);
        self.touch(number);
        (number, swept)
    }

    /// Makes room for one key. Returns whether an idle one went, `None` when there is none at all.
    pub fn evict(&mut self, at: u64) -> Option<bool> {
        if self.len() == 0 {
            return None;
        }
        let compared = if self.is_exact { self.len() } else { COMPARED.min(self.len()) };
        let mut oldest = (usize::MAX, (true, u64::MAX));
        for _ in 0..compared {
            let number = self.next();
            if self.is_idle(number, at) {
                self.remove(number);
                return Some(true);
            }
            // Keys with a request under way go last.
            let used = if self.is_exact { self.rest.uses[number] } else { self.used_at(number) };
            let rank = (self.in_flight(number) > 0, used);
            if rank <= oldest.1 {
                oldest = (number, rank);
            }
        }
        self.remove(oldest.0);
        Some(false)
    }

    fn next(&mut self) -> usize {
        let Rest { len, hand, .. } = &mut *self.rest;
        *hand = if *hand + 1 < *len { *hand + 1 } else { 0 };
        *hand
    }

    /// Removes a slot; the last one takes its place.
    pub fn remove(&mut self, number: usize) {
        let last = self.len() - 1;
        self.leave(number);
        if number != last {
            self.renumber(last, number);
        }
        let moved = self.chunks[last / CHUNK].pop().expect("there is a last slot");
        if number != last {
            *self.slot(number) = moved;
        }
        if self.is_exact {
            self.rest.uses.swap_remove(number);
        }
        self.rest.len = last;
        // One empty chunk is kept, so that a key that comes and goes does not allocate.
        if let Some(unneeded) = self.chunks.get_mut(last.div_ceil(CHUNK) + 1) {
            *unneeded = Vec::new();
        }
        self.shrink();
    }
}
