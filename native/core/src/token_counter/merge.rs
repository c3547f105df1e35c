//! Byte-pair merging of one piece that is not a token as a whole, exactly as the reference does it: always the lowest rank, the leftmost of equals.
//! Two algorithms with one result: short pieces are merged as defined, long ones by backtracking, in time linear to their length.

use super::machine::by_machine;
use super::vocabulary::{NONE, Vocabulary};

/// A piece of this many bytes is still merged as defined: below, the quadratic search for the lowest rank beats the look-ups of backtracking.
pub const MAX_DEFINED: usize = 63;

/// A piece after merging, of fewer than `LANES` bytes.
struct Merged<const LANES: usize> {
    /// Bit i: a token starts at byte i; one more bit for the end.
    bounds: u64,
    ids: [u32; LANES],
}

/// Number of tokens that `len` bytes merge into.
///
/// # Safety
/// `1 <= len <= MAX_DEFINED`, and `len + 16` bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn merged_count(vocabulary: &Vocabulary, at: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's.
    let bounds = unsafe {
        match len {
            0..16 => merge::<16>(vocabulary, at, len).bounds,
            16..32 => merge::<32>(vocabulary, at, len).bounds,
            _ => merge::<64>(vocabulary, at, len).bounds,
        }
    };
    bounds.count_ones() - 1
}

/// Appends the ids that `len` bytes merge into.
///
/// # Safety
/// As for [`merged_count`].
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

by_machine! {
/// # Safety
/// `1 <= len < LANES <= 64`, and `len + 16` bytes must be readable at `at`.
unsafe fn merge[const LANES: usize](vocabulary: &Vocabulary, at: *const u8, len: usize) -> Merged<LANES> {
    debug_assert!((1..LANES).contains(&len));
    let mut ids = [0; LANES];
    // Rank of the merge of the part that starts here with the next one, and this position in the low bits: the minimum is the leftmost lowest.
    let mut merges = [NONE; LANES];
    let packed = |id: u32, start: usize| if id == NONE { NONE } else { id << 6 | start as u32 };
    // SAFETY: every part lies inside the `len` bytes, every index below LANES.
    unsafe {
        let mut byte = *at;
        for start in 0..len - 1 {
            let next = *at.add(start + 1);
            *ids.get_unchecked_mut(start) = vocabulary.byte_ids[usize::from(byte)];
            *merges.get_unchecked_mut(start) = packed(vocabulary.pair(byte, next), start);
            byte = next;
        }
        *ids.get_unchecked_mut(len - 1) = vocabulary.byte_ids[usize::from(byte)];
        let mut bounds = u64::MAX >> (63 - len);
        loop {
            let best = lowest(&merges);
            if best == NONE {
                return Merged { bounds, ids };
            }
            let start = (best & 63) as usize;
            let next = |bounds: u64, start: usize| start + 1 + (bounds >> (start + 1)).trailing_zeros() as usize;
            let middle = next(bounds, start);
            bounds ^= 1 << middle;
            *merges.get_unchecked_mut(middle) = NONE;
            *ids.get_unchecked_mut(start) = best >> 6;
            let end = next(bounds, start);
            let right = if end < len { packed(vocabulary.find(at.add(start), next(bounds, end) - start), start) } else { NONE };
            *merges.get_unchecked_mut(start) = right;
            let before = bounds & ((1 << start) - 1);
            if before != 0 {
                let left = before.ilog2() as usize;
                *merges.get_unchecked_mut(left) = packed(vocabulary.find(at.add(left), end - left), left);
            }
        }
    }
}
}

/// 32 KB of answers.
const ANSWER_BITS: u32 = 12;

/// Working memory of [`Backtrack::merge`], kept between calls.
#[derive(Default)]
pub struct Backtrack {
    tokens: Vec<u32>,
    /// What `fits` has answered, by the hash of the pair: both ids, and the answer in the lowest bit. Made at the first long piece.
    answers: Vec<u64>,
    /// Bit per position: not yet known to be a dead end.
    open: Vec<u64>,
}

