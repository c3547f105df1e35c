//! The vocabulary of an encoding: bytes to id and back, built once per process and then only read,
//! by all threads.

use crate::runtime::huge_pages::{HUGE_PAGE, HugeSlice};
use crate::runtime::prefetch::prefetch;
use crate::token_counter::bpe::filter::Filter;
use crate::token_counter::bpe::key::Key;
use crate::token_counter::bpe::lengths::{Lengths, finish, step};
pub use crate::token_counter::bpe::lengths::{MAX_LONG, MAX_SHORT};
use std::collections::HashMap;

/// No token.
pub const NONE: u32 = u32::MAX;
const SLOTS_PER_LINE: usize = 4;
const ID_SHIFT: u32 = 44;
/// Of the three ids of each token.
pub const DERIVED_BYTES: usize = 12;

/// Tables over one packed vocabulary (the build script tells the layout).
pub struct Vocabulary {
    /// Where each token's bytes start in `bytes`; one more for the end.
    offsets: Vec<u32>,
    /// Of each token, and so nearer than two offsets.
    lengths: &'static [u8],
    bytes: &'static [u8],
    /// Three ids for each token, see `split` and `prefix`.
    derived: &'static [u8],
    /// The bitmap of `cuts.rs`.
    pub spanned: &'static [u8],
    /// Tokens of one byte.
    pub byte_ids: [u32; 256],
    /// Tokens of 3 to 13 bytes, four slots to a line, the next line when one is full; behind those
    /// `lines`, those of `joins.rs`, then `Fixed`.
    memory: HugeSlice<Line>,
    lines: usize,
    /// Lines of `joins.rs`; the one behind them stays empty.
    pub(crate) join_lines: usize,
    /// Longer tokens: ids plus one, open addressing.
    pub(crate) long: Vec<u32>,
    /// Ids and lengths of tokens above [`MAX_LONG`] bytes, which only merging finds, and of those in
    /// `whole`.
    longer: Vec<(u32, u32)>,
    /// Tokens that merging their bytes does not make: a piece is one as a whole.
    whole: HashMap<Vec<u8>, u32>,
    /// Bit per token: one of the merges that make it comes before one that makes a part of it.
    /// Empty if there is none.
    irregular: Vec<u64>,
    /// Bit per token: it is a part of one of a lower id.
    early: Vec<u64>,
}

/// Two tokens that make one of more than [`MAX_LONG`] bytes.
#[derive(Clone, Copy)]
pub struct LongMerge {
    pub left: u32,
    pub right: u32,
    pub made: u32,
    pub length: u32,
}

/// In front of [`Vocabulary::joined`]: 2^20 bits, as what is left of the tables' last huge page
/// holds them.
type JoinFilter = Filter<{ (1 << 20) / 64 }, 24>;

/// Lines for the joins of so many tokens: four to each, so that one in twenty is full and the next
/// one has to be looked at as well. With fewer to a line, o200k's tables take one more huge page.
fn lines_for(tokens: usize) -> usize {
    tokens / 4 + 1
}

/// Lines for so many tokens of 3 to 13 bytes: three to each on average, so that slots stay free, or
/// fewer: what the tables' last huge page has left is theirs.
fn short_lines_for(tokens: usize, join_lines: usize) -> usize {
    let lines = tokens / 3 + 1;
    let bytes = (lines + join_lines + 1) * size_of::<Line>() + size_of::<Fixed>();
    lines + (bytes.next_multiple_of(HUGE_PAGE) - bytes) / size_of::<Line>()
}

/// Four slots, a cache line.
pub(crate) type Line = [u64; 2 * SLOTS_PER_LINE];

/// The tables whose size does not depend on the vocabulary, on the same huge pages.
pub(crate) struct Fixed {
    /// Tokens of two bytes, by both; `NONE` where there is none.
    pub(crate) pairs: [u32; 1 << 16],
    /// Of short tokens, so that most misses end in the second-level cache.
    filter: Filter<{ (1 << FILTER_BITS) / 64 }, 19>,
    /// Of two tokens that make one.
    pub(crate) join_filter: JoinFilter,
    /// Which lengths tokens may have, for [`Vocabulary::longest`].
    pub(crate) lengths: Lengths,
}

const FILTER_BITS: u32 = 21;
/// So many tokens before one is inserted, its cache lines are asked for.
const INSERT_AHEAD: u32 = 12;

