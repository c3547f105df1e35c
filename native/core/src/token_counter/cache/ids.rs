//! The ids of pieces that were encoded before: direct-mapped, per thread and encoding, made when a
//! text is first encoded.

use crate::runtime::huge_pages::HugeSlice;
use crate::token_counter::bpe::key::{Key, MAX_KEY};

const BITS: u32 = 15;
/// Ids that a slot holds: a piece of more is encoded again each time.
const MAX_IDS: usize = 6;
const IDS_PER_WORD: usize = 3;
const ID_BITS: u32 = 20;
const COUNT_SHIFT: u32 = 60;

/// 15 bytes of the piece, then its length; three ids, the number of ids; three more ids.
type Slot = [u64; 4];

/// Empty until it is opened.
#[derive(Default)]
pub struct IdCache(Option<HugeSlice<Slot>>);

impl IdCache {
    /// The table, to be kept in a register by a loop.
    pub fn open(&mut self) -> IdTable {
        IdTable(self.0.get_or_insert_with(|| HugeSlice::new(1 << BITS)).as_mut_ptr())
    }
}

/// Points at a cache's slots.
#[derive(Clone, Copy)]
pub struct IdTable(*mut Slot);

/// Where a piece is or goes.
#[derive(Clone, Copy)]
pub struct IdPlace {
    index: usize,
    low: u64,
    tag: u64,
}

impl IdPlace {
    #[inline(always)]
    pub fn of(key: Key, len: usize) -> Self {
        debug_assert!((1..=MAX_KEY).contains(&len));
        let tag = key.high | (len as u64) << 56;
        let hash = (key.low ^ tag.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { index: (hash >> (64 - BITS)) as usize, low: key.low, tag }
    }
}

impl IdTable {
    /// Appends the piece's ids, if they are known.
    ///
    /// # Safety
    /// The cache must be alive, and used by no other thread.
    #[inline(always)]
    pub unsafe fn push(self, place: IdPlace, ids: &mut Vec<u32>) -> bool {
        // SAFETY: the caller's; the index has BITS bits.
        let [low, tag, first, second] = unsafe { *self.0.add(place.index) };
        if (low ^ place.low) | (tag ^ place.tag) != 0 {
            return false;
        }
        ids.reserve(MAX_IDS);
        let mask = (1 << ID_BITS) - 1;
        // SAFETY: there is room for all six; those behind the count are not taken in.
        unsafe {
            let end = ids.as_mut_ptr().add(ids.len());
            for i in 0..IDS_PER_WORD {
                let shift = i as u32 * ID_BITS;
                end.add(i).write((first >> shift & mask) as u32);
                end.add(i + IDS_PER_WORD).write((second >> shift & mask) as u32);
            }
            ids.set_len(ids.len() + (first >> COUNT_SHIFT) as usize);
        }
        true
    }

    /// Remembers the piece's ids, if they are few enough.
    ///
    /// # Safety
    /// As for `push`.
    #[inline(always)]
    pub unsafe fn remember(self, place: IdPlace, ids: &[u32]) {
        if ids.len() > MAX_IDS {
            return;
        }
        let word = |from: usize| {
            let part = ids.iter().skip(from).take(IDS_PER_WORD).enumerate();
            part.fold(0, |word, (i, id)| word | u64::from(*id) << (i as u32 * ID_BITS))
        };
        let slot = [place.low, place.tag, word(0) | (ids.len() as u64) << COUNT_SHIFT, word(IDS_PER_WORD)];
        // SAFETY: the caller's; the index has BITS bits.
        unsafe { *self.0.add(place.index) = slot };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(bytes: &[u8]) -> IdPlace {
        let mut padded = [0u8; 16];
        padded[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: 16 bytes.
        IdPlace::of(unsafe { Key::read(padded.as_ptr(), bytes.len()) }, bytes.len())
    }

    #[test]
    fn gives_back_what_it_was_given_and_nothing_else() {
        let mut cache = IdCache::default();
        let table = cache.open();
        let all: Vec<u32> = (0..7).map(|i| (1 << ID_BITS) - 1 - i).collect();
        for count in 1..=7 {
            let piece = vec![b'a'; count];
            let mut ids = vec![9];
            // SAFETY: the cache lives, and this thread alone has it.
            unsafe {
                assert!(!table.push(place(&piece), &mut ids));
                table.remember(place(&piece), &all[..count]);
                assert_eq!(table.push(place(&piece), &mut ids), count <= MAX_IDS);
                // The same bytes as a padded piece has, and another length.
                assert!(!table.push(place(&[&piece[..], &[0]].concat()), &mut ids));
            }
            let expected = if count <= MAX_IDS { &all[..count] } else { &[] };
            assert_eq!(ids, [&[9], expected].concat());
        }
    }
}
