//! Merges pieces of any length in linear time: by backtracking, by ranks or by blocks. The
//! result is that of `merge.rs`; docs/design/tokenizer.md explains why overlapping blocks can be
//! joined.

use crate::token_counter::bpe::backtrack::{Backtrack, Tokens};
use crate::token_counter::bpe::block_merge::{Block, Merged, TOGETHER, merge_blocks};
use crate::token_counter::bpe::heap_merge::merge_any;
use crate::token_counter::bpe::rank_merge::{MAX_RANKED, RankMerge};
use crate::token_counter::bpe::vocabulary::Vocabulary;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Blocks of common text: 256 bytes each, of which a quarter is merged twice.
const SHORT: usize = 4;
const SHORT_OVERLAP: usize = Block::<SHORT>::MOST - 192;
/// Of bytes that are merged rank by rank; and bytes of which so many have one rank at the most,
/// where blocks that do not wait for each other take less time.
const RANKED_OVERLAP: usize = 288;
const FEW_RANKS: usize = 16;
/// Short blocks of the first round: fewer are in vain if they do not agree.
const FIRST_TOGETHER: usize = 3;
/// Rounds of a kind before it is looked whether a faster way is one again.
const ROUNDS: u32 = 8;
/// Text that repeats itself: tokens among which one cycle is sought, those that are tried as its
/// start, bytes at the end whose tokens may be others once the text goes on, and bytes ahead that
/// have to be the same.
const CYCLE_TOKENS: usize = 512;
const CYCLE_TRIES: usize = 32;
const CYCLE_MARGIN: usize = 256;
const CYCLE_BYTES: usize = 1024;

/// Longest piece of the last table.
pub const MAX_LARGE: usize = 312;
/// A block of a whole piece.
const WHOLE: usize = 8;
/// Pieces of at most this many bytes are merged in one block.
pub const MAX_BLOCK: usize = Block::<WHOLE>::MOST;
/// Pieces of up to [`MAX_BLOCK`] bytes that are merged together at the most.
pub const MAX_BLOCKS: usize = TOGETHER;

/// How the next bytes are merged.
#[derive(Clone, Copy)]
enum Way {
    Backtrack,
    /// By short blocks in turns.
    Short,
    /// By longer ones, rank by rank.
    Ranked,
}

/// Working memory, kept between calls.
#[derive(Default)]
pub struct LongMerge {
    tokens: Tokens,
    backtrack: Backtrack,
    whole: Vec<Block<WHOLE>>,
    short: Vec<Block<SHORT>>,
    ranked: Option<Box<RankMerge>>,
    /// Set when the caller has gone: the result is not used then.
    pub stop: Option<Arc<AtomicBool>>,
}

impl LongMerge {
    /// Merges `len` bytes and returns the ids.
    ///
    /// # Safety
    /// `len >= 1` bytes must be readable at `at`.
    pub unsafe fn merge(&mut self, vocabulary: &Vocabulary, at: *const u8, len: usize) -> &[u32] {
        self.tokens.ids.clear();
        self.tokens.end = 0;
        self.backtrack.start();
        let (mut way, mut left) = (Way::Backtrack, 0);
        // Not before: what a cache keeps has to be a result.
        while self.tokens.end < len && !(self.tokens.end > MAX_LARGE && self.is_stopped()) {
            // SAFETY: the caller's.
            let agreed = unsafe {
                match way {
                    Way::Backtrack => {
                        let goes_on = self.backtrack.extend(vocabulary, at, len, &mut self.tokens);
                        let text = std::slice::from_raw_parts(at, len);
                        if self.repeat_cycle(vocabulary, text) || goes_on {
                            continue;
                        }
                        if !self.extend_ranked(vocabulary, text, FEW_RANKS) {
                            (way, left) = (Way::Short, ROUNDS);
                        }
                        continue;
                    }
                    Way::Short => self.extend_short(vocabulary, at, len, if left == ROUNDS { FIRST_TOGETHER } else { TOGETHER }),
                    Way::Ranked => self.extend_ranked(vocabulary, std::slice::from_raw_parts(at, len), 1),
                }
            };
            // SAFETY: the caller's.
            let is_repeated = self.repeat_cycle(vocabulary, unsafe { std::slice::from_raw_parts(at, len) });
            left -= 1;
            (way, left) = match way {
                _ if is_repeated => (Way::Backtrack, 0),
                Way::Short if !agreed => (Way::Ranked, ROUNDS),
                _ if left == 0 => (Way::Backtrack, 0),
                _ => (way, left),
            };
        }
        &self.tokens.ids
    }

