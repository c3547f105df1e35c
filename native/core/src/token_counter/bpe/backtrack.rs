//! Merging of long pieces by the longest tokens that fit, with the result of `merge.rs`: fast where
//! tokens are long and fit at once.

use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};

/// 2 KB of answers: repeated texts ask for few pairs, and of random ones a table of any size knows
/// few.
const ANSWER_BITS: u32 = 8;
/// What a candidate costs whose answer is not known, in units of one whose answer is.
const UNKNOWN_COST: usize = 8;
/// Units after which it is asked how far they have led, and bytes that they have to: at less,
/// merging by ranks or by blocks takes less time.
const COST: usize = 128;
const WORTH: usize = 32;
/// Bytes after which the caller looks for another way, though this one is worth its work.
const MOST_BYTES: usize = 2048;

/// What the first bytes of a piece are merged into.
#[derive(Default)]
pub struct Tokens {
    pub ids: Vec<u32>,
    /// Where they end.
    pub end: usize,
}

/// Working memory of [`Backtrack::extend`], kept between calls.
#[derive(Default)]
pub struct Backtrack {
    /// What `fits` has answered, by the hash of the pair: both ids, and the answer in the lowest
    /// bit. Made at the first long piece.
    answers: Vec<u64>,
    /// Bit per position: known to be a dead end.
    dead: Vec<u64>,
}

impl Backtrack {
    /// Has to be called before each piece.
    pub fn start(&mut self) {
        self.dead.clear();
        self.answers.resize(1 << ANSWER_BITS, 0);
    }

    /// Continues to the end of the piece of `len` bytes, or until the work exceeds its worth, or to a
    /// token whose merges are not in the order of their ranks, of which `fits` knows nothing; or for
    /// some kilobytes. Returns whether to go on like this. A dead end is never tried again, because
    /// every prefix of a merged piece is itself merged.
    ///
    /// # Safety
    /// `tokens` are those of a part of the piece, and not all; `len + 16` bytes must be readable at
    /// `at`.
    pub unsafe fn extend(&mut self, vocabulary: &Vocabulary, at: *const u8, len: usize, tokens: &mut Tokens) -> bool {
        let mut position = tokens.end;
        let stop = position + MOST_BYTES;
        let mut goal = position + WORTH;
        let mut goes_on = false;
        let mut cost = 0;
        // SAFETY: positions stay below `len`, tokens end at or before it.
        unsafe {
            let (mut candidate, mut candidate_len) = vocabulary.longest(at.add(position), len - position, &mut cost);
            while position < len {
                if cost >= COST {
                    goes_on = position >= stop;
                    if position < goal || goes_on {
                        break;
                    }
                    (goal, cost) = (position + WORTH, 0);
                }
                if vocabulary.is_irregular(candidate) {
                    break;
                }
                cost += 1;
                let end = position + candidate_len;
                // Where to go on if the candidate fits or not, which takes as long to tell as it
                // takes to fetch this.
                vocabulary.prefetch_longest(at.add(end));
                vocabulary.prefetch_derived(candidate);
                if !self.is_dead(end) && self.fits_last(vocabulary, &tokens.ids, candidate, &mut cost) {
                    tokens.ids.push(candidate);
                    position = end;
                    if position < len {
                        (candidate, candidate_len) = vocabulary.longest(at.add(position), len - position, &mut cost);
                    }
                } else if candidate_len > 1 {
                    candidate = vocabulary.prefix(candidate);
                    candidate_len = vocabulary.token_len(candidate);
                } else {
                    self.set_dead(position);
                    // A dead end at the very start cannot be: the merged piece begins with some
                    // token.
                    let Some(last) = tokens.ids.pop() else {
                        break;
                    };
                    candidate_len = vocabulary.token_len(last);
                    position -= candidate_len;
                    // Its end is closed now, so the next round tries a shorter one.
                    candidate = last;
                }
            }
        }
        tokens.end = position;
        goes_on
    }

    #[inline(always)]
    fn is_dead(&self, position: usize) -> bool {
        self.dead.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 != 0)
    }

    #[cold]
    fn set_dead(&mut self, position: usize) {
        if self.dead.len() <= position / 64 {
            self.dead.resize(position / 64 + 1, 0);
        }
        self.dead[position / 64] |= 1 << (position % 64);
    }

    #[inline(always)]
    fn fits_last(&mut self, vocabulary: &Vocabulary, tokens: &[u32], candidate: u32, cost: &mut usize) -> bool {
        let Some(&last) = tokens.last() else {
            return true;
        };
        let pair = (u64::from(last) + 1) << 32 | u64::from(candidate) << 1;
        let answer = &mut self.answers[(pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ANSWER_BITS)) as usize];
        if *answer & !1 != pair {
            *cost += UNKNOWN_COST;
            *answer = pair | u64::from(fits(vocabulary, last, candidate));
        }
        *answer & 1 != 0
    }
}

/// Whether merging the bytes of `left` and `right` gives these two tokens again: no merge across
/// the border between them would have come before the merges that made them. Walks down the two
/// sides' splits, always the one that was merged last.
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
