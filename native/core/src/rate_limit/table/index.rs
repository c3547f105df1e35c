//! The index of a shard: an open-addressed table of slot numbers. The largest shards have a few
//! thousand entries, so a rebuild takes less than a millisecond.

/// An entry: 8 bits of the hash above 24 bits of the slot's number, counted from 1.
const TAG_SHIFT: u32 = 24;
const NUMBER_MASK: u32 = (1 << TAG_SHIFT) - 1;
/// Slots that an index can number.
pub const MOST: usize = NUMBER_MASK as usize - 1;
const FEWEST_PLACES: usize = 8;

#[derive(Debug, Default)]
pub struct Index {
    entries: Box<[u32]>,
}

#[inline(always)]
fn tag_of(hash: u64) -> u32 {
    ((hash >> 40) as u32) << TAG_SHIFT
}

#[inline(always)]
fn number_of(entry: u32) -> usize {
    (entry & NUMBER_MASK) as usize - 1
}

impl Index {
    /// The number of the slot that `matches`, among those of the same hash.
    #[inline(always)]
    pub fn find(&self, hash: u64, matches: impl Fn(usize) -> bool) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let tag = tag_of(hash);
        let mut place = self.home(hash);
        loop {
            let entry = self.entries[place];
            if entry == 0 {
                return None;
            }
            if entry & !NUMBER_MASK == tag && matches(number_of(entry)) {
                return Some(number_of(entry));
            }
            place = self.next(place);
        }
    }

    /// Enters a slot, for which there is room.
    pub fn insert(&mut self, hash: u64, number: usize) {
        let mut place = self.home(hash);
        while self.entries[place] != 0 {
            place = self.next(place);
        }
        self.entries[place] = tag_of(hash) | (number as u32 + 1);
    }

    /// A slot gets another number.
    pub fn renumber(&mut self, hash: u64, from: usize, to: usize) {
        let place = self.place_of(hash, from);
        self.entries[place] = tag_of(hash) | (to as u32 + 1);
    }

    /// Takes a slot out, and moves up those behind it that found their place taken.
    pub fn remove(&mut self, hash: u64, number: usize, hash_of: impl Fn(usize) -> u64) {
        let mut hole = self.place_of(hash, number);
        let mut place = hole;
        loop {
            place = self.next(place);
            let entry = self.entries[place];
            if entry == 0 {
                break;
            }
            let home = self.home(hash_of(number_of(entry)));
            if self.distance(home, place) >= self.distance(hole, place) {
                self.entries[hole] = entry;
                hole = place;
            }
        }
        self.entries[hole] = 0;
    }

    /// Makes room for one more beside `len`: four of five places are taken at most. It grows by a
    /// quarter, because empty places are memory, too.
    pub fn reserve(&mut self, len: usize, hash_of: impl Fn(usize) -> u64) {
        let places = self.entries.len();
        if (len + 1) * 5 > places * 4 {
            self.rebuild((places + places / 4).max(FEWEST_PLACES), len, hash_of);
        }
    }

    pub fn shrink(&mut self, len: usize, hash_of: impl Fn(usize) -> u64) {
        let places = self.entries.len();
        if places > FEWEST_PLACES && len * 8 < places {
            self.rebuild((places / 4).max(FEWEST_PLACES), len, hash_of);
        }
    }

    fn rebuild(&mut self, places: usize, len: usize, hash_of: impl Fn(usize) -> u64) {
        self.entries = vec![0; places].into_boxed_slice();
        for number in 0..len {
            self.insert(hash_of(number), number);
        }
    }

    /// Where a hash is looked for first.
    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        ((u64::from(hash as u32) * self.entries.len() as u64) >> 32) as usize
    }

    #[inline(always)]
    fn next(&self, place: usize) -> usize {
        if place + 1 == self.entries.len() { 0 } else { place + 1 }
    }

    /// How many places lie between one and a later one.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.entries.len() - from }
    }

    fn place_of(&self, hash: u64, number: usize) -> usize {
        let entry = tag_of(hash) | (number as u32 + 1);
        let mut place = self.home(hash);
        while self.entries[place] != entry {
            place = self.next(place);
        }
        place
    }
}
