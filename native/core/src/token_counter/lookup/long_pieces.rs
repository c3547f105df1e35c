//! Counts pieces above 15 bytes.

use crate::token_counter::bpe::key::MAX_KEY;
use crate::token_counter::bpe::long_merge::{MAX_BLOCK, MAX_BLOCKS, MAX_LARGE};
use crate::token_counter::bpe::merge::{MAX_DEFINED, merged_count, merged_counts};
use crate::token_counter::bpe::piece::Piece;
use crate::token_counter::cache::{Cache, MAX_MEDIUM};
use crate::token_counter::lookup::counter::{Counter, LONG_UNKNOWN, WIDE_UNKNOWN};
use crate::token_counter::lookup::unknown_pieces::MERGING;
use crate::token_counter::split::cuts::parts;
use std::mem::MaybeUninit;

impl Counter<'_> {
    /// The count of a piece, or 0 if it has to wait.
    ///
    /// # Safety
    /// `len > MAX_KEY` bytes of the text from `start` on, and there is room for one more that
    /// waits.
    #[inline(never)]
    pub(crate) unsafe fn count_long_later(&mut self, start: usize, len: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe {
            let at = self.start.add(start);
            if len > MAX_BLOCK || !std::slice::from_raw_parts(at, len).is_ascii() {
                return self.count_long(at, len);
            }
            if len <= MAX_MEDIUM {
                return self.cache.medium(&Cache::medium_place(at, len)).unwrap_or_else(|| {
                    self.long_unknown[self.long_unknown_len].write(Piece::new(start, len));
                    self.long_unknown_len += 1;
                    0
                });
            }
            let known = if len <= MAX_LARGE {
                let place = self.cache.large_place(at, len);
                self.cache.large(place, std::slice::from_raw_parts(at, len))
            } else {
                None
            };
            known.unwrap_or_else(|| {
                self.wide_unknown[self.wide_unknown_len].write(Piece::new(start, len));
                self.wide_unknown_len += 1;
                0
            })
        }
    }

    /// Counts those of up to 30 bytes that wait.
    #[inline(never)]
    pub(crate) fn count_long_unknown(&mut self) {
        let waiting = std::mem::take(&mut self.long_unknown_len);
        let mut merging = 0;
        let mut counts = [0; LONG_UNKNOWN];
        let mut again = [const { MaybeUninit::<Piece>::uninit() }; LONG_UNKNOWN];
        let mut again_len = 0;
        // SAFETY: the first `waiting` were written, and are pieces of the text.
        unsafe {
            for i in 0..waiting {
                let piece = self.long_unknown[i].assume_init();
                let at = self.start.add(piece.start());
                let place = Cache::medium_place(at, piece.len());
                if let Some(count) = self.cache.medium(&place) {
                    self.total += count;
                    again[again_len].write(piece);
                    again_len += usize::from(count == MERGING);
                } else if self.vocabulary.is_long_token(std::slice::from_raw_parts(at, piece.len())) {
                    self.cache.remember_medium(&place, 1);
                    self.total += 1;
                } else {
                    // Over one that does not wait any more.
                    self.long_unknown[merging].write(piece);
                    merging += 1;
                    self.cache.remember_medium(&place, MERGING);
                }
            }
            let pieces = std::slice::from_raw_parts(self.long_unknown.as_ptr().cast::<Piece>(), merging);
            merged_counts::<{ MAX_MEDIUM + 2 }>(self.vocabulary, self.start, pieces, &mut counts);
            for (piece, count) in pieces.iter().zip(counts) {
                self.cache.remember_medium(&Cache::medium_place(self.start.add(piece.start()), piece.len()), u32::from(count));
                self.total += u32::from(count);
            }
            for piece in &again[..again_len] {
                let piece = piece.assume_init();
                self.total += self.count_long(self.start.add(piece.start()), piece.len());
            }
        }
    }

    /// Counts those of up to `MAX_BLOCK` bytes that wait.
    #[inline(never)]
    pub(crate) fn count_wide_unknown(&mut self) {
        let waiting = std::mem::take(&mut self.wide_unknown_len);
        let mut defined = [const { MaybeUninit::<Piece>::uninit() }; WIDE_UNKNOWN];
        let mut defined_len = 0;
        let mut blocks = [(0, 0); WIDE_UNKNOWN];
        let mut blocks_len = 0;
        // SAFETY: the first `waiting` were written, and are pieces of the text.
        unsafe {
            for i in 0..waiting {
                let piece = self.wide_unknown[i].assume_init();
                let bytes = std::slice::from_raw_parts(self.start.add(piece.start()), piece.len());
                if self.vocabulary.is_long_token(bytes) {
                    self.remember_wide(piece, 1);
                } else if piece.len() <= MAX_DEFINED {
                    defined[defined_len].write(piece);
                    defined_len += 1;
                } else {
                    blocks[blocks_len] = (piece.start(), piece.start() + piece.len());
                    blocks_len += 1;
                }
            }
            let mut counts = [0; WIDE_UNKNOWN];
            let pieces = std::slice::from_raw_parts(defined.as_ptr().cast::<Piece>(), defined_len);
            merged_counts::<{ MAX_DEFINED + 1 }>(self.vocabulary, self.start, pieces, &mut counts);
            for (piece, count) in pieces.iter().zip(counts) {
                self.remember_wide(*piece, u32::from(count));
            }
            for blocks in blocks[..blocks_len].chunks(MAX_BLOCKS) {
                let mut counts = [0; MAX_BLOCKS];
                self.cache.merge.count_blocks(self.vocabulary, self.start, blocks, &mut counts);
                for ((from, to), count) in blocks.iter().zip(counts) {
                    self.remember_wide(Piece::new(*from, to - from), count);
                }
            }
        }
    }

    /// # Safety
    /// A piece of the text, above 30 bytes.
    unsafe fn remember_wide(&mut self, piece: Piece, count: u32) {
        if piece.len() <= MAX_LARGE {
            // SAFETY: the caller's.
            unsafe {
                let at = self.start.add(piece.start());
                let place = self.cache.large_place(at, piece.len());
                self.cache.remember_large(place, std::slice::from_raw_parts(at, piece.len()), count);
            }
        }
        self.total += count;
    }

    /// The count of a piece, at once.
    ///
    /// # Safety
    /// `len > MAX_KEY` bytes and the text's padding are readable at `at`.
    #[inline(never)]
    pub(crate) unsafe fn count_long(&mut self, at: *const u8, len: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe {
            if len <= MAX_MEDIUM {
                let place = Cache::medium_place(at, len);
                return self.cache.medium(&place).unwrap_or_else(|| {
                    let count = self.parts_count(at, len);
                    self.cache.remember_medium(&place, count);
                    count
                });
            }
            if len <= MAX_LARGE {
                let piece = std::slice::from_raw_parts(at, len);
                let place = self.cache.large_place(at, len);
                return self.cache.large(place, piece).unwrap_or_else(|| {
                    let count = self.parts_count(at, len);
                    self.cache.remember_large(place, piece, count);
                    count
                });
            }
            let least = len.div_ceil(self.vocabulary.longest_token()) as u32;
            if self.total.saturating_add(least) > self.limit { least } else { self.parts_count(at, len) }
        }
    }

    /// # Safety
    /// As for `count_long`.
    unsafe fn parts_count(&mut self, at: *const u8, len: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe {
            let vocabulary = self.vocabulary;
            // A piece that is a token has nowhere to be cut, so it comes back as its only part.
            let mut count = 0;
            parts(vocabulary.spanned, at, len, |part, length| {
                count += if length <= MAX_KEY {
                    self.count_one(part, length)
                } else if vocabulary.is_long_token(std::slice::from_raw_parts(part, length)) {
                    1
                } else if length <= MAX_DEFINED {
                    merged_count(vocabulary, part, length)
                } else {
                    self.cache.merge.merge(vocabulary, part, length).len() as u32
                };
            });
            count
        }
    }
}
