//! The index of a shard: open addressing, with numbers of slots. It has a few thousand entries in the largest shards, so that to build it anew takes no millisecond.

use super::policy::Family;
use super::shard::Shard;
use crate::prefetch::{PREFETCHES, prefetch};

/// An entry: 24 bits of the slot's number, counted from 1, below 8 bits of the hash.
const TAG_SHIFT: u32 = 24;
const NUMBER_MASK: u32 = (1 << TAG_SHIFT) - 1;
/// Slots that a shard can number.
pub const MOST: usize = NUMBER_MASK as usize - 1;
const FEWEST_PLACES: usize = 8;
/// With more places than that busy keys have hints: fewer are in the caches anyway.
const MOST_WITHOUT_HINTS: u32 = 64;
const CACHE_LINE_SHIFT: u32 = 6;

#[inline(always)]
fn tag_of(hash: u64) -> u32 {
    ((hash >> 40) as u32) << TAG_SHIFT
}

impl Shard {
    /// The number of a key's slot.
    #[inline(always)]
    pub fn find(&self, hash: u64, family: Family) -> Option<usize> {
        self.locate(hash, family).map(|(_, number)| number)
    }

    /// The place of a key in the index, and the number of its slot.
    #[inline(always)]
    pub fn locate(&self, hash: u64, family: Family) -> Option<(usize, usize)> {
        // A branch, as to compute where an entry is would delay the load of each.
        if self.has_hints() { self.locate_by::<2>(hash, family) } else { self.locate_by::<1>(hash, family) }
    }

    /// The same, with so many numbers to a place.
    #[inline(always)]
    fn locate_by<const WIDTH: usize>(&self, hash: u64, family: Family) -> Option<(usize, usize)> {
        if self.places == 0 {
            return None;
        }
        let tag = tag_of(hash);
        let mut place = self.home(hash);
        loop {
            let entry = self.index[WIDTH * place];
            if entry == 0 {
                return None;
            }
            if entry & !NUMBER_MASK == tag {
                if WIDTH > 1 {
                    self.follow(self.index[WIDTH * place + 1]);
                }
                let number = (entry & NUMBER_MASK) as usize - 1;
                let slot = self.at(number);
                if slot.hash == hash && slot.family() == family {
                    return Some((place, number));
                }
            }
            place = self.next_place(place);
        }
    }

    /// Asks for what the key at a place has on the heap when it is looked for again, at once with its slot: a load that waits for the slot would take as long once more.
    #[inline(always)]
    pub fn hint(&mut self, place: usize, number: usize) {
        if !PREFETCHES || self.places <= MOST_WITHOUT_HINTS {
            return;
        }
        let Some(address) = self.at(number).heap_address() else {
            return;
        };
        if !self.has_hints() {
            self.until_hints -= 1;
            if !self.has_hints() {
                return;
            }
            self.make_room_for_hints();
        }
        let hint = ((address >> CACHE_LINE_SHIFT) as u32).wrapping_sub(self.hint_origin() as u32);
        let known = &mut self.index[2 * place + 1];
        // A line that is not written need not be handed over between threads.
        if *known != hint {
            *known = hint;
        }
    }

    /// Cache lines are counted from the index, which 32 bits reach 128 GB around. A hint may be out of date or of another key: nothing is read there.
    #[inline(always)]
    fn follow(&self, hint: u32) {
        let line = self.hint_origin().wrapping_add_signed((hint as i32) as isize);
        prefetch(std::ptr::without_provenance::<u8>(line << CACHE_LINE_SHIFT));
    }

    #[inline(always)]
    fn hint_origin(&self) -> usize {
        self.index.as_ptr().addr() >> CACHE_LINE_SHIFT
    }

    #[cold]
    fn make_room_for_hints(&mut self) {
        self.index = self.index.iter().flat_map(|&entry| [entry, 0]).collect();
    }

    #[inline(always)]
    fn has_hints(&self) -> bool {
        self.until_hints == 0
    }

    #[inline(always)]
    fn entry(&self, place: usize) -> u32 {
        self.index[place << u32::from(self.has_hints())]
    }

    fn entry_mut(&mut self, place: usize) -> &mut u32 {
        &mut self.index[place << u32::from(self.has_hints())]
    }

