//! Byte-pair merging of pieces of up to [`MAX_DEFINED`] bytes, exactly as the reference does it:
//! always the lowest rank, the leftmost of equals. Several pieces are merged in turns, a step each:
//! while one waits for memory, the others continue.

use crate::token_counter::bpe::merge_table::Join;
use crate::token_counter::bpe::piece::Piece;
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::cpu_features::by_machine;
use std::mem::MaybeUninit;

/// Bytes of which a bit for each fits an integer.
pub const MAX_DEFINED: usize = 63;
/// Pieces that are merged in turns.
const TOGETHER: usize = 12;

/// Counts the tokens that each of the `pieces`, none of which is a token, merges into.
///
/// # Safety
/// The pieces are below `LANES` bytes long, lie in the text from `text` on, and there are as many
/// `counts`.
#[inline(always)]
pub unsafe fn merged_counts<const LANES: usize>(vocabulary: &Vocabulary, text: *const u8, pieces: &[Piece], counts: &mut [u8]) {
    // SAFETY: the caller's.
    unsafe { count_in_turns::<LANES>(vocabulary, text, pieces, counts) }
}

/// Number of tokens that `len` bytes, which are no token, merge into.
///
/// # Safety
/// `2 <= len <= MAX_DEFINED` bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn merged_count(vocabulary: &Vocabulary, at: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        match len {
            0..16 => count::<16>(vocabulary, at, len),
            16..32 => count::<32>(vocabulary, at, len),
            _ => count::<64>(vocabulary, at, len),
        }
    }
}

/// Appends the ids that `len` bytes merge into.
///
/// # Safety
/// `1 <= len <= MAX_DEFINED` bytes must be readable at `at`.
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

/// A piece while it is merged.
#[derive(Clone, Copy)]
struct Parts<const LANES: usize> {
    /// Rank of the merge of the part that starts here with the next one, and this position in the
    /// low bits: the minimum is the leftmost lowest. From `NO_MERGE` on there is none.
    merges: [u32; LANES],
    /// The token of the part that starts here.
    ids: [u32; LANES],
    /// Bit i: a part starts at byte i, or i is the end or behind it.
    bounds: u64,
    len: usize,
    /// Parts there are.
    count: u32,
    /// What was merged last: where it starts, and where the part before it starts.
    start: u32,
    left: u32,
    /// The merges of these two with what follows them, on their way.
    start_join: Join,
    left_join: Join,
}

const NO_MERGE: u32 = 1 << 31;

impl<const LANES: usize> Parts<LANES> {
    /// One part for every byte.
    ///
    /// # Safety
    /// `1 <= len < LANES <= 64` bytes must be readable at `at`.
    #[inline(always)]
    unsafe fn new(vocabulary: &Vocabulary, at: *const u8, len: usize) -> Self {
        debug_assert!((1..LANES).contains(&len));
        let mut merges = [NONE; LANES];
        let mut ids = [0; LANES];
        // SAFETY: the caller's.
        unsafe {
            let mut byte = *at;
            for start in 0..len - 1 {
                let next = *at.add(start + 1);
                *merges.get_unchecked_mut(start) = packed(vocabulary.pair(byte, next), start as u32);
                *ids.get_unchecked_mut(start) = vocabulary.byte_ids[usize::from(byte)];
                byte = next;
            }
            *ids.get_unchecked_mut(len - 1) = vocabulary.byte_ids[usize::from(byte)];
        }
        let [start, left] = [LANES as u32 - 1; 2];
        let [start_join, left_join] = [vocabulary.no_join(); 2];
        Self { merges, ids, bounds: u64::MAX, len, count: len as u32, start, left, start_join, left_join }
    }

    /// Takes in the look-ups that were on their way, and returns the next merge.
    #[inline(always)]
    fn lowest(&mut self, vocabulary: &Vocabulary) -> u32 {
        let start_merge = packed(vocabulary.end_join(self.start_join), self.start);
        let left_merge = packed(vocabulary.end_join(self.left_join), self.left);
        // Not among those yet: vectors that are read right behind writes to their lanes have to
        // wait for them.
        let mut lanes = [NONE; 8];
        for eight in self.merges.chunks_exact(8) {
            for (lane, merge) in lanes.iter_mut().zip(eight) {
                *lane = (*lane).min(*merge);
            }
        }
        // SAFETY: positions below LANES. The left one first: where there is none it is the start
        // itself.
        unsafe {
            *self.merges.get_unchecked_mut(self.left as usize) = left_merge;
            *self.merges.get_unchecked_mut(self.start as usize) = start_merge;
        }
        lanes.iter().fold(left_merge.min(start_merge), |lowest, lane| lowest.min(*lane))
    }