impl Backtrack {
    /// Merges `len` bytes and returns the ids.
    ///
    /// Takes the longest token that fits behind the last one, where two neighbours fit when merging their bytes would give just these two.
    /// Every prefix of a merged piece is itself merged, so a position once found to lead nowhere is never tried again: linear time.
    ///
    /// # Safety
    /// `len >= 1`, and `len + 16` bytes must be readable at `at`.
    pub unsafe fn merge(&mut self, vocabulary: &Vocabulary, at: *const u8, len: usize) -> &[u32] {
        self.tokens.clear();
        self.open.clear();
        self.open.resize(len / 64 + 1, u64::MAX);
        self.answers.resize(1 << ANSWER_BITS, 0);
        let mut position = 0;
        // SAFETY: positions stay below `len`, tokens end at or before it.
        unsafe {
            let mut candidate = vocabulary.longest(at, len);
            while position < len {
                let end = position + vocabulary.token_len(candidate);
                let open = self.open[end / 64] >> (end % 64) & 1 != 0;
                if open && self.fits_last(vocabulary, at.add(position), candidate) {
                    self.tokens.push(candidate);
                    position = end;
                    if position < len {
                        candidate = vocabulary.longest(at.add(position), len - position);
                    }
                } else if end - position > 1 {
                    candidate = vocabulary.longest(at.add(position), end - position - 1);
                } else {
                    self.open[position / 64] &= !(1 << (position % 64));
                    // A dead end at the very start cannot be: the merged piece begins with some token.
                    let Some(last) = self.tokens.pop() else {
                        return &self.tokens;
                    };
                    position -= vocabulary.token_len(last);
                    // Its end is closed now, so the next round tries a shorter one.
                    candidate = last;
                }
            }
        }
        &self.tokens
    }

    /// # Safety
    /// As for [`fits`].
    #[inline(always)]
    unsafe fn fits_last(&mut self, vocabulary: &Vocabulary, border: *const u8, candidate: u32) -> bool {
        let Some(&last) = self.tokens.last() else {
            return true;
        };
        let pair = (u64::from(last) + 1) << 32 | u64::from(candidate) << 1;
        let answer = &mut self.answers[(pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ANSWER_BITS)) as usize];
        if *answer & !1 != pair {
            // SAFETY: the caller's.
            *answer = pair | u64::from(unsafe { fits(vocabulary, border, last, candidate) });
        }
        *answer & 1 != 0
    }

    /// Gives memory back that one huge piece has needed.
    pub fn shrink(&mut self, above: usize) {
        if self.tokens.capacity() * 4 > above {
            *self = Self::default();
        }
    }
}

/// Whether merging the bytes of `left` and `right`, which meet at `border`, gives these two tokens again: no merge across the border would
/// have come before the merges that made them. Walks down the two sides' splits, always the one that was merged last.
///
/// # Safety
/// The bytes of both tokens, and 16 more, must be readable around `border`.
#[inline]
unsafe fn fits(vocabulary: &Vocabulary, border: *const u8, mut left: u32, mut right: u32) -> bool {
    let mut limit = NONE;
    let left_of = |id: u32| vocabulary.split(id).map_or(id, |split| split.0);
    let right_of = |id: u32| vocabulary.split(id).map_or(id, |split| split.1);
    loop {
        let before = vocabulary.token_len(left);
        // SAFETY: the caller's; both parts only get shorter.
        let joined = unsafe { vocabulary.find(border.sub(before), before + vocabulary.token_len(right)) };
        if joined < limit && vocabulary.split(joined) == Some((left, right)) {
            return false;
        }
        if left > right {
            limit = left;
            left = right_of(left);
            if left == limit {
                limit = right + 1;
                right = left_of(right);
                if right + 1 == limit {
                    return true;
                }
            }
        } else {
            limit = right + 1;
            right = left_of(right);
            if right + 1 == limit {
                limit = left;
                left = right_of(left);
                if left == limit {
                    return true;
                }
            }
        }
    }
}