    /// Where a hash is looked for first.
    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        ((u64::from(hash as u32) * u64::from(self.places)) >> 32) as usize
    }

    #[inline(always)]
    fn next_place(&self, place: usize) -> usize {
        if place + 1 == self.places as usize { 0 } else { place + 1 }
    }

    /// How many places lie between one and a later one.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places as usize - from }
    }

    fn place_of(&self, number: usize) -> usize {
        let hash = self.at(number).hash;
        let wanted = tag_of(hash) | (number as u32 + 1);
        let mut place = self.home(hash);
        while self.entry(place) != wanted {
            place = self.next_place(place);
        }
        place
    }

    /// Takes a slot out of the index and moves up those behind that were kept from its place.
    pub(super) fn leave(&mut self, number: usize) {
        let mut hole = self.place_of(number);
        let mut place = hole;
        loop {
            place = self.next_place(place);
            let entry = self.entry(place);
            if entry == 0 {
                break;
            }
            let home = self.home(self.at((entry & NUMBER_MASK) as usize - 1).hash);
            if self.distance(home, place) >= self.distance(hole, place) {
                *self.entry_mut(hole) = entry;
                hole = place;
            }
        }
        *self.entry_mut(hole) = 0;
    }

    /// A slot is about to get another number.
    pub(super) fn renumber(&mut self, from: usize, to: usize) {
        let place = self.place_of(from);
        *self.entry_mut(place) = tag_of(self.at(from).hash) | (to as u32 + 1);
    }

    pub(super) fn enter(&mut self, hash: u64, number: usize) {
        let mut place = self.home(hash);
        while self.entry(place) != 0 {
            place = self.next_place(place);
        }
        *self.entry_mut(place) = tag_of(hash) | (number as u32 + 1);
    }

    /// Makes room for one more: four of five places are taken at most. It grows by a quarter, as what is empty is memory, too.
    pub(super) fn reserve(&mut self) {
        let places = self.places as usize;
        if (self.len() + 1) * 5 > places * 4 {
            self.rebuild((places + places / 4).max(FEWEST_PLACES));
        }
    }

    pub(super) fn shrink(&mut self) {
        let places = self.places as usize;
        if places > FEWEST_PLACES && self.len() * 8 < places {
            self.rebuild((places / 4).max(FEWEST_PLACES));
        }
    }

    fn rebuild(&mut self, places: usize) {
        self.index = vec![0; places].into_boxed_slice();
        self.places = places as u32;
        self.until_hints = places.min(u16::MAX.into()) as u16;
        for number in 0..self.len() {
            self.enter(self.at(number).hash, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::busy::Busy;
    use super::super::policy::Kind;
    use super::super::state::{Bucket, Held, State};
    use super::*;
    use std::collections::HashSet;

    const FAMILY: Family = Family(Kind::Heap as u16);

    fn hash_of(key: u64) -> u64 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn ask(shard: &mut Shard, key: u64) {
        let hash = hash_of(key);
        if let Some((place, number)) = shard.locate(hash, FAMILY) {
            shard.hint(place, number);
            return;
        }
        let (number, _) = shard.insert(hash, FAMILY, 0);
        let held = Held::Busy(Box::new(Busy::of(Bucket::default(), std::iter::empty())));
        shard.slot(number).store(&mut State { in_flight: 1, held }, 0);
    }

    #[test]
    fn hints_come_with_use_and_leave_the_index_what_it_is() {
        let mut shard = Shard::new(false);
        let mut known = HashSet::new();
        let mut had_hints = 0;
        for turn in 0..20_000u64 {
            let key = hash_of(turn) >> 32 & 255;
            ask(&mut shard, key);
            known.insert(key);
            if turn % 64 == 63 {
                let key = turn >> 6 & 255;
                if let Some(number) = shard.find(hash_of(key), FAMILY) {
                    shard.remove(number);
                }
                known.remove(&key);
            }
            had_hints += u32::from(shard.has_hints());
            assert_eq!(shard.len(), known.len());
        }
        assert!((0..256).all(|key| shard.find(hash_of(key), FAMILY).is_some() == known.contains(&key)));
        assert_eq!(had_hints > 10_000, PREFETCHES, "{had_hints}");
    }

    #[test]
    fn a_small_shard_has_no_hints() {
        let mut shard = Shard::new(false);
        for turn in 0..10_000 {
            ask(&mut shard, turn % 8);
        }
        assert!(!shard.has_hints());
    }
}