impl Vocabulary {
    /// Reads a packed vocabulary.
    pub fn new(packed: &'static [u8]) -> Self {
        let (count, rest) = packed.split_at(4);
        let count = u32::from_le_bytes([count[0], count[1], count[2], count[3]]) as usize;
        let (lengths, rest) = rest.split_at(count);
        let mut offsets = Vec::with_capacity(count + 1);
        let mut end = 0u32;
        offsets.push(0);
        for length in lengths {
            end += u32::from(*length);
            offsets.push(end);
        }
        let (bytes, rest) = rest.split_at(end as usize);
        let (derived, spanned) = rest.split_at(count * DERIVED_BYTES);

        let short_count = lengths.iter().filter(|len| (3..=MAX_SHORT as u8).contains(len)).count();
        let long_count = lengths.iter().filter(|len| **len > MAX_SHORT as u8).count();
        let lines = short_lines_for(short_count, lines_for(count));
        let mut vocabulary = Self {
            offsets,
            lengths,
            bytes,
            derived,
            spanned,
            byte_ids: [NONE; 256],
            memory: HugeSlice::new(lines + lines_for(count) + 1 + size_of::<Fixed>() / size_of::<Line>()),
            lines,
            join_lines: lines_for(count),
            long: vec![0; (long_count * 3).next_power_of_two()],
            longer: Vec::new(),
            whole: HashMap::new(),
            irregular: Vec::new(),
            early: Vec::new(),
        };
        vocabulary.fixed_mut().pairs.fill(NONE);
        for id in 0..count as u32 {
            vocabulary.prefetch_insert(id + INSERT_AHEAD);
            vocabulary.insert(id);
        }
        vocabulary.find_irregular();
        vocabulary
    }

    /// The same with tokens of more than [`MAX_LONG`] bytes, and those that merges do not make.
    pub fn with_others(packed: &'static [u8], merges: &[LongMerge], whole: Vec<(u32, Vec<u8>)>) -> Self {
        let mut vocabulary = Self::new(packed);
        vocabulary.longer.extend(whole.iter().map(|(id, bytes)| (*id, bytes.len() as u32)));
        vocabulary.whole = whole.into_iter().map(|(id, bytes)| (bytes, id)).collect();
        for merge in merges {
            vocabulary.insert_join(merge.left, merge.right, merge.made);
            vocabulary.mark_early(merge);
            vocabulary.longer.push((merge.made, merge.length));
        }
        vocabulary
    }

    /// Parts of a longer token that come after it.
    fn mark_early(&mut self, merge: &LongMerge) {
        for part in [merge.left, merge.right].into_iter().filter(|part| *part > merge.made) {
            self.early.resize(self.len().div_ceil(64), 0);
            self.early[part as usize / 64] |= 1 << (part % 64);
        }
    }

    fn find_irregular(&mut self) {
        let words = self.len().div_ceil(64);
        let (mut irregular, mut early) = (vec![0u64; words], vec![0u64; words]);
        let mut is_any = false;
        let is_set = |bits: &[u64], id: u32| bits[id as usize / 64] >> (id % 64) & 1 != 0;
        for id in (0..self.len() as u32).filter(|id| self.lengths[*id as usize] > 1) {
            let (left, right) = self.split(id);
            for part in [left, right] {
                if part > id {
                    early[part as usize / 64] |= 1 << (part % 64);
                }
                if part > id || is_set(&irregular, part) {
                    irregular[id as usize / 64] |= 1 << (id % 64);
                    is_any = true;
                }
            }
        }
        if is_any {
            (self.irregular, self.early) = (irregular, early);
        }
    }

