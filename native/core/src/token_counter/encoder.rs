//! Collects the ids of pieces.

use crate::token_counter::bpe::key::{Key, MAX_KEY};
use crate::token_counter::bpe::merge::{MAX_DEFINED, push_merged};
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::cache::Cache;
use crate::token_counter::cache::ids::{IdPlace, IdTable};
use crate::token_counter::simd::Simd;
use crate::token_counter::split::cuts::parts;
use crate::token_counter::split::scan::Pieces;
use crate::token_counter::text::Text;
use std::ops::ControlFlow;

/// Appends the ids of the pieces it is shown.
pub struct Encoder<'a> {
    vocabulary: &'a Vocabulary,
    cache: &'a mut Cache,
    known: IdTable,
    start: *const u8,
    limit: usize,
    ids: &'a mut Vec<u32>,
}

impl<'a> Encoder<'a> {
    /// Breaks off once `limit` more ids are there.
    pub fn new(vocabulary: &'a Vocabulary, cache: &'a mut Cache, text: &Text, limit: usize, ids: &'a mut Vec<u32>) -> Self {
        let known = cache.ids.open();
        Self { vocabulary, cache, known, start: text.as_ptr(), limit: ids.len().saturating_add(limit), ids }
    }
}

impl Pieces for Encoder<'_> {
    #[inline(always)]
    unsafe fn window<C: Simd>(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
        let mut rest = starts & (starts - 1);
        let mut from = 0;
        while from < end {
            let to = if rest == 0 { end } else { rest.trailing_zeros() as usize };
            rest &= rest.wrapping_sub(1);
            self.piece(base + from, base + to)?;
            from = to;
        }
        ControlFlow::Continue(())
    }

    #[inline(always)]
    fn piece(&mut self, start: usize, end: usize) -> ControlFlow<()> {
        // SAFETY: the piece lies in the text, which is padded.
        unsafe {
            let at = self.start.add(start);
            let len = end - start;
            if len <= MAX_KEY {
                self.push_short(at, len);
            } else {
                self.push_long(at, len);
            }
        }
        if self.ids.len() >= self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Encoder<'_> {
    /// # Safety
    /// `1 <= len <= MAX_KEY` bytes and the text's padding are readable at `at`.
    #[inline(always)]
    unsafe fn push_short(&mut self, at: *const u8, len: usize) {
        // SAFETY: the caller's; the table is this encoder's alone.
        unsafe {
            let place = IdPlace::of(Key::read(at, len), len);
            if self.known.push(place, self.ids) {
                return;
            }
            let before = self.ids.len();
            let mut id = self.vocabulary.find(at, len);
            if id == NONE {
                id = self.vocabulary.find_whole(std::slice::from_raw_parts(at, len));
            }
            if id == NONE {
                self.push_merged(at, len);
            } else {
                self.ids.push(id);
            }
            self.known.remember(place, &self.ids[before..]);
        }
    }

    /// # Safety
    /// `len > MAX_KEY` bytes and the text's padding are readable at `at`.
    #[inline(never)]
    unsafe fn push_long(&mut self, at: *const u8, len: usize) {
        // SAFETY: the caller's.
        unsafe {
            let piece = std::slice::from_raw_parts(at, len);
            let id = match self.vocabulary.find_long(piece) {
                NONE => self.vocabulary.find_whole(piece),
                id => id,
            };
            if id != NONE {
                self.ids.push(id);
                return;
            }
            parts(self.vocabulary.spanned, at, len, |part, length| {
                if length <= MAX_KEY {
                    self.push_short(part, length);
                } else {
                    self.push_merged(part, length);
                }
            });
        }
    }

    /// # Safety
    /// `len >= 1` bytes and the text's padding are readable at `at`.
    #[inline(never)]
    unsafe fn push_merged(&mut self, at: *const u8, len: usize) {
        // SAFETY: the caller's.
        unsafe {
            if len <= MAX_DEFINED {
                push_merged(self.vocabulary, at, len, self.ids);
            } else {
                self.ids.extend_from_slice(self.cache.merge.merge(self.vocabulary, at, len));
            }
        }
    }
}
