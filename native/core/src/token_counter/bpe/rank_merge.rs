//! Byte-pair merging rank by rank: all pairs of the lowest rank in one round, as text that repeats
//! itself has many pairs of few ranks.

use crate::token_counter::bpe::block_merge::{LANES, Merged, lowest_of, next_bound, previous_bound};
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::cpu_features::by_machine;

const GROUPS: usize = 64;
/// Bytes that are merged at the most: their ranks and tokens fit the first-level cache.
pub const MAX_RANKED: usize = GROUPS * LANES - 1;

/// Working memory and the result.
pub struct RankMerge {
    /// Rank of the merge of the part that starts here with the next one.
    ranks: [[u32; LANES]; GROUPS],
    /// The token of the part that starts here.
    ids: [[u32; LANES]; GROUPS],
    /// The lowest of each group of ranks.
    lowest: [u32; GROUPS],
    /// Bit i: a part starts at byte i, or i is the end or behind it.
    bounds: [u64; GROUPS],
    /// Bit per group: some of its ranks have changed.
    changed: u64,
}

impl RankMerge {
    pub fn new() -> Box<Self> {
        Box::new(Self {
            ranks: [[NONE; LANES]; GROUPS],
            ids: [[0; LANES]; GROUPS],
            lowest: [NONE; GROUPS],
            bounds: [u64::MAX; GROUPS],
            changed: 0,
        })
    }

    /// Merges the bytes of `text` from `start` to `end`, from one to [`MAX_RANKED`]. `None` if that
    /// takes more than so many rounds.
    pub fn merge(&mut self, vocabulary: &Vocabulary, text: &[u8], (start, end): (usize, usize), rounds: usize) -> Option<Merged<'_>> {
        let bytes = &text[start..end];
        // SAFETY: safe code but for the processor's instructions.
        let is_done = unsafe { merge_ranks(vocabulary, bytes, self, rounds) };
        is_done.then_some(Merged { start, len: bytes.len(), bounds: &self.bounds, ids: self.ids.as_flattened() })
    }

    /// One part for every byte.
    #[inline(always)]
    fn set(&mut self, vocabulary: &Vocabulary, bytes: &[u8]) {
        let len = bytes.len();
        let (ranks, ids) = (self.ranks.as_flattened_mut(), self.ids.as_flattened_mut());
        for ((rank, id), pair) in ranks.iter_mut().zip(ids.iter_mut()).zip(bytes.windows(2)) {
            *rank = vocabulary.pair(pair[0], pair[1]);
            *id = vocabulary.byte_ids[usize::from(pair[0])];
        }
        ids[len - 1] = vocabulary.byte_ids[usize::from(bytes[len - 1])];
        ranks[len - 1..len.next_multiple_of(LANES)].fill(NONE);
        self.lowest.fill(NONE);
        for (lowest, group) in self.lowest.iter_mut().zip(&self.ranks).take(len.div_ceil(LANES)) {
            *lowest = lowest_of(group);
        }
        self.bounds.fill(u64::MAX);
    }

    /// Merges the pairs of a rank, the lowest, from the left, up to the first that makes pairs of
    /// lower ranks, and those.
    #[inline(always)]
    fn join_all(&mut self, vocabulary: &Vocabulary, rank: u32, len: usize) {
        let is_early = vocabulary.is_early(rank);
        let mut groups = equal(&self.lowest, rank);
        while groups != 0 {
            let group = groups.trailing_zeros() as usize;
            groups &= groups - 1;
            let mut lanes = equal(&self.ranks[group], rank);
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                // What the pair before has taken has no rank any more.
                if self.ranks[group][lane] != rank {
                    continue;
                }
                let (mut lowest, mut at) = self.join(vocabulary, group * LANES + lane, rank, len);
                if is_early && lowest < rank {
                    let mut last = rank;
                    // All others are no lower than what was merged last.
                    while lowest < last {
                        last = lowest;
                        (lowest, at) = self.join(vocabulary, at, last, len);
                    }
                    return;
                }
            }
        }
    }

    /// Does a merge. Returns the lower one of the two ranks that it makes possible, and where.
    #[inline(always)]
    fn join(&mut self, vocabulary: &Vocabulary, at: usize, rank: u32, len: usize) -> (u32, usize) {
        let middle = next_bound(&self.bounds, at);
        self.bounds[middle / LANES] ^= 1 << (middle % LANES);
        let end = next_bound(&self.bounds, at);
        let (ranks, ids) = (self.ranks.as_flattened_mut(), self.ids.as_flattened_mut());
        ranks[middle] = NONE;
        ids[at] = rank;
        ranks[at] = if end < len { vocabulary.joined(rank, ids[end]) } else { NONE };
        self.changed |= 1 << (at / LANES) | 1 << (middle / LANES);
        if at == 0 {
            return (ranks[at], at);
        }
        let left = previous_bound(&self.bounds, at);
        ranks[left] = vocabulary.joined(ids[left], rank);
        self.changed |= 1 << (left / LANES);
        if ranks[left] <= ranks[at] { (ranks[left], left) } else { (ranks[at], at) }
    }
}

/// Bit i: lane i has the value.
#[inline(always)]
fn equal(lanes: &[u32; LANES], value: u32) -> u64 {
    let mut bytes = [0; LANES];
    for (byte, lane) in bytes.iter_mut().zip(lanes) {
        *byte = u8::from(*lane == value);
    }
    let mut bits = 0;
    for (at, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        // Gathers the lowest bit of each byte in the highest byte.
        bits |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8);
    }
    bits
}

by_machine! {
/// # Safety
/// None beside the processor's.
unsafe fn merge_ranks(vocabulary: &Vocabulary, bytes: &[u8], merge: &mut RankMerge, rounds: usize) -> bool {
    merge.set(vocabulary, bytes);
    for _ in 0..rounds {
        let rank = lowest_of(&merge.lowest);
        if rank == NONE {
            return true;
        }
        merge.join_all(vocabulary, rank, bytes.len());
        let mut changed = std::mem::take(&mut merge.changed);
        while changed != 0 {
            let group = changed.trailing_zeros() as usize;
            changed &= changed - 1;
            merge.lowest[group] = lowest_of(&merge.ranks[group]);
        }
    }
    false
}
}
