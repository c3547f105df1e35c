//! What pieces were counted before, per thread and encoding. The pieces in use, a line each, are to
//! fit the second-level cache, whatever the tables' size.

pub mod ids;

use self::ids::IdCache;
use crate::runtime::huge_pages::{HugeSlice, Zeroed};
use crate::runtime::prefetch::prefetch;
use crate::token_counter::bpe::key::{Key, MAX_KEY};
use crate::token_counter::bpe::long_merge::{LongMerge, MAX_LARGE};

pub(crate) const SMALL_BITS: u32 = 16;
pub(crate) const TAG_ROTATION: u32 = 29;
pub(crate) const HASH_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// Pieces that had to be merged are worth a second table behind the first, where few put one
/// another out: to merge one takes as long as to look up fifty.
const MERGED_BITS: u32 = 13;
/// Of those, as many as fit a cache line.
const WAYS: usize = 4;
const MEDIUM_BITS: u32 = 14;
/// Longest piece of the second table.
pub const MAX_MEDIUM: usize = 30;

/// Together one huge page.
#[derive(Clone, Copy)]
struct Tables {
    /// 15 bytes of the piece; the top byte holds its length (low half) and count.
    small: [[u64; 2]; 1 << SMALL_BITS],
    /// The same for pieces that had to be merged only, the last ones first.
    merged: [[[u64; 2]; WAYS]; 1 << MERGED_BITS],
    /// 30 bytes of the piece; the top two bytes hold its length (low 5 bits) and count.
    medium: [[u64; 4]; 1 << MEDIUM_BITS],
}

// SAFETY: arrays of integers.
unsafe impl Zeroed for Tables {}

/// Counts of pieces of up to 312 bytes, and the working memory of the longer ones.
pub struct Cache {
    tables: HugeSlice<Tables>,
    /// Pieces of up to 312 bytes: long names, rulers of dashes and the like come again and again.
    /// Made at the first one.
    large: Vec<Large>,
    /// Whether the texts of late were nearly all known.
    pub is_familiar: bool,
    pub merge: LongMerge,
    /// For encoding alone.
    pub ids: IdCache,
}

const LARGE_BITS: u32 = 10;

#[derive(Clone, Copy)]
struct Large {
    len: u32,
    count: u32,
    bytes: [u8; MAX_LARGE],
}

impl Default for Cache {
    fn default() -> Self {
        Self { tables: HugeSlice::new(1), large: Vec::new(), is_familiar: false, merge: LongMerge::default(), ids: IdCache::default() }
    }
}

/// Points at a cache's small pieces.
#[derive(Clone, Copy)]
pub struct SmallTable(pub(crate) *const [u64; 2]);

impl SmallTable {
    /// Asks for the cache line that `find` would read.
    #[inline(always)]
    pub fn prefetch(self, place: SmallPlace) {
        prefetch(self.0.wrapping_add(place.index(SMALL_BITS)));
    }

    /// Whether the piece is known, and then its count.
    ///
    /// # Safety
    /// The cache must be alive.
    #[inline(always)]
    pub unsafe fn find(self, place: SmallPlace) -> (bool, u32) {
        // SAFETY: the caller's; the index has SMALL_BITS bits.
        place.count_in(unsafe { &*self.0.add(place.index(SMALL_BITS)) })
    }
}

/// Where a small piece is or goes.
#[derive(Clone, Copy)]
pub struct SmallPlace {
    hash: u64,
    low: u64,
    tag: u64,
}

impl SmallPlace {
    #[inline(always)]
    fn index(self, bits: u32) -> usize {
        (self.hash >> (64 - bits)) as usize
    }

    #[inline(always)]
    fn count_in(self, slot: &[u64; 2]) -> (bool, u32) {
        (((slot[0] ^ self.low) | (slot[1] ^ self.tag) << 4) == 0, (slot[1] >> 60) as u32)
    }

    #[inline(always)]
    fn slot_of(self, count: u32) -> [u64; 2] {
        [self.low, self.tag | u64::from(count) << 60]
    }
}

/// Where a medium piece is or goes.
pub struct MediumPlace {
    slot: usize,
    words: [u64; 4],
}

impl Cache {
    /// An empty cache whose page the system has provided: the thread that counts first would wait
    /// for it, up to 5 ms.
    #[must_use]
    pub fn provided() -> Self {
        let mut cache = Self::default();
        cache.tables[0].small[0] = [0; 2];
        cache
    }

    #[inline(always)]
    pub fn small_place(key: Key, len: usize) -> SmallPlace {
        debug_assert!(len <= MAX_KEY);
        let tag = key.high | (len as u64) << 56;
        let hash = (key.low ^ tag.rotate_left(TAG_ROTATION)).wrapping_mul(HASH_FACTOR);
        SmallPlace { hash, low: key.low, tag }
    }

    /// Whether the piece is known, and then its count.
    #[inline(always)]
    pub fn small(&self, place: SmallPlace) -> (bool, u32) {
        // SAFETY: the table is alive.
        unsafe { self.small_table().find(place) }
    }

