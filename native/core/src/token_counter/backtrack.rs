//! Merging of long pieces in time linear to their length, with the result of `merge.rs`.

use super::vocabulary::{NONE, Vocabulary};

/// 2 KB of answers: repeated texts ask for few pairs, and of random ones a table of any size knows few.
const ANSWER_BITS: u32 = 8;

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
            let (mut candidate, mut candidate_len) = vocabulary.longest(at, len);
            while position < len {
                let end = position + candidate_len;
                // Where to go on if the candidate fits or not, which takes as long to tell as it takes to fetch this.
                vocabulary.prefetch_longest(at.add(end));
                vocabulary.prefetch_derived(candidate);
                let open = self.open[end / 64] >> (end % 64) & 1 != 0;
                if open && self.fits_last(vocabulary, candidate) {
                    self.tokens.push(candidate);
                    position = end;
                    if position < len {
                        (candidate, candidate_len) = vocabulary.longest(at.add(position), len - position);
                    }
                } else if candidate_len > 1 {
                    candidate = vocabulary.prefix(candidate);
                    candidate_len = vocabulary.token_len(candidate);
                } else {
                    self.open[position / 64] &= !(1 << (position % 64));
                    // A dead end at the very start cannot be: the merged piece begins with some token.
                    let Some(last) = self.tokens.pop() else {
                        return &self.tokens;
                    };
                    candidate_len = vocabulary.token_len(last);
                    position -= candidate_len;
                    // Its end is closed now, so the next round tries a shorter one.
                    candidate = last;
                }
            }
        }
        &self.tokens
    }

    #[inline(always)]
    fn fits_last(&mut self, vocabulary: &Vocabulary, candidate: u32) -> bool {
        let Some(&last) = self.tokens.last() else {
            return true;
        };
        let pair = (u64::from(last) + 1) << 32 | u64::from(candidate) << 1;
        let answer = &mut self.answers[(pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ANSWER_BITS)) as usize];
        if *answer & !1 != pair {
            *answer = pair | u64::from(fits(vocabulary, last, candidate));
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

/// Whether merging the bytes of `left` and `right` gives these two tokens again: no merge across the border between them would have come
/// before the merges that made them. Walks down the two sides' splits, always the one that was merged last.
#[inline]
fn fits(vocabulary: &Vocabulary, mut left: u32, mut right: u32) -> bool {
    let mut limit = NONE;
    let left_of = |id: u32| vocabulary.split(id).0;
    let right_of = |id: u32| vocabulary.split(id).1;
    loop {
        if vocabulary.joined(left, right) < limit {
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