    /// Whether a token is made by merges that are not in the order of their ranks.
    #[inline(always)]
    pub fn is_irregular(&self, id: u32) -> bool {
        self.irregular.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    /// Whether a token may merge at a lower rank than its own.
    #[inline(always)]
    pub fn is_early(&self, id: u32) -> bool {
        self.early.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    /// Bytes that no token exceeds.
    pub fn longest_token(&self) -> usize {
        self.longer.iter().fold(MAX_LONG, |most, (_, length)| most.max(*length as usize))
    }

    #[inline(always)]
    pub(crate) fn fixed(&self) -> &Fixed {
        // SAFETY: `new` made room for it behind all lines; it is plain integers, zeroed, and needs
        // no more alignment than a line has.
        unsafe { &*self.joins().add(self.join_lines + 1).cast::<Fixed>() }
    }

    pub(crate) fn fixed_mut(&mut self) -> &mut Fixed {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { &mut *self.joins_mut().add(self.join_lines + 1).cast::<Fixed>() }
    }

    #[inline(always)]
    pub(crate) fn joins(&self) -> *const Line {
        // SAFETY: inside the memory.
        unsafe { self.memory.as_ptr().add(self.lines) }
    }

    #[inline(always)]
    pub(crate) fn joins_mut(&mut self) -> *mut Line {
        // SAFETY: inside the memory.
        unsafe { self.memory.as_mut_ptr().add(self.lines) }
    }

    fn insert(&mut self, id: u32) {
        let token = self.token(id).unwrap_or(&[]);
        let len = token.len();
        match token {
            [] => {}
            [byte] => self.byte_ids[usize::from(*byte)] = id,
            [first, second] => self.fixed_mut().pairs[usize::from(u16::from_le_bytes([*first, *second]))] = id,
            _ if len <= MAX_SHORT => self.insert_short(id),
            _ => {
                let mut at = finish(token.iter().fold(0, |hash, byte| step(hash, *byte))) as usize & (self.long.len() - 1);
                while self.long[at] != 0 {
                    at = (at + 1) & (self.long.len() - 1);
                }
                self.long[at] = id + 1;
            }
        }
        if len > 1 {
            let (left, right) = self.split(id);
            self.insert_join(left, right, id);
        }
        self.fixed_mut().lengths.insert(token);
    }

    /// Asks for the cache lines that `insert` writes to.
    #[inline(always)]
    fn prefetch_insert(&self, id: u32) {
        let Some(token) = self.token(id) else {
            return;
        };
        if (3..=MAX_SHORT).contains(&token.len()) {
            self.prefetch(self.key_of(token));
        }
        self.prefetch_join(id);
    }

    /// The key of a token of at most 13 bytes.
    #[inline(always)]
    fn key_of(&self, token: &[u8]) -> Key {
        debug_assert!(token.len() <= MAX_SHORT && self.derived.len() >= 16);
        // SAFETY: a token is a part of the packed vocabulary, in which more than 16 bytes come
        // behind the last of them.
        unsafe { Key::read(token.as_ptr(), token.len()) }
    }

    fn insert_short(&mut self, id: u32) {
        let token = self.token(id).unwrap_or(&[]);
        let key = self.key_of(token);
        let tag = key.high | (token.len() as u64) << 40;
        let hash = key.hash();
        self.fixed_mut().filter.insert(hash);
        let mut line = self.line_of(hash);
        loop {
            let slots = &mut self.memory[line];
            if let Some(free) = (0..SLOTS_PER_LINE).find(|slot| slots[slot * 2 + 1] == 0) {
                slots[free * 2] = key.low;
                slots[free * 2 + 1] = tag | u64::from(id) << ID_SHIFT;
                return;
            }
            line = if line + 1 < self.lines { line + 1 } else { 0 };
        }
    }

    #[inline(always)]
    fn line_of(&self, hash: u64) -> usize {
        (((hash >> 32) * self.lines as u64) >> 32) as usize
    }

    /// Number of ids, special tokens not among them.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The bytes of a token.
    pub fn token(&self, id: u32) -> Option<&'static [u8]> {
        let bounds = self.offsets.get(id as usize..id as usize + 2)?;
        (bounds[0] != bounds[1]).then(|| &self.bytes[bounds[0] as usize..bounds[1] as usize])
    }

    /// Writes a token that exists to `target[at..]`, and returns where it ends. A short one is
    /// copied by its register-full: what follows it is overwritten.
    #[inline(always)]
    pub fn write_token(&self, id: u32, target: &mut [u8], at: usize) -> usize {
        const FULL: usize = 16;
        let start = self.offsets[id as usize] as usize;
        let len = self.token_len(id);
        match (self.bytes.get(start..start + FULL), target.get_mut(at..at + FULL)) {
            (Some(from), Some(to)) if len <= FULL => to.copy_from_slice(from),
            _ => target[at..at + len].copy_from_slice(&self.bytes[start..start + len]),
        }
        at + len
    }

    /// Length of a token that exists.
    #[inline(always)]
    pub fn token_len(&self, id: u32) -> usize {
        match self.lengths[id as usize] {
            0 => self.longer_len(id),
            len => usize::from(len),
        }
    }

    #[cold]
    fn longer_len(&self, id: u32) -> usize {
        self.longer.iter().find(|(longer, _)| *longer == id).map_or(0, |(_, length)| *length as usize)
    }

    /// The two tokens whose merge makes this one; twice the same id for a single byte.
    #[inline(always)]
    pub fn split(&self, id: u32) -> (u32, u32) {
        (self.derived(id, 0), self.derived(id, 1))
    }

    /// The longest other token that this one begins with; itself for a single byte.
    #[inline(always)]
    pub fn prefix(&self, id: u32) -> u32 {
        self.derived(id, 2)
    }

    #[inline(always)]
    fn derived(&self, id: u32, which: usize) -> u32 {
        let at = id as usize * DERIVED_BYTES + which * 4;
        u32::from_le_bytes([self.derived[at], self.derived[at + 1], self.derived[at + 2], self.derived[at + 3]])
    }

    /// The token of two bytes.
    #[inline(always)]
    pub fn pair(&self, first: u8, second: u8) -> u32 {
        // SAFETY: the table has 2^16 entries.
        unsafe { *self.fixed().pairs.get_unchecked(usize::from(u16::from_le_bytes([first, second]))) }
    }

    /// Asks for what tells how a token was made, and what it begins with.
    #[inline(always)]
    pub fn prefetch_derived(&self, id: u32) {
        prefetch(self.derived.as_ptr().wrapping_add(id as usize * DERIVED_BYTES));
    }

    /// The token of `len` bytes at `at`, or `NONE`.
    ///
    /// # Safety
    /// `len >= 1` bytes, and 16 bytes, must be readable at `at`.
    #[inline(always)]
    pub unsafe fn find(&self, at: *const u8, len: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe {
            match len {
                1 => self.byte_ids[usize::from(*at)],
                2 => self.pair(*at, *at.add(1)),
                3..=MAX_SHORT => self.find_short(Key::read(at, len), len),
                _ => self.find_long(std::slice::from_raw_parts(at, len)),
            }
        }
    }

    /// The token that a piece is as a whole, though merging its bytes does not make it, or `NONE`.
    #[inline(always)]
    pub fn find_whole(&self, piece: &[u8]) -> u32 {
        if self.whole.is_empty() { NONE } else { self.whole.get(piece).copied().unwrap_or(NONE) }
    }

    /// Whether a piece of more than [`MAX_SHORT`] bytes is a token.
    #[inline(always)]
    pub fn is_long_token(&self, piece: &[u8]) -> bool {
        self.find_long(piece) != NONE || self.find_whole(piece) != NONE
    }

    /// Tokens that merging their bytes does not make.
    pub fn whole_tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.whole.keys().map(Vec::as_slice)
    }