    /// Counts the tokens of pieces of up to `MAX_BLOCK` bytes, from the first to the second of each
    /// pair on.
    ///
    /// # Safety
    /// At most `MAX_BLOCKS`, each with at least a byte, readable in `text`; as many `counts`.
    pub unsafe fn count_blocks(&mut self, vocabulary: &Vocabulary, text: *const u8, pieces: &[(usize, usize)], counts: &mut [u32]) {
        self.whole.resize_with(self.whole.len().max(pieces.len()), || Block::new(vocabulary));
        // SAFETY: the caller's.
        unsafe { merge_blocks(vocabulary, text, pieces, &mut self.whole) };
        for (count, block) in counts.iter_mut().zip(&self.whole).take(pieces.len()) {
            *count = block.count();
        }
    }

    /// Gives memory back that one huge piece has needed.
    pub fn shrink(&mut self, above: usize) {
        if self.tokens.ids.capacity() * size_of::<u32>() > above {
            (self.tokens, self.backtrack) = Default::default();
        }
    }

    /// Whether the caller has gone.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Where the text goes on as it did between two ends of the same token, so do the tokens: each
    /// two neighbours stay what they are. Whether it does for long.
    fn repeat_cycle(&mut self, vocabulary: &Vocabulary, text: &[u8]) -> bool {
        let Tokens { ids, end } = &mut self.tokens;
        let (mut to, mut kept) = (*end, ids.len());
        while kept > 1 && *end - to < CYCLE_MARGIN {
            kept -= 1;
            to -= vocabulary.token_len(ids[kept]);
        }
        let ahead = &text[to..];
        let (Some(last), Some(next)) = (kept.checked_sub(1), ahead.get(..CYCLE_BYTES)) else {
            return false;
        };
        let (mut from, mut tries) = (to, CYCLE_TRIES);
        for first in (last.saturating_sub(CYCLE_TOKENS)..last).rev() {
            from -= vocabulary.token_len(ids[first + 1]);
            if ids[first] != ids[last] {
                continue;
            }
            if text[from..from + CYCLE_BYTES] != *next {
                tries -= 1;
                if tries == 0 {
                    return false;
                }
                continue;
            }
            let same = ahead.chunks_exact(64).zip(text[from..].chunks_exact(64)).take_while(|(one, other)| one == other);
            let times = same.count() * 64 / (to - from);
            let is_further = to + times * (to - from) > *end;
            if is_further {
                ids.truncate(kept);
                (0..times).for_each(|_| ids.extend_from_within(first + 1..kept));
                *end = to + times * (to - from);
            }
            return is_further;
        }
        false
    }

