//! Byte-pair merging of blocks of some hundred bytes, several in turns, a merge each.
//! The lowest rank is kept for each 64 positions, and searched again only where a merge was.

use crate::token_counter::bpe::merge_table::Join;
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::cpu_features::by_machine;

pub const LANES: usize = 64;
const POSITION_BITS: u32 = 12;
const NO_MERGE: u32 = 1 << 31;

/// Some bytes of a text, merged as if they stood alone.
#[derive(Clone, Copy)]
pub struct Merged<'a> {
    /// Where they start.
    pub start: usize,
    pub len: usize,
    /// Bit i: a token starts at byte i; one more at `len`.
    pub bounds: &'a [u64],
    /// The token that starts at each of them.
    pub ids: &'a [u32],
}

impl Merged<'_> {
    /// Whether [from, to) is one of the tokens, which may lie outside.
    #[inline(always)]
    pub fn has(&self, from: usize, to: usize) -> bool {
        from >= self.start && to <= self.start + self.len && {
            let [from, to] = [from, to].map(|at| at - self.start);
            self.bounds[from / LANES] >> (from % LANES) & 1 != 0 && next_bound(self.bounds, from) == to
        }
    }

    /// Appends the tokens from the one on that starts at `from`.
    #[inline(always)]
    pub fn push_from(&self, from: usize, tokens: &mut Vec<u32>) {
        let mut at = from - self.start;
        while at < self.len {
            tokens.push(self.ids[at]);
            at = next_bound(self.bounds, at);
        }
    }
}

/// The first bound behind `at`.
#[inline(always)]
pub fn next_bound(bounds: &[u64], at: usize) -> usize {
    let from = at + 1;
    let mut word = from / LANES;
    let mut bits = bounds[word] & u64::MAX << (from % LANES);
    while bits == 0 {
        word += 1;
        bits = bounds[word];
    }
    word * LANES + bits.trailing_zeros() as usize
}

/// The last bound before `at`, which is not the first one.
#[inline(always)]
pub fn previous_bound(bounds: &[u64], at: usize) -> usize {
    let to = at - 1;
    let mut word = to / LANES;
    let mut bits = bounds[word] & u64::MAX >> (LANES - 1 - to % LANES);
    while bits == 0 {
        word -= 1;
        bits = bounds[word];
    }
    word * LANES + bits.ilog2() as usize
}

/// A block of fewer than `GROUPS` times 64 bytes while it is merged.
pub struct Block<const GROUPS: usize> {
    /// Rank of the merge of the part that starts here with the next one, and this position in the
    /// low bits: the minimum is the leftmost lowest.
    merges: [[u32; LANES]; GROUPS],
    /// The token of the part that starts here.
    ids: [[u32; LANES]; GROUPS],
    /// The lowest of each group of merges.
    lowest: [u32; GROUPS],
    /// Bit i: a part starts at byte i, or i is the end or behind it.
    bounds: [u64; GROUPS],
    start: usize,
    len: usize,
    /// Parts there are.
    count: u32,
    /// What was merged last: where it starts, where its right part started, and where the part
    /// before it starts.
    at: usize,
    middle: usize,
    left: usize,
    at_join: Join,
    left_join: Join,
}

impl<const GROUPS: usize> Block<GROUPS> {
    /// Bytes it takes at the most.
    pub const MOST: usize = GROUPS * LANES - 1;

    pub fn new(vocabulary: &Vocabulary) -> Self {
        Self {
            merges: [[NONE; LANES]; GROUPS],
            ids: [[0; LANES]; GROUPS],
            lowest: [NONE; GROUPS],
            bounds: [u64::MAX; GROUPS],
            start: 0,
            len: 0,
            count: 0,
            at: 0,
            middle: 0,
            left: 0,
            at_join: vocabulary.no_join(),
            left_join: vocabulary.no_join(),
        }
    }