    /// The token of 3 to 13 bytes with this key, or `NONE`.
    #[inline(always)]
    pub fn find_short(&self, key: Key, len: usize) -> u32 {
        let hash = key.hash();
        if !self.fixed().filter.may_have(hash) {
            return NONE;
        }
        let tag = key.high | (len as u64) << 40;
        let mut line = self.line_of(hash);
        loop {
            // SAFETY: `line_of` and the end of the loop keep it inside the table.
            let slots = unsafe { self.memory.get_unchecked(line) };
            // All four at once: which one it is cannot be predicted.
            let differs = |slot: usize| (slots[slot * 2] ^ key.low) | (slots[slot * 2 + 1] ^ tag) << (64 - ID_SHIFT);
            let found = (0..SLOTS_PER_LINE).fold(0u32, |found, slot| found | u32::from(differs(slot) == 0) << slot);
            if found != 0 {
                let slot = found.trailing_zeros() as usize & (SLOTS_PER_LINE - 1);
                return (slots[slot * 2 + 1] >> ID_SHIFT) as u32;
            }
            if slots[SLOTS_PER_LINE * 2 - 1] == 0 {
                return NONE;
            }
            line = if line + 1 < self.lines { line + 1 } else { 0 };
        }
    }

    /// Asks for the cache lines that `find_short` would read.
    #[inline(always)]
    pub fn prefetch(&self, key: Key) {
        let hash = key.hash();
        self.fixed().filter.prefetch(hash);
        prefetch(&raw const self.memory[self.line_of(hash)]);
    }
}
