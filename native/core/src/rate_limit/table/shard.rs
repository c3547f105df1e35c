//! A part of a space's keys: slots without gaps, in chunks that growth never moves, and their
//! index.

use super::index::{Index, MOST};
use super::key::Scope;
use super::slot::Slot;
use crate::rate_limit::policy::Family;
use crate::rate_limit::window::state::State;

/// Slots are allocated in chunks of 4 KB.
const CHUNK: usize = 128;
/// Slots that a new key makes the sweep look at, so that it is faster than growth.
const SWEPT: usize = 2;
/// Slots that are compared for the least recently used one.
const COMPARED: usize = 16;

#[derive(Debug, Default)]
pub struct Shard {
    index: Index,
    /// Each full but the last that has any.
    chunks: Vec<Vec<Slot>>,
    len: usize,
    pub allowed: u64,
    pub denied: u64,
    /// Where the sweep stands.
    hand: usize,
    /// Order of use, where the least recently used key is found exactly.
    uses: Option<Vec<u64>>,
    last_use: u64,
}

impl Shard {
    pub fn new(exact: bool) -> Self {
        Self { uses: exact.then(Vec::new), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of a key's slot.
    #[inline(always)]
    pub fn find(&self, scope: Scope<'_>) -> Option<usize> {
        self.find_hash(scope.key.0, scope.policy.family)
    }

    #[inline(always)]
    pub fn find_hash(&self, hash: u64, family: Family) -> Option<usize> {
        self.index.find(hash, |number| {
            let slot = slot_at(&self.chunks, number);
            slot.hash == hash && slot.family() == family
        })
    }

    #[inline(always)]
    pub fn slot(&self, number: usize) -> &Slot {
        slot_at(&self.chunks, number)
    }

    #[inline(always)]
    fn slot_mut(&mut self, number: usize) -> &mut Slot {
        &mut self.chunks[number / CHUNK][number % CHUNK]
    }

    /// Works on the state of a slot as it is at `now`, or at its last use if that was later. The
    /// key is the one used last.
    #[inline(always)]
    pub fn update<R>(&mut self, number: usize, now: u64, work: impl FnOnce(&mut State, u64) -> R) -> R {
        self.touch(number);
        let slot = self.slot_mut(number);
        let at = now.max(slot.used_at());
        let mut state = slot.load();
        state.prune(at);
        let result = work(&mut state, at);
        slot.store(state, at);
        result
    }

    /// Fills the slot of a new key.
    pub fn store(&mut self, number: usize, state: State, used_at: u64) {
        self.slot_mut(number).store(state, used_at);
    }

    #[inline(always)]
    fn touch(&mut self, number: usize) {
        if let Some(uses) = &mut self.uses {
            self.last_use += 1;
            uses[number] = self.last_use;
        }
    }

    #[inline(always)]
    pub fn count(&mut self, allowed: bool) {
        if allowed {
            self.allowed += 1;
        } else {
            self.denied += 1;
        }
    }

    /// A slot for a key that `find` did not find; sweeps what is idle at `at` on the way. Returns
    /// its number and how many keys were swept.
    pub fn insert(&mut self, hash: u64, family: Family, at: u64) -> (usize, usize) {
        let mut swept = 0;
        for _ in 0..SWEPT.min(self.len) {
            let number = self.next();
            if self.is_idle(number, at) {
                self.remove(number);
                swept += 1;
            }
        }
        if self.len == MOST && self.evict(at).is_some() {
            swept += 1;
        }
        self.index.reserve(self.len, |number| slot_at(&self.chunks, number).hash);
        let number = self.len;
        if number / CHUNK == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[number / CHUNK].push(Slot::new(hash, family));
        if let Some(uses) = &mut self.uses {
            uses.push(0);
        }
        self.len += 1;
        self.index.insert(hash, number);
        self.touch(number);
        (number, swept)
    }

    /// Makes room for one key. Returns whether an idle one went; `None` if there is no key.
    pub fn evict(&mut self, at: u64) -> Option<bool> {
        if self.len == 0 {
            return None;
        }
        let compared = if self.uses.is_some() { self.len } else { COMPARED.min(self.len) };
        let mut oldest = (usize::MAX, (true, u64::MAX));
        for _ in 0..compared {
            let number = self.next();
            if self.is_idle(number, at) {
                self.remove(number);
                return Some(true);
            }
            // Keys with a request in flight go last.
            let slot = self.slot(number);
            let used = self.uses.as_ref().map_or(slot.used_at(), |uses| uses[number]);
            let rank = (slot.in_flight() > 0, used);
            if rank <= oldest.1 {
                oldest = (number, rank);
            }
        }
        self.remove(oldest.0);
        Some(false)
    }

    /// Whether the key of a slot tells no more than one never seen.
    fn is_idle(&mut self, number: usize, at: u64) -> bool {
        let slot = self.slot_mut(number);
        let used_at = slot.used_at();
        let state = slot.load();
        let is_idle = state.is_idle(at);
        slot.store(state, used_at);
        is_idle
    }

    fn next(&mut self) -> usize {
        self.hand = if self.hand + 1 < self.len { self.hand + 1 } else { 0 };
        self.hand
    }

    /// Removes a slot; the last one takes its place.
    pub fn remove(&mut self, number: usize) {
        let last = self.len - 1;
        self.index.remove(self.slot(number).hash, number, |number| slot_at(&self.chunks, number).hash);
        if number != last {
            self.index.renumber(self.slot(last).hash, last, number);
        }
        let moved = self.chunks[last / CHUNK].pop().expect("there is a last slot");
        if number != last {
            *self.slot_mut(number) = moved;
        }
        if let Some(uses) = &mut self.uses {
            uses.swap_remove(number);
        }
        self.len = last;
        // One empty chunk is kept, so that a key that comes and goes does not allocate.
        self.chunks.truncate(last.div_ceil(CHUNK) + 1);
        self.index.shrink(self.len, |number| slot_at(&self.chunks, number).hash);
    }
}

#[inline(always)]
fn slot_at(chunks: &[Vec<Slot>], number: usize) -> &Slot {
    &chunks[number / CHUNK][number % CHUNK]
}
