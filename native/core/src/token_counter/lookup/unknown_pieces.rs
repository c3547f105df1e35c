//! Counts the pieces of up to 15 bytes that the cache does not know: together, as each of them
//! waits for memory.

use crate::token_counter::bpe::key::{Key, MAX_KEY};
use crate::token_counter::bpe::merge::{merged_count, merged_counts};
use crate::token_counter::bpe::piece::Piece;
use crate::token_counter::bpe::vocabulary::{MAX_SHORT, NONE};
use crate::token_counter::cache::Cache;
use crate::token_counter::lookup::counter::{Counter, UNKNOWN};
use std::mem::MaybeUninit;

/// So many pieces before one is looked up, its cache lines are asked for: all of them at once would
/// not fit the first-level cache.
const AHEAD: usize = 20;
/// What the cache has for a piece that waits to be merged: a quarter of those that have to be stand
/// near another of their kind. No piece has this count, and none keeps it: the merge writes over
/// it.
pub(crate) const MERGING: u32 = 0;

impl Counter<'_> {
    /// Counts the pieces that the cache does not know.
    #[inline(never)]
    pub(crate) fn count_unknown(&mut self) {
        let waiting = std::mem::take(&mut self.unknown_len);
        for i in 0..waiting.min(AHEAD) {
            // SAFETY: the first `waiting` were written, and are pieces of the text.
            unsafe { self.prefetch_unknown(self.unknown[i].assume_init()) };
        }
        let mut merging = 0;
        let mut again = [const { MaybeUninit::<Piece>::uninit() }; UNKNOWN];
        let mut again_len = 0;
        for i in 0..waiting {
            // SAFETY: as above.
            let count = unsafe {
                let piece = self.unknown[i].assume_init();
                if i + AHEAD < waiting {
                    self.prefetch_unknown(self.unknown[i + AHEAD].assume_init());
                }
                // Over one that does not wait any more.
                self.unknown[merging].write(piece);
                again[again_len].write(piece);
                let at = self.start.add(piece.start());
                let count = self.count_whole(at, piece.len());
                if count.is_none() {
                    self.cache.remember_small(Cache::small_place(Key::read(at, piece.len()), piece.len()), MERGING);
                }
                count
            };
            merging += usize::from(count.is_none());
            again_len += usize::from(count == Some(MERGING));
            self.total += count.unwrap_or(0);
        }
        if merging > 0 {
            self.count_merging(merging);
        }
        for piece in &again[..again_len] {
            // SAFETY: as above.
            self.total += unsafe {
                let piece = piece.assume_init();
                self.count_one(self.start.add(piece.start()), piece.len())
            };
        }
    }

    /// Asks for what `count_whole` reads.
    ///
    /// # Safety
    /// A piece of the text.
    #[inline(always)]
    unsafe fn prefetch_unknown(&self, piece: Piece) {
        // SAFETY: the caller's.
        let key = unsafe { Key::read(self.start.add(piece.start()), piece.len()) };
        self.vocabulary.prefetch(key);
        self.cache.prefetch_merged(Cache::small_place(key, piece.len()));
    }

    /// Counts the first `merging` of the unknown pieces, which have to be merged.
    #[inline(always)]
    fn count_merging(&mut self, merging: usize) {
        let mut counts = [0; UNKNOWN];
        // SAFETY: these were written, and are pieces of the text.
        unsafe {
            let pieces = std::slice::from_raw_parts(self.unknown.as_ptr().cast::<Piece>(), merging);
            merged_counts::<{ MAX_KEY + 1 }>(self.vocabulary, self.start, pieces, &mut counts);
            for (piece, count) in pieces.iter().zip(counts) {
                let place = Cache::small_place(Key::read(self.start.add(piece.start()), piece.len()), piece.len());
                self.cache.remember_merged(place, u32::from(count));
                self.cache.remember_small(place, u32::from(count));
                self.total += u32::from(count);
            }
        }
    }

    /// The count of a piece that is a token or was merged before.
    ///
    /// # Safety
    /// `1 <= len <= MAX_KEY` bytes and the text's padding are readable at `at`.
    #[inline(always)]
    unsafe fn count_whole(&mut self, at: *const u8, len: usize) -> Option<u32> {
        // SAFETY: the caller's.
        unsafe {
            let key = Key::read(at, len);
            let place = Cache::small_place(key, len);
            // It may have waited twice.
            let (known, count) = self.cache.small(place);
            if known {
                return Some(count);
            }
            let id = if (3..=MAX_SHORT).contains(&len) { self.vocabulary.find_short(key, len) } else { self.vocabulary.find(at, len) };
            let is_token = id != NONE || self.vocabulary.find_whole(std::slice::from_raw_parts(at, len)) != NONE;
            let count = if is_token { 1 } else { self.cache.merged(place)? };
            self.cache.remember_small(place, count);
            Some(count)
        }
    }

    /// The count of a piece, at once.
    ///
    /// # Safety
    /// As for `count_whole`.
    #[inline(always)]
    pub(crate) unsafe fn count_one(&mut self, at: *const u8, len: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe {
            self.count_whole(at, len).unwrap_or_else(|| {
                let place = Cache::small_place(Key::read(at, len), len);
                let count = merged_count(self.vocabulary, at, len);
                self.cache.remember_merged(place, count);
                self.cache.remember_small(place, count);
                count
            })
        }
    }
}
