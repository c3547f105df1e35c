//! Counts pieces.
//!
//! Most of the time goes to waits for memory, so no piece is looked up where it is found. A place is asked for first and read later, when what
//! was asked for many others is on its way, too; those that are not known there are looked up together, and merged together.

use super::cache::{Cache, SmallPlace};
use super::key::{Key, MAX_KEY};
use super::merge::{merged_count, merged_counts};
use super::piece::Piece;
use super::scan::Pieces;
use super::text::Text;
use super::vocabulary::{MAX_SHORT, NONE, Vocabulary};
use super::window::WINDOW;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

/// Pieces whose places are asked for: one window's on top of what makes reading them worth it.
const ASKED: usize = 2 * WINDOW;
/// Pieces that the cache does not know: as many on top of what makes a batch worth it.
const UNKNOWN: usize = WINDOW + ASKED;
/// So many pieces before one is looked up, its cache lines are asked for: all of them at once would not fit the first-level cache.
const AHEAD: usize = 20;
/// What the cache has for a piece that waits to be merged: a quarter of those that have to be stand near another of their kind. No piece has this
/// count, and none keeps it: the merge writes over it.
pub(super) const MERGING: u32 = 0;
/// Longer ones, of which a window has three at the most.
pub(super) const LONG_UNKNOWN: usize = 16;

/// Adds up the tokens of the pieces it is shown.
pub struct Counter<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) cache: &'a mut Cache,
    pub(super) start: *const u8,
    /// Without the pieces that wait.
    pub(super) total: u32,
    limit: u32,
    asked: [MaybeUninit<(SmallPlace, Piece)>; ASKED],
    asked_len: usize,
    unknown: [MaybeUninit<Piece>; UNKNOWN],
    unknown_len: usize,
    pub(super) long_unknown: [MaybeUninit<Piece>; LONG_UNKNOWN],
    pub(super) long_unknown_len: usize,
}

impl<'a> Counter<'a> {
    /// Breaks off once more than `limit` are certain.
    #[inline(always)]
    pub fn new(vocabulary: &'a Vocabulary, cache: &'a mut Cache, text: &Text, limit: u32) -> Self {
        Self {
            vocabulary,
            cache,
            start: text.as_ptr(),
            total: 0,
            limit,
            asked: [const { MaybeUninit::uninit() }; ASKED],
            asked_len: 0,
            unknown: [const { MaybeUninit::uninit() }; UNKNOWN],
            unknown_len: 0,
            long_unknown: [const { MaybeUninit::uninit() }; LONG_UNKNOWN],
            long_unknown_len: 0,
        }
    }

    /// The tokens of all pieces shown.
    #[inline(always)]
    pub fn total(&mut self) -> u32 {
        if self.asked_len > 0 {
            self.count_asked();
        }
        if self.unknown_len > 0 {
            self.count_unknown();
        }
        if self.long_unknown_len > 0 {
            self.count_long_unknown();
        }
        self.total
    }
}

impl Pieces for Counter<'_> {
    #[inline(always)]
    fn window(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
        // A border where the last piece ends; behind a whole window there is no bit for it, and none left to find either.
        let mut rest = starts & (starts - 1) | if end < WINDOW { 1 << end } else { 0 };
        let mut from = 0;
        // In registers, which the compiler cannot do for fields beside an array that is written to.
        let known = self.cache.small_table();
        let mut asked = self.asked_len;
        loop {
            let to = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            let len = to - from;
            // SAFETY: the piece lies in the text; one window fits behind what `check` leaves.
            unsafe {
                let at = self.start.add(base + from);
                if len <= MAX_KEY {
                    let place = Cache::small_place(Key::read(at, len), len);
                    known.prefetch(place);
                    self.asked.get_unchecked_mut(asked).write((place, Piece::new(base + from, len)));
                    asked += 1;
                } else {
                    self.total += self.count_long_later(base + from, len);
                }
            }
            from = to;
            if to == end {
                break;
            }
        }
        self.asked_len = asked;
        self.check()
    }

    #[inline(always)]
    fn piece(&mut self, start: usize, end: usize) -> ControlFlow<()> {
        let len = end - start;
        // SAFETY: the piece lies in the text.
        unsafe {
            let at = self.start.add(start);
            if len > MAX_KEY {
                self.total += self.count_long(at, len);
            } else {
                // At once: beyond ASCII the matcher takes longer than the look-up, and pieces come again soon.
                let (known, count) = self.cache.small(Cache::small_place(Key::read(at, len), len));
                if known {
                    self.total += count;
                } else {
                    self.unknown.get_unchecked_mut(self.unknown_len).write(Piece::new(start, len));
                    self.unknown_len += 1;
                }
            }
        }
        self.check()
    }
}

impl Counter<'_> {
    /// Makes room for one more window.
    #[inline(always)]
    fn check(&mut self) -> ControlFlow<()> {
        if self.asked_len >= ASKED - WINDOW {
            self.count_asked();
        }
        if self.unknown_len >= UNKNOWN - ASKED {
            self.count_unknown();
        }
        if self.long_unknown_len > LONG_UNKNOWN - WINDOW.div_ceil(MAX_KEY + 1) {
            self.count_long_unknown();
        }
        if self.total > self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Reads the places asked for.
    #[inline(always)]
    fn count_asked(&mut self) {
        let known_pieces = self.cache.small_table();
        let mut total = self.total;
        let mut unknown = self.unknown_len;
        for asked in &self.asked[..std::mem::take(&mut self.asked_len)] {
            // SAFETY: these were written; `check` leaves room for all of them.
            unsafe {
                let (place, piece) = asked.assume_init();
                let (known, count) = known_pieces.find(place);
                // No branch here: whether a piece is known cannot be predicted.
                total += if known { count } else { 0 };
                self.unknown.get_unchecked_mut(unknown).write(piece);
                unknown += usize::from(!known);
            }
        }
        self.total = total;
        self.unknown_len = unknown;
    }

    /// Counts the pieces that the cache does not know.
    #[inline(never)]
    fn count_unknown(&mut self) {
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
            let count = if id == NONE { self.cache.merged(place)? } else { 1 };
            self.cache.remember_small(place, count);
            Some(count)
        }
    }

    /// The count of a piece, at once.
    ///
    /// # Safety
    /// As for `count_whole`.
    #[inline(always)]
    pub(super) unsafe fn count_one(&mut self, at: *const u8, len: usize) -> u32 {
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
