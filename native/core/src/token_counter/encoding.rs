//! An encoding: its pattern and vocabulary, and what can be asked of it.

use super::cache::{Cache, MAX_MEDIUM, SmallPlace};
use super::cuts::first_part;
use super::key::{Key, MAX_KEY};
use super::merge::{MAX_DEFINED, merged_count, push_merged};
use super::pattern::Pattern;
use super::scan::{Pieces, scan};
use super::text::Text;
use super::vocabulary::{MAX_SHORT, NONE, Vocabulary};
use super::window::WINDOW;
use crate::CoreError;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

/// Immutable, one per process and vocabulary, used by all threads; each brings its own [`Cache`].
pub struct Encoding {
    pattern: Pattern,
    vocabulary: Vocabulary,
}

impl Encoding {
    pub(super) fn new(pattern: Pattern, packed: &'static [u8]) -> Self {
        Self { pattern, vocabulary: Vocabulary::new(packed) }
    }

    /// Number of tokens; may stop once more than `limit` are certain, and then returns some number above it.
    pub fn count(&self, cache: &mut Cache, text: &Text, limit: u32) -> u32 {
        let mut counter = Counter { vocabulary: &self.vocabulary, cache, start: text.as_ptr(), total: 0, limit, unknown: [const { MaybeUninit::uninit() }; UNKNOWN], waiting: 0 };
        scan(self.pattern, text, &mut counter);
        if counter.waiting > 0 {
            counter.count_unknown();
        }
        counter.total
    }

    /// Appends the ids of `text` to `ids`; may stop once `limit` are there.
    pub fn encode(&self, cache: &mut Cache, text: &Text, limit: usize, ids: &mut Vec<u32>) {
        let mut encoder = Encoder { vocabulary: &self.vocabulary, cache, start: text.as_ptr(), limit: ids.len().saturating_add(limit), ids };
        scan(self.pattern, text, &mut encoder);
    }

    /// Appends the bytes of `ids` to `bytes`.
    ///
    /// # Errors
    /// [`CoreError::UnknownToken`] names the first id that is none; special tokens are the caller's business.
    pub fn decode(&self, ids: &[u32], bytes: &mut Vec<u8>) -> Result<(), CoreError> {
        for id in ids {
            bytes.extend_from_slice(self.vocabulary.token(*id).ok_or(CoreError::UnknownToken(*id))?);
        }
        Ok(())
    }

    /// Length in UTF-16 units of the first `max_tokens` tokens of `text`, without a character cut in half at the end.
    pub fn prefix_len(&self, cache: &mut Cache, text: &Text, max_tokens: usize, ids: &mut Vec<u32>) -> usize {
        ids.clear();
        self.encode(cache, text, max_tokens.saturating_add(1), ids);
        let bytes = text.as_bytes();
        let mut end: usize = ids.iter().take(max_tokens).map(|id| self.vocabulary.token_len(*id)).sum();
        while end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        // Four-byte characters are two units.
        bytes[..end].iter().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0)).sum()
    }
}

/// Calls `part` for the parts a long piece may be cut into.
///
/// # Safety
/// `len >= 1` bytes and the text's padding are readable at `at`.
#[inline(always)]
unsafe fn parts(vocabulary: &Vocabulary, at: *const u8, len: usize, mut part: impl FnMut(*const u8, usize)) {
    let mut done = 0;
    while done < len {
        // SAFETY: `done < len`.
        unsafe {
            let start = at.add(done);
            let length = first_part(vocabulary.spanned, start, len - done);
            part(start, length);
            done += length;
        }
    }
}

/// Pieces that wait to be looked up: one window's on top of what makes a batch worth it.
const UNKNOWN: usize = 2 * WINDOW;

/// A piece of at most `MAX_KEY` bytes.
#[derive(Clone, Copy)]
struct Piece {
    at: *const u8,
    len: usize,
}

struct Counter<'a> {
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

impl Pieces for Counter<'_> {
    #[inline(always)]
    fn window(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
        let mut rest = starts & (starts - 1);
        let mut from = 0;
        while from < end {
            let to = if rest == 0 { end } else { rest.trailing_zeros() as usize };
            rest &= rest.wrapping_sub(1);
            // SAFETY: the piece lies in the text.
            unsafe { self.add(self.start.add(base + from), to - from) };
            from = to;
        }
        self.check()
    }

    #[inline(always)]
    fn piece(&mut self, start: usize, end: usize) -> ControlFlow<()> {
        // SAFETY: the piece lies in the text.
        unsafe { self.add(self.start.add(start), end - start) };
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

    /// # Safety
    /// `len >= 1` bytes and the text's padding are readable at `at`.
    #[inline(always)]
    unsafe fn add(&mut self, at: *const u8, len: usize) {
        // SAFETY: the caller's.
        unsafe {
            if len <= MAX_KEY {
                let key = Key::read(at, len);
                let (known, count) = self.cache.small(Cache::small_place(key, len));
                // No branch here: whether a piece is known cannot be predicted.
                self.total += if known { count } else { 0 };
                self.unknown.get_unchecked_mut(self.waiting).write(Piece { at, len });
                self.waiting += usize::from(!known);
            } else {
                self.add_long(at, len);
            }
        }
    }

    /// Counts the pieces that wait.
    #[inline(never)]
    fn count_unknown(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for i in 0..waiting {
            // SAFETY: the first `waiting` were written, and are pieces of the text.
            let (key, len) = unsafe {
                let Piece { at, len } = self.unknown[i].assume_init();
                (Key::read(at, len), len)
            };
            self.vocabulary.prefetch(key);
            self.cache.prefetch_merged(Cache::small_place(key, len));
        }
        for i in 0..waiting {
            // SAFETY: as above.
            self.total += unsafe {
                let Piece { at, len } = self.unknown[i].assume_init();
                self.count_one(at, len)
            };
        }
    }

    /// # Safety
    /// As `add`, `len <= MAX_KEY`.
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
    /// As `add`, `len <= MAX_KEY`, and `place` is this piece's.
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
    /// As `add`, `len > MAX_KEY`.
    #[inline(never)]
    unsafe fn add_long(&mut self, at: *const u8, len: usize) {
        // SAFETY: the caller's.
        unsafe {
            let place = (len <= MAX_MEDIUM).then(|| Cache::medium_place(at, len));
            if let Some(count) = place.as_ref().and_then(|place| self.cache.medium(place)) {
                self.total += count;
                return;
            }
            let before = self.total;
            if self.vocabulary.find_long(std::slice::from_raw_parts(at, len)) != NONE {
                self.total += 1;
            } else {
                let vocabulary = self.vocabulary;
                parts(vocabulary, at, len, |part, length| {
                    if length <= MAX_KEY {
                        self.total += self.count_one(part, length);
                    } else if length <= MAX_DEFINED {
                        self.total += merged_count(vocabulary, part, length);
                    } else {
                        self.total += self.cache.backtracked_count(vocabulary, part, length);
                    }
                });
            }
            if let Some(place) = place {
                let count = self.total - before;
                self.cache.remember_medium(&place, count);
            }
        }
    }
}

struct Encoder<'a> {
    vocabulary: &'a Vocabulary,
    cache: &'a mut Cache,
    start: *const u8,
    limit: usize,
    ids: &'a mut Vec<u32>,
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
                parts(vocabulary, at, len, merge);
            }
        }
    }
}
