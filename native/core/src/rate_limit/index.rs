//! The index of a shard: open addressing, with numbers of slots. It has a few thousand entries in the largest shards, so that to build it anew takes no millisecond.

use super::policy::Family;
use super::shard::Shard;

/// An entry: 24 bits of the slot's number, counted from 1, below 8 bits of the hash.
const TAG_SHIFT: u32 = 24;
const NUMBER_MASK: u32 = (1 << TAG_SHIFT) - 1;
/// Slots that a shard can number.
pub const MOST: usize = NUMBER_MASK as usize - 1;
const FEWEST_PLACES: usize = 8;

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
                let number = (entry & NUMBER_MASK) as usize - 1;
                let is_found = match self.hinted_hash::<WIDTH>(place) {
                    Some(known) => known == hash,
                    None => {
                        let slot = self.at(number);
                        slot.hash == hash && slot.family() == family
                    }
                };
                if is_found {
                    return Some((place, number));
                }
            }
            place = self.next_place(place);
        }
    }

    /// How many numbers a place has.
    fn width(&self) -> usize {
        if self.has_hints() { 2 } else { 1 }
    }

    fn entry(&self, place: usize) -> u32 {
        self.index[place * self.width()]
    }

    fn set_entry(&mut self, place: usize, entry: u32) {
        self.index[place * self.width()] = entry;
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

    pub(super) fn place_of(&self, number: usize) -> usize {
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
        let width = self.width();
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
                self.index.copy_within(place * width..(place + 1) * width, hole * width);
                hole = place;
            }
        }
        self.index[hole * width..(hole + 1) * width].fill(0);
    }

    /// A slot is about to get another number.
    pub(super) fn renumber(&mut self, from: usize, to: usize) {
        let place = self.place_of(from);
        self.set_entry(place, tag_of(self.at(from).hash) | (to as u32 + 1));
    }

    pub(super) fn enter(&mut self, hash: u64, number: usize) {
        let mut place = self.home(hash);
        while self.entry(place) != 0 {
            place = self.next_place(place);
        }
        self.set_entry(place, tag_of(hash) | (number as u32 + 1));
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
