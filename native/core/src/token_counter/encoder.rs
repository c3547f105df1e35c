//! Collects the ids of pieces.

use super::cache::Cache;
use super::cuts::parts;
use super::key::MAX_KEY;
use super::merge::{MAX_DEFINED, push_merged};
use super::scan::Pieces;
use super::text::Text;
use super::vocabulary::{NONE, Vocabulary};
use std::ops::ControlFlow;

/// Appends the ids of the pieces it is shown.
pub struct Encoder<'a> {
    vocabulary: &'a Vocabulary,
    cache: &'a mut Cache,
    start: *const u8,
    limit: usize,
    ids: &'a mut Vec<u32>,
}

impl<'a> Encoder<'a> {
    /// Breaks off once `limit` more ids are there.
    pub fn new(vocabulary: &'a Vocabulary, cache: &'a mut Cache, text: &Text, limit: usize, ids: &'a mut Vec<u32>) -> Self {
        Self { vocabulary, cache, start: text.as_ptr(), limit: ids.len().saturating_add(limit), ids }
    }
}

impl Pieces for Encoder<'_> {
    #[inline(always)]
    fn window(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
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
            let id = self.vocabulary.find(at, end - start);
            if id == NONE {
                self.push_merged(at, end - start);
            } else {
                self.ids.push(id);
            }
        }
        if self.ids.len() >= self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Encoder<'_> {
    /// # Safety
    /// `len >= 1` bytes and the text's padding are readable at `at`.
    #[inline(never)]
    unsafe fn push_merged(&mut self, at: *const u8, len: usize) {
        // SAFETY: the caller's.
        unsafe {
            let vocabulary = self.vocabulary;
            let mut merge = |part: *const u8, length: usize| {
                if length <= MAX_DEFINED {
                    push_merged(vocabulary, part, length, self.ids);
                } else {
                    self.ids.extend_from_slice(self.cache.backtrack.merge(vocabulary, part, length));
                }
            };
            if len <= MAX_KEY {
                merge(at, len);
            } else {
                parts(vocabulary.spanned, at, len, merge);
            }
        }
    }
}
