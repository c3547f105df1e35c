//! Byte-pair merging of one piece that is not a token as a whole, exactly as the reference does it: always the lowest rank, the leftmost of equals.
//! For pieces of up to [`MAX_DEFINED`] bytes; `backtrack.rs` has the one with the same result for longer ones.

use super::machine::by_machine;
use super::vocabulary::{NONE, Vocabulary};

/// A piece of this many bytes is still merged as defined: below, the quadratic search for the lowest rank beats the look-ups of backtracking.
pub const MAX_DEFINED: usize = 63;

/// A piece after merging, of fewer than `LANES` bytes.
struct Merged<const LANES: usize> {
    /// As in [`Parts`].
    bounds: u64,
    ids: [u32; LANES],
}

/// Number of tokens that `len` bytes, which are no token, merge into.
///
/// # Safety
/// `2 <= len <= MAX_DEFINED`, and `len + 16` bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn merged_count(vocabulary: &Vocabulary, at: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        match len {
            0..16 => count_merged::<16>(vocabulary, at, len),
            16..32 => count_merged::<32>(vocabulary, at, len),
            _ => count_merged::<64>(vocabulary, at, len),
        }
    }
}

/// Appends the ids that `len` bytes merge into.
///
/// # Safety
/// `1 <= len <= MAX_DEFINED`, and `len + 16` bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn push_merged(vocabulary: &Vocabulary, at: *const u8, len: usize, out: &mut Vec<u32>) {
    // SAFETY: the caller's.
    unsafe {
        match len {
            0..16 => merge::<16>(vocabulary, at, len).push_to(out),
            16..32 => merge::<32>(vocabulary, at, len).push_to(out),
            _ => merge::<64>(vocabulary, at, len).push_to(out),
        }
    }
}

impl<const LANES: usize> Merged<LANES> {
    fn push_to(&self, out: &mut Vec<u32>) {
        let mut bounds = self.bounds ^ 1 << self.bounds.ilog2();
        while bounds != 0 {
            out.push(self.ids[bounds.trailing_zeros() as usize]);
            bounds &= bounds - 1;
        }
    }
}

/// The lowest of all, eight at a time.
#[inline(always)]
fn lowest<const LANES: usize>(merges: &[u32; LANES]) -> u32 {
    let mut lanes = [NONE; 8];
    for eight in merges.chunks_exact(8) {
        for (lane, merge) in lanes.iter_mut().zip(eight) {
            *lane = (*lane).min(*merge);
        }
    }
    lanes.iter().fold(NONE, |lowest, lane| lowest.min(*lane))
}

/// A piece while it is merged.
struct Parts<'a, const LANES: usize> {
    vocabulary: &'a Vocabulary,
    at: *const u8,
    /// Bit i: a part starts at byte i; one more bit for the end.
    bounds: u64,
    /// Rank of the merge of the part that starts here with the next one, and this position in the low bits: the minimum is the leftmost lowest.
    merges: [u32; LANES],
}

impl<'a, const LANES: usize> Parts<'a, LANES> {
    /// One part for every byte.
    ///
    /// # Safety
    /// `1 <= len < LANES <= 64`, and `len + 16` bytes must stay readable at `at`.
    #[inline(always)]
    unsafe fn new(vocabulary: &'a Vocabulary, at: *const u8, len: usize) -> Self {
        debug_assert!((1..LANES).contains(&len));
        let mut merges = [NONE; LANES];
        // SAFETY: the caller's.
        unsafe {
            let mut byte = *at;
            for start in 0..len - 1 {
                let next = *at.add(start + 1);
                *merges.get_unchecked_mut(start) = packed(vocabulary.pair(byte, next), start);
                byte = next;
            }
        }
        Self { vocabulary, at, bounds: u64::MAX >> (63 - len), merges }
    }

    /// Where the part behind the one at `start` begins.
    #[inline(always)]
    fn next(&self, start: usize) -> usize {
        start + 1 + (self.bounds >> (start + 1)).trailing_zeros() as usize
    }

    /// Joins the part at `start` with the next one, and returns where they end. Their own merges are left to be looked up.
    #[inline(always)]
    fn join(&mut self, start: usize) -> usize {
        let middle = self.next(start);
        self.bounds ^= 1 << middle;
        // SAFETY: below `len`, which is below LANES.
        unsafe { *self.merges.get_unchecked_mut(middle) = NONE };
        self.next(start)
    }

    /// Looks up the merge of the part at `start`, which reaches to the end of the next one.
    #[inline(always)]
    fn look_up(&mut self, start: usize, end: usize) {
        // SAFETY: both lie inside the piece, whose bytes and 16 more are readable.
        unsafe {
            let id = self.vocabulary.find(self.at.add(start), end - start);
            *self.merges.get_unchecked_mut(start) = packed(id, start);
        }
    }
}

#[inline(always)]
fn packed(id: u32, start: usize) -> u32 {
    if id == NONE { NONE } else { id << 6 | start as u32 }
}

by_machine! {
/// # Safety
/// `1 <= len < LANES <= 64`, and `len + 16` bytes must be readable at `at`.
unsafe fn merge[const LANES: usize](vocabulary: &Vocabulary, at: *const u8, len: usize) -> Merged<LANES> {
    let mut ids = [0; LANES];
    // SAFETY: the caller's; positions are below `len`.
    unsafe {
        for (start, id) in ids.iter_mut().enumerate().take(len) {
            *id = vocabulary.byte_ids[usize::from(*at.add(start))];
        }
        let mut parts = Parts::<LANES>::new(vocabulary, at, len);
        loop {
            let best = lowest(&parts.merges);
            if best == NONE {
                return Merged { bounds: parts.bounds, ids };
            }
            let start = (best & 63) as usize;
            *ids.get_unchecked_mut(start) = best >> 6;
            let end = parts.join(start);
            if end < len {
                parts.look_up(start, parts.next(end));
            } else {
                *parts.merges.get_unchecked_mut(start) = NONE;
            }
            let before = parts.bounds & ((1 << start) - 1);
            if before != 0 {
                parts.look_up(before.ilog2() as usize, end);
            }
        }
    }
}
}

by_machine! {
/// The same without the ids, and without the last merges: they only need to be known to be possible.
///
/// # Safety
/// As for `merge`, and the bytes are no token.
unsafe fn count_merged[const LANES: usize](vocabulary: &Vocabulary, at: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's; positions are below `len`.
    unsafe {
        let mut parts = Parts::<LANES>::new(vocabulary, at, len);
        let mut count = len as u32;
        loop {
            // Two parts never merge: they would be the whole piece.
            if count == 2 {
                return 2;
            }
            let best = lowest(&parts.merges);
            if best == NONE {
                return count;
            }
            count -= 1;
            let start = (best & 63) as usize;
            let end = parts.join(start);
            *parts.merges.get_unchecked_mut(start) = NONE;
            let before = parts.bounds & ((1 << start) - 1);
            let left = if before == 0 { 0 } else { before.ilog2() as usize };
            if count == 3 {
                // Of three parts two merge if any do. A merge known from before is that of the two parts that did not take part just now.
                if before != 0 {
                    *parts.merges.get_unchecked_mut(left) = NONE;
                }
                let any = lowest(&parts.merges) != NONE
                    || end < len && vocabulary.find(at.add(start), parts.next(end) - start) != NONE
                    || before != 0 && vocabulary.find(at.add(left), end - left) != NONE;
                return if any { 2 } else { 3 };
            }
            if end < len {
                parts.look_up(start, parts.next(end));
            }
            if before != 0 {
                parts.look_up(left, end);
            }
        }
    }
}
}