    /// Where the part behind the one at `start` begins.
    #[inline(always)]
    fn next(&self, start: usize) -> usize {
        start + 1 + (self.bounds >> 1 >> start).trailing_zeros() as usize
    }

    /// Does a merge, and begins the look-ups of those that it makes possible.
    #[inline(always)]
    fn join(&mut self, vocabulary: &Vocabulary, merge: u32) {
        let start = (merge & 63) as usize;
        let id = merge >> 6;
        let middle = self.next(start);
        self.bounds ^= 1 << middle;
        let end = self.next(start);
        let before = self.bounds & ((1 << start) - 1);
        let left = (before | 1).ilog2() as usize;
        self.count -= 1;
        [self.start, self.left] = [start, left].map(|at| at as u32);
        // SAFETY: all at or below `len`, which is below LANES.
        unsafe {
            for gone in [start, middle, left] {
                *self.merges.get_unchecked_mut(gone) = NONE;
            }
            *self.ids.get_unchecked_mut(start) = id;
            self.start_join = vocabulary.begin_join(id, *self.ids.get_unchecked(end), end < self.len);
            self.left_join = vocabulary.begin_join(*self.ids.get_unchecked(left), id, before != 0);
        }
    }

    /// The number of tokens if `merge`, the next one, is the last or none: two parts never merge,
    /// they would be the whole piece.
    #[inline(always)]
    fn counted(&self, merge: u32) -> Option<u32> {
        if merge >= NO_MERGE {
            Some(self.count)
        } else if self.count == 3 {
            Some(2)
        } else {
            None
        }
    }

    fn push_to(&self, out: &mut Vec<u32>) {
        let mut bounds = self.bounds & ((1 << self.len) - 1);
        while bounds != 0 {
            out.push(self.ids[bounds.trailing_zeros() as usize]);
            bounds &= bounds - 1;
        }
    }
}

#[inline(always)]
fn packed(id: u32, start: u32) -> u32 {
    id << 6 | start
}

by_machine! {
/// # Safety
/// `1 <= len < LANES <= 64` bytes must be readable at `at`.
unsafe fn merge[const LANES: usize](vocabulary: &Vocabulary, at: *const u8, len: usize) -> Parts<LANES> {
    // SAFETY: the caller's.
    let mut parts = unsafe { Parts::<LANES>::new(vocabulary, at, len) };
    loop {
        let merge = parts.lowest(vocabulary);
        if merge >= NO_MERGE {
            return parts;
        }
        parts.join(vocabulary, merge);
    }
}
}

by_machine! {
/// # Safety
/// As for `merge`, and the bytes are no token.
unsafe fn count[const LANES: usize](vocabulary: &Vocabulary, at: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's.
    let mut parts = unsafe { Parts::<LANES>::new(vocabulary, at, len) };
    loop {
        let merge = parts.lowest(vocabulary);
        if let Some(count) = parts.counted(merge) {
            return count;
        }
        parts.join(vocabulary, merge);
    }
}
}

by_machine! {
/// # Safety
/// As for `merged_counts`.
unsafe fn count_in_turns[const LANES: usize](vocabulary: &Vocabulary, text: *const u8, pieces: &[Piece], counts: &mut [u8]) -> () {
    // SAFETY: the caller's.
    let new = |i: usize| unsafe {
        let piece = *pieces.get_unchecked(i);
        Parts::<LANES>::new(vocabulary, text.add(piece.start()), piece.len())
    };
    let mut active = pieces.len().min(TOGETHER);
    let mut next = active;
    let mut which: [usize; TOGETHER] = std::array::from_fn(|turn| turn);
    let mut turns = [const { MaybeUninit::<Parts<LANES>>::uninit() }; TOGETHER];
    for (turn, parts) in turns.iter_mut().enumerate().take(active) {
        parts.write(new(turn));
    }
    while active > 0 {
        let mut turn = 0;
        while turn < active {
            // SAFETY: the active ones were written.
            let parts = unsafe { turns[turn].assume_init_mut() };
            let merge = parts.lowest(vocabulary);
            let Some(count) = parts.counted(merge) else {
                parts.join(vocabulary, merge);
                turn += 1;
                continue;
            };
            counts[which[turn]] = count as u8;
            if next < pieces.len() {
                *parts = new(next);
                which[turn] = next;
                next += 1;
                turn += 1;
            } else {
                active -= 1;
                turns[turn] = turns[active];
                which[turn] = which[active];
            }
        }
    }
}
}