    pub fn merged(&self) -> Merged<'_> {
        Merged { start: self.start, len: self.len, bounds: &self.bounds, ids: self.ids.as_flattened() }
    }

    /// Tokens it was merged into.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// One part for every byte.
    ///
    /// # Safety
    /// `1 <= len <= MOST` bytes must be readable at `start` of `text`.
    #[inline(always)]
    unsafe fn set(&mut self, vocabulary: &Vocabulary, text: *const u8, start: usize, len: usize) {
        debug_assert!((1..=Self::MOST).contains(&len));
        let merges = self.merges.as_flattened_mut();
        let ids = self.ids.as_flattened_mut();
        // SAFETY: the caller's.
        unsafe {
            let at = text.add(start);
            let mut byte = *at;
            for position in 0..len - 1 {
                let next = *at.add(position + 1);
                *merges.get_unchecked_mut(position) = packed(vocabulary.pair(byte, next), position);
                *ids.get_unchecked_mut(position) = vocabulary.byte_ids[usize::from(byte)];
                byte = next;
            }
            *ids.get_unchecked_mut(len - 1) = vocabulary.byte_ids[usize::from(byte)];
        }
        merges[len - 1..len.next_multiple_of(LANES)].fill(NONE);
        self.lowest.fill(NONE);
        for (lowest, group) in self.lowest.iter_mut().zip(&self.merges).take(len.div_ceil(LANES)) {
            *lowest = lowest_of(group);
        }
        self.bounds.fill(u64::MAX);
        (self.start, self.len, self.count) = (start, len, len as u32);
        // Nothing that waits to be taken in: what is behind the last part has no merge.
        [self.at, self.middle, self.left] = [len - 1; 3];
        [self.at_join, self.left_join] = [vocabulary.no_join(); 2];
    }

    /// Takes in the look-ups that were on their way, and returns the next merge.
    #[inline(always)]
    fn next_merge(&mut self, vocabulary: &Vocabulary) -> u32 {
        let at_merge = packed(vocabulary.end_join(self.at_join), self.at);
        let left_merge = packed(vocabulary.end_join(self.left_join), self.left);
        let [at, middle, left] = [self.at, self.middle, self.left].map(|position| position / LANES);
        // SAFETY: groups of positions below MOST.
        unsafe {
            // The lanes of these merges are not written yet: vectors that are read right behind a
            // write to a lane have to wait for it.
            let mut lowest = lowest_of(self.merges.get_unchecked(at)).min(at_merge);
            if left == at {
                lowest = lowest.min(left_merge);
            } else {
                *self.lowest.get_unchecked_mut(left) = lowest_of(self.merges.get_unchecked(left)).min(left_merge);
            }
            if middle != at {
                *self.lowest.get_unchecked_mut(middle) = lowest_of(self.merges.get_unchecked(middle));
            }
            *self.lowest.get_unchecked_mut(at) = lowest;
            // The left one first: where there is none it is the merged part itself.
            let merges = self.merges.as_flattened_mut();
            *merges.get_unchecked_mut(self.left) = left_merge;
            *merges.get_unchecked_mut(self.at) = at_merge;
        }
        self.lowest.iter().fold(NONE, |lowest, group| lowest.min(*group))
    }

    /// Does a merge, and begins the look-ups of those that it makes possible.
    #[inline(always)]
    fn join(&mut self, vocabulary: &Vocabulary, merge: u32) {
        let at = merge as usize & ((1 << POSITION_BITS) - 1);
        let id = merge >> POSITION_BITS;
        let middle = next_bound(&self.bounds, at);
        self.bounds[middle / LANES] ^= 1 << (middle % LANES);
        let end = next_bound(&self.bounds, at);
        let left = if at > 0 { previous_bound(&self.bounds, at) } else { at };
        self.count -= 1;
        (self.at, self.middle, self.left) = (at, middle, left);
        let merges = self.merges.as_flattened_mut();
        let ids = self.ids.as_flattened_mut();
        // SAFETY: all at or below `len`, which is at most MOST.
        unsafe {
            for gone in [at, middle, left] {
                *merges.get_unchecked_mut(gone) = NONE;
            }
            *ids.get_unchecked_mut(at) = id;
            self.at_join = vocabulary.begin_join(id, *ids.get_unchecked(end), end < self.len);
            self.left_join = vocabulary.begin_join(*ids.get_unchecked(left), id, at > 0);
        }
    }
}

#[inline(always)]
fn packed(id: u32, position: usize) -> u32 {
    id << POSITION_BITS | position as u32
}

#[inline(always)]
pub fn lowest_of(group: &[u32; LANES]) -> u32 {
    let mut lanes = [NONE; 16];
    for sixteen in group.chunks_exact(16) {
        for (lane, merge) in lanes.iter_mut().zip(sixteen) {
            *lane = (*lane).min(*merge);
        }
    }
    lanes.iter().fold(NONE, |lowest, lane| lowest.min(*lane))
}

by_machine! {
/// Merges bytes of `text`, from the first to the second of each pair on, in as many blocks.
///
/// # Safety
/// Each has at least a byte and at most MOST, and they are readable.
unsafe fn merge_all[const GROUPS: usize](vocabulary: &Vocabulary, text: *const u8, places: &[(usize, usize)], blocks: &mut [Block<GROUPS>]) -> () {
    let mut active = places.len();
    let mut which: [usize; TOGETHER] = std::array::from_fn(|turn| turn);
    for (block, (from, to)) in blocks.iter_mut().zip(places) {
        // SAFETY: the caller's.
        unsafe { block.set(vocabulary, text, *from, to - from) };
    }
    while active > 0 {
        let mut turn = 0;
        while turn < active {
            let block = &mut blocks[which[turn]];
            let merge = block.next_merge(vocabulary);
            if merge < NO_MERGE {
                block.join(vocabulary, merge);
                turn += 1;
            } else {
                active -= 1;
                which[turn] = which[active];
            }
        }
    }
}
}

/// Blocks that are merged in turns at the most.
pub const TOGETHER: usize = 12;

/// Merges bytes of `text`, from the first to the second of each pair on, in as many of the
/// `blocks`.
///
/// # Safety
/// At most `TOGETHER`, each with at least a byte and at most the blocks' MOST, readable, and as
/// many blocks.
pub unsafe fn merge_blocks<const GROUPS: usize>(
    vocabulary: &Vocabulary,
    text: *const u8,
    places: &[(usize, usize)],
    blocks: &mut [Block<GROUPS>],
) {
    // SAFETY: the caller's.
    unsafe { merge_all::<GROUPS>(vocabulary, text, places, blocks) }
}
