//! A part of a space's keys: an open-addressed index over slots without gaps.
//!
//! Slots are never moved by growth, and an index has a few thousand entries at most in its life's largest shards: nothing here takes a millisecond.

use super::policy::{Code, Family};
use super::slot::Slot;

/// Slots are allocated in portions of 4 KB.
const CHUNK: usize = 128;
const SMALLEST_INDEX: usize = 8;
/// An entry of the index: 24 bits of the slot's number, counted from 1, below 8 bits of the hash.
const TAG_SHIFT: u32 = 24;
const NUMBER_MASK: u32 = (1 << TAG_SHIFT) - 1;
/// Slots that a shard can number.
const MOST: usize = NUMBER_MASK as usize - 1;
/// Slots that a new key makes the sweep look at: it is faster than growth.
const SWEPT: usize = 2;
/// Slots that are compared for the least recently used one.
const COMPARED: usize = 16;

/// What a decision on a known key needs is a cache line with the lock: threads that take turns hand over this line and the slot's.
#[derive(Debug, Default)]
pub struct Shard {
    index: Box<[u32]>,
    /// Each full but the last that has any.
    chunks: Box<[Vec<Slot>]>,
    /// Order of use, where the least recently used key is to be found exactly.
    uses: Option<Box<Uses>>,
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
}

#[derive(Debug, Default)]
struct Uses {
    last: u64,
    by_slot: Vec<u64>,
}

#[inline(always)]
fn tag_of(hash: u64) -> u32 {
    ((hash >> 40) as u32) << TAG_SHIFT
}

impl Shard {
    pub fn new(exact: bool) -> Self {
        Self { uses: exact.then(Box::default), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.rest.len
    }

    pub fn denied(&self) -> u64 {
        self.rest.denied
    }

    #[inline(always)]
    pub fn slot(&mut self, number: usize) -> &mut Slot {
        &mut self.chunks[number / CHUNK][number % CHUNK]
    }

    #[inline(always)]
    fn hash_of(&self, number: usize) -> u64 {
        self.chunks[number / CHUNK][number % CHUNK].hash
    }

    /// The number of a key's slot.
    #[inline(always)]
    pub fn find(&self, hash: u64, family: Family) -> Option<usize> {
        if self.index.is_empty() {
            return None;
        }
        let mask = self.index.len() - 1;
        let tag = tag_of(hash);
        let mut place = hash as usize & mask;
        loop {
            let entry = self.index[place];
            if entry == 0 {
                return None;
            }
            if entry & !NUMBER_MASK == tag {
                let number = (entry & NUMBER_MASK) as usize - 1;
                let slot = &self.chunks[number / CHUNK][number % CHUNK];
                if slot.hash == hash && slot.family() == family {
                    return Some(number);
                }
            }
            place = (place + 1) & mask;
        }
    }

    /// Makes a slot the one that was used last.
    #[inline(always)]
    pub fn touch(&mut self, number: usize) {
        if let Some(uses) = &mut self.uses {
            uses.last += 1;
            uses.by_slot[number] = uses.last;
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
            if self.slot(number).is_idle(at) {
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
        if let Some(uses) = &mut self.uses {
            uses.by_slot.push(0);
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
        let compared = if self.uses.is_some() { self.len() } else { COMPARED.min(self.len()) };
        let mut oldest = (usize::MAX, (true, u64::MAX));
        for _ in 0..compared {
            let number = self.next();
            if self.slot(number).is_idle(at) {
                self.remove(number);
                return Some(true);
            }
            // Keys with a request under way go last.
            let used = match &self.uses {
                Some(uses) => uses.by_slot[number],
                None => self.slot(number).used_at(),
            };
            let rank = (self.slot(number).in_flight() > 0, used);
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
        let place = self.place_of(number);
        self.vacate(place);
        if number != last {
            let place = self.place_of(last);
            self.index[place] = tag_of(self.hash_of(last)) | (number as u32 + 1);
        }
        let moved = self.chunks[last / CHUNK].pop().expect("there is a last slot");
        if number != last {
            *self.slot(number) = moved;
        }
        if let Some(uses) = &mut self.uses {
            uses.by_slot.swap_remove(number);
        }
        self.rest.len = last;
        // One empty chunk is kept, so that a key that comes and goes does not allocate.
        if let Some(unneeded) = self.chunks.get_mut(last.div_ceil(CHUNK) + 1) {
            *unneeded = Vec::new();
        }
        if self.index.len() > SMALLEST_INDEX && last * 8 < self.index.len() {
            self.rebuild(self.index.len() / 4);
        }
    }

    fn place_of(&self, number: usize) -> usize {
        let hash = self.hash_of(number);
        let mask = self.index.len() - 1;
        let wanted = tag_of(hash) | (number as u32 + 1);
        let mut place = hash as usize & mask;
        while self.index[place] != wanted {
            place = (place + 1) & mask;
        }
        place
    }

    /// Empties a place of the index and moves up those behind that were kept from it.
    fn vacate(&mut self, mut hole: usize) {
        let mask = self.index.len() - 1;
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let entry = self.index[place];
            if entry == 0 {
                break;
            }
            let home = self.hash_of((entry & NUMBER_MASK) as usize - 1) as usize & mask;
            if place.wrapping_sub(home) & mask >= place.wrapping_sub(hole) & mask {
                self.index[hole] = entry;
                hole = place;
            }
        }
        self.index[hole] = 0;
    }

    fn enter(&mut self, hash: u64, number: usize) {
        let mask = self.index.len() - 1;
        let mut place = hash as usize & mask;
        while self.index[place] != 0 {
            place = (place + 1) & mask;
        }
        self.index[place] = tag_of(hash) | (number as u32 + 1);
    }

    fn reserve(&mut self) {
        if (self.len() + 1) * 8 > self.index.len() * 7 {
            self.rebuild((self.index.len() * 2).max(SMALLEST_INDEX));
        }
    }

    fn rebuild(&mut self, size: usize) {
        self.index = vec![0; size].into_boxed_slice();
        for number in 0..self.len() {
            self.enter(self.hash_of(number), number);
        }
    }
}
