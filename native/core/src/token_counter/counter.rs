//! Counts pieces.

use super::cache::{Cache, MAX_LARGE, MAX_MEDIUM, SmallPlace};
use super::cuts::parts;
use super::key::{Key, MAX_KEY};
use super::merge::{MAX_DEFINED, merged_count};
use super::scan::Pieces;
use super::text::Text;
use super::vocabulary::{MAX_SHORT, NONE, Vocabulary};
use super::window::WINDOW;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

/// Pieces that wait to be looked up: one window's on top of what makes a batch worth it.
const UNKNOWN: usize = 2 * WINDOW;

/// A piece of at most `MAX_KEY` bytes: where in the text it starts, and its length in the low bits.
#[derive(Clone, Copy)]
struct Piece(u64);

impl Piece {
    #[inline(always)]
    fn new(start: usize, len: usize) -> Self {
        Self((start as u64) << 4 | len as u64)
    }

    #[inline(always)]
    fn start(self) -> usize {
        (self.0 >> 4) as usize
    }

    #[inline(always)]
    fn len(self) -> usize {
        (self.0 & 15) as usize
    }
}

/// Adds up the tokens of the pieces it is shown.
pub struct Counter<'a> {
    vocabulary: &'a Vocabulary,
    cache: &'a mut Cache,
    start: *const u8,
    /// Without the pieces that wait.
    total: u32,
    limit: u32,
    /// Pieces the cache did not know. They are looked up many at a time, so that the waits for memory overlap.
    unknown: [MaybeUninit<Piece>; UNKNOWN],
    waiting: usize,
}

impl<'a> Counter<'a> {
    /// Breaks off once more than `limit` are certain.
    #[inline(always)]
    pub fn new(vocabulary: &'a Vocabulary, cache: &'a mut Cache, text: &Text, limit: u32) -> Self {
        Self { vocabulary, cache, start: text.as_ptr(), total: 0, limit, unknown: [const { MaybeUninit::uninit() }; UNKNOWN], waiting: 0 }
    }

    /// The tokens of all pieces shown.
    #[inline(always)]
    pub fn total(&mut self) -> u32 {
        if self.waiting > 0 {
            self.count_unknown();
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
        let mut total = self.total;
        let mut waiting = self.waiting;
        let known_pieces = self.cache.small_table();
        loop {
            let to = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            let len = to - from;
            // SAFETY: the piece lies in the text; one window fits behind what `check` leaves waiting.
            unsafe {
                let at = self.start.add(base + from);
                if len <= MAX_KEY {
                    let (known, count) = known_pieces.find(Cache::small_place(Key::read(at, len), len));
                    // No branch here: whether a piece is known cannot be predicted.
                    total += if known { count } else { 0 };
                    self.unknown.get_unchecked_mut(waiting).write(Piece::new(base + from, len));
                    waiting += usize::from(!known);
                } else {
                    total += self.count_long(at, len);
                }
            }
            from = to;
            if to == end {
                break;
            }
        }
        self.total = total;
        self.waiting = waiting;
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
                let (known, count) = self.cache.small(Cache::small_place(Key::read(at, len), len));
                if known {
                    self.total += count;
                } else {
                    self.unknown.get_unchecked_mut(self.waiting).write(Piece::new(start, len));
                    self.waiting += 1;
                }
            }
        }
        self.check()
    }
}

impl Counter<'_> {
    #[inline(always)]
    fn check(&mut self) -> ControlFlow<()> {
        if self.waiting >= UNKNOWN - WINDOW {
            self.count_unknown();
        }
        if self.total > self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Counts the pieces that wait.
    #[inline(never)]
    fn count_unknown(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for i in 0..waiting {
            // SAFETY: the first `waiting` were written, and are pieces of the text.
            let (key, len) = unsafe {
                let piece = self.unknown[i].assume_init();
                (Key::read(self.start.add(piece.start()), piece.len()), piece.len())
            };
            self.vocabulary.prefetch(key);
            self.cache.prefetch_merged(Cache::small_place(key, len));
        }
        for i in 0..waiting {
            // SAFETY: as above.
            self.total += unsafe {
                let piece = self.unknown[i].assume_init();
                self.count_one(self.start.add(piece.start()), piece.len())
            };
        }
    }

    /// # Safety
    /// `1 <= len <= MAX_KEY` bytes and the text's padding are readable at `at`.
    #[inline(always)]
    unsafe fn count_one(&mut self, at: *const u8, len: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe {
            let key = Key::read(at, len);
            let place = Cache::small_place(key, len);
            // It may have waited twice.
            let (known, count) = self.cache.small(place);
            if known {
                return count;
            }
            let id = if (3..=MAX_SHORT).contains(&len) { self.vocabulary.find_short(key, len) } else { self.vocabulary.find(at, len) };
            let count = if id == NONE { self.remembered_count(place, at, len) } else { 1 };
            self.cache.remember_small(place, count);
            count
        }
    }

    /// # Safety
    /// As for `count_one`, and `place` is this piece's.
    #[inline(always)]
    unsafe fn remembered_count(&mut self, place: SmallPlace, at: *const u8, len: usize) -> u32 {
        if let Some(count) = self.cache.merged(place) {
            return count;
        }
        // SAFETY: the caller's.
        let count = unsafe { merged_count(self.vocabulary, at, len) };
        self.cache.remember_merged(place, count);
        count
    }

    /// # Safety
    /// `len > MAX_KEY` bytes and the text's padding are readable at `at`.
    #[inline(never)]
    unsafe fn count_long(&mut self, at: *const u8, len: usize) -> u32 {
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
            self.parts_count(at, len)
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
                } else if vocabulary.find_long(std::slice::from_raw_parts(part, length)) != NONE {
                    1
                } else if length <= MAX_DEFINED {
                    merged_count(vocabulary, part, length)
                } else {
                    self.cache.backtrack.merge(vocabulary, part, length).len() as u32
                };
            });
            count
        }
    }
}