    /// By a round of short blocks; whether all of them agreed. Where they did not, the next bytes
    /// are merged rank by rank.
    ///
    /// # Safety
    /// As for `merge`; at most `TOGETHER` blocks.
    unsafe fn extend_short(&mut self, vocabulary: &Vocabulary, at: *const u8, len: usize, together: usize) -> bool {
        let (mut from, first_len) = self.bound_before(vocabulary, SHORT_OVERLAP);
        // In a run that has come to repeat itself, blocks that far apart begin where tokens do.
        let most = Block::<SHORT>::MOST;
        let stride = most - SHORT_OVERLAP - (most - SHORT_OVERLAP) % first_len;
        let mut places = [(0, 0); TOGETHER];
        let mut count = 0;
        while count < together {
            let to = len.min(from + most);
            places[count] = (from, to);
            count += 1;
            if to == len {
                break;
            }
            from += stride;
        }
        let mut blocks = std::mem::take(&mut self.short);
        blocks.resize_with(blocks.len().max(count), || Block::new(vocabulary));
        // SAFETY: the caller's.
        unsafe { merge_blocks(vocabulary, at, &places[..count], &mut blocks) };
        let agreed = blocks[..count].iter().all(|block| self.append(vocabulary, block.merged()));
        self.short = blocks;
        if !agreed {
            // SAFETY: the caller's.
            self.extend_ranked(vocabulary, unsafe { std::slice::from_raw_parts(at, len) }, 1);
        }
        agreed
    }

    /// By some kilobytes that begin where a token does, rank by rank, or if they do not agree by
    /// any number; `false` where they have more ranks than one in `bytes_per_rank`.
    fn extend_ranked(&mut self, vocabulary: &Vocabulary, text: &[u8], bytes_per_rank: usize) -> bool {
        let (from, _) = self.bound_before(vocabulary, RANKED_OVERLAP);
        let to = text.len().min(from + MAX_RANKED);
        let mut ranked = self.ranked.take().unwrap_or_else(RankMerge::new);
        let merged = ranked.merge(vocabulary, text, (from, to), (to - from) / bytes_per_rank + 1);
        let agreed = merged.map(|merged| self.append(vocabulary, merged));
        self.ranked = Some(ranked);
        if agreed == Some(false) {
            self.extend_any(vocabulary, text);
        }
        agreed.is_some()
    }

    /// By a block without a bound to its length: where what is merged last depends on what is far
    /// behind, as in a chain of ever lower ranks.
    fn extend_any(&mut self, vocabulary: &Vocabulary, text: &[u8]) {
        let (mut most, mut overlap) = (MAX_RANKED, RANKED_OVERLAP);
        loop {
            (most, overlap) = (most * 4, overlap * 4);
            let (from, _) = self.bound_before(vocabulary, overlap);
            let to = text.len().min(from + most);
            let (bounds, ids) = merge_any(vocabulary, &text[from..to]);
            if self.append(vocabulary, Merged { start: from, len: to - from, bounds: &bounds, ids: &ids }) {
                return;
            }
        }
    }

    /// Where the token starts that has at least `overlap` bytes before `end` behind its start, or
    /// the piece; and its length.
    fn bound_before(&self, vocabulary: &Vocabulary, overlap: usize) -> (usize, usize) {
        let mut bound = self.tokens.end;
        let mut token_len = 1;
        for token in self.tokens.ids.iter().rev() {
            if self.tokens.end - bound >= overlap {
                break;
            }
            token_len = vocabulary.token_len(*token);
            bound -= token_len;
        }
        (bound, token_len)
    }

    /// Goes on with the tokens of a block from the last token on that both have; `false` if there
    /// is none.
    fn append(&mut self, vocabulary: &Vocabulary, block: Merged) -> bool {
        let mut to = self.tokens.end;
        let mut kept = self.tokens.ids.len();
        if block.start == 0 {
            (to, kept) = (0, 0);
        } else {
            loop {
                kept = match kept.checked_sub(1) {
                    Some(kept) => kept,
                    None => return false,
                };
                let from = to - vocabulary.token_len(self.tokens.ids[kept]);
                if from < block.start {
                    return false;
                }
                if block.has(from, to) {
                    to = from;
                    break;
                }
                to = from;
            }
        }
        self.tokens.ids.truncate(kept);
        block.push_from(to, &mut self.tokens.ids);
        self.tokens.end = block.start + block.len;
        true
    }
}