    /// The table of small pieces, to be kept in a register by a loop.
    #[inline(always)]
    pub fn small_table(&self) -> SmallTable {
        SmallTable(self.tables[0].small.as_ptr())
    }

    /// Asks for the cache line that `merged` would read.
    #[inline(always)]
    pub fn prefetch_merged(&self, place: SmallPlace) {
        prefetch(&raw const self.tables[0].merged[place.index(MERGED_BITS)]);
    }

    /// The count, if the piece was merged before.
    #[inline(always)]
    pub fn merged(&self, place: SmallPlace) -> Option<u32> {
        // SAFETY: the index has MERGED_BITS bits.
        let line = unsafe { self.tables[0].merged.get_unchecked(place.index(MERGED_BITS)) };
        line.iter().map(|slot| place.count_in(slot)).find_map(|(known, count)| known.then_some(count))
    }

    #[inline(always)]
    pub fn remember_merged(&mut self, place: SmallPlace, count: u32) {
        let line = &mut self.tables[0].merged[place.index(MERGED_BITS)];
        line.copy_within(..WAYS - 1, 1);
        line[0] = place.slot_of(count);
    }

    #[inline(always)]
    pub fn remember_small(&mut self, place: SmallPlace, count: u32) {
        self.tables[0].small[place.index(SMALL_BITS)] = place.slot_of(count);
    }

    /// The place of a large piece: its own, or one that another has.
    ///
    /// # Safety
    /// `MAX_MEDIUM < len <= MAX_LARGE` bytes must be readable at `at`.
    pub unsafe fn large_place(&mut self, at: *const u8, len: usize) -> usize {
        self.large.resize(1 << LARGE_BITS, Large { len: 0, count: 0, bytes: [0; MAX_LARGE] });
        // SAFETY: the caller's.
        let word = |i: usize| unsafe { at.add(i).cast::<u64>().read_unaligned() };
        let mix = (word(0) ^ word(len / 2 - 4).rotate_left(17) ^ word(len - 8).rotate_left(41)).wrapping_add(len as u64);
        (mix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - LARGE_BITS)) as usize
    }

    /// The count, if the piece is known.
    pub fn large(&self, place: usize, piece: &[u8]) -> Option<u32> {
        let slot = &self.large[place];
        (slot.len as usize == piece.len() && slot.bytes[..piece.len()] == *piece).then_some(slot.count)
    }

    pub fn remember_large(&mut self, place: usize, piece: &[u8], count: u32) {
        let slot = &mut self.large[place];
        slot.len = piece.len() as u32;
        slot.count = count;
        slot.bytes[..piece.len()].copy_from_slice(piece);
    }

    /// # Safety
    /// `16 <= len <= MAX_MEDIUM`, and 32 bytes must be readable at `at`.
    #[inline(always)]
    pub unsafe fn medium_place(at: *const u8, len: usize) -> MediumPlace {
        // SAFETY: the caller's.
        let word = |i: usize| u64::from_le(unsafe { at.add(i * 8).cast::<u64>().read_unaligned() });
        // `len` is at least 16: the first two words are whole.
        let keep = |from: usize| {
            if len >= from + 8 { u64::MAX } else { (1u64 << (len.saturating_sub(from) * 8)) - 1 }
        };
        let words = [word(0), word(1), word(2) & keep(16), word(3) & keep(24) | (len as u64) << 48];
        let mix = (words[0] ^ words[2].rotate_left(21)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (words[1] ^ words[3].rotate_left(13)).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let slot = (mix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - MEDIUM_BITS)) as usize;
        MediumPlace { slot, words }
    }

    #[inline(always)]
    pub fn medium(&self, place: &MediumPlace) -> Option<u32> {
        let slot = &self.tables[0].medium[place.slot];
        let same = slot[..3] == place.words[..3] && (slot[3] ^ place.words[3]) << 11 == 0;
        same.then_some((slot[3] >> 53) as u32)
    }

    #[inline(always)]
    pub fn remember_medium(&mut self, place: &MediumPlace, count: u32) {
        self.tables[0].medium[place.slot] = [place.words[0], place.words[1], place.words[2], place.words[3] | u64::from(count) << 53];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_four_merged_pieces_of_a_line_are_known() {
        let mut cache = Cache::default();
        let place = |low: u64| Cache::small_place(Key { low, high: 0 }, 8);
        let line = place(1).index(MERGED_BITS);
        let places: Vec<_> = (1..).map(place).filter(|place| place.index(MERGED_BITS) == line).take(WAYS + 1).collect();
        for (place, count) in places.iter().zip(2..) {
            cache.remember_merged(*place, count);
        }
        let counts: Vec<_> = places.iter().map(|place| cache.merged(*place)).collect();
        assert_eq!(counts, [None, Some(3), Some(4), Some(5), Some(6)]);
    }
}
