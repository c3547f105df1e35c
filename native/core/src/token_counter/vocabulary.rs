//! The vocabulary of an encoding: bytes to id and back, built once per process and then only read, by all threads.

use super::huge_pages::HugeSlice;
use super::key::Key;
use super::machine::prefetch;
use std::mem::MaybeUninit;

/// No token.
pub const NONE: u32 = u32::MAX;
/// Longest token of the main table. A slot is 16 bytes: 13 of the token, 4 bits of length, 20 of id.
pub const MAX_SHORT: usize = 13;
/// Longest token there is.
pub const MAX_LONG: usize = 128;
const SLOTS_PER_LINE: usize = 4;
const ID_SHIFT: u32 = 44;

/// Tables over one packed vocabulary (the build script tells the layout).
pub struct Vocabulary {
    /// Where each token's bytes start in `bytes`; one more for the end.
    offsets: Vec<u32>,
    bytes: &'static [u8],
    splits: &'static [u8],
    /// The bitmap of `cuts.rs`.
    pub spanned: &'static [u8],
    /// Tokens of one byte.
    pub byte_ids: [u32; 256],
    /// Tokens of two bytes, by both; `NONE` where there is none.
    pairs: HugeSlice<u32>,
    /// Tokens of 3 to 13 bytes, four slots to a cache line, the next line when one is full.
    short: HugeSlice<[u64; 8]>,
    /// One bit for each hash in `short`, so that most misses end in the second-level cache.
    filter: HugeSlice<u64>,
    /// Longer tokens: ids plus one, open addressing.
    long: Vec<u32>,
    /// By the hash of three bytes: which lengths from 3 to 13 tokens that begin so have (bit = length), and bit 14 for longer ones.
    short_lengths: Vec<u16>,
    /// The same for the longer ones, by the hash of eight bytes; bit = length - 1.
    long_lengths: Vec<u128>,
}

const FILTER_BITS: u32 = 21;
const SHORT_LENGTHS_BITS: u32 = 16;
const LONG_LENGTHS_BITS: u32 = 13;
const HAS_LONG: u16 = 1 << 14;

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
        let (splits, spanned) = rest.split_at(count * 8);

        let short_count = lengths.iter().filter(|len| (3..=MAX_SHORT as u8).contains(len)).count();
        let long_count = lengths.iter().filter(|len| **len > MAX_SHORT as u8).count();
        let lines = (short_count * 4 / 3 / SLOTS_PER_LINE).next_power_of_two();
        let mut vocabulary = Self {
            offsets,
            bytes,
            splits,
            spanned,
            byte_ids: [NONE; 256],
            pairs: HugeSlice::new(1 << 16),
            short: HugeSlice::new(lines),
            filter: HugeSlice::new((1 << FILTER_BITS) / 64),
            long: vec![0; (long_count * 3).next_power_of_two()],
            short_lengths: vec![0; 1 << SHORT_LENGTHS_BITS],
            long_lengths: vec![0; 1 << LONG_LENGTHS_BITS],
        };
        vocabulary.pairs.fill(NONE);
        for id in 0..count as u32 {
            vocabulary.insert(id);
        }
        vocabulary
    }

    fn insert(&mut self, id: u32) {
        let token = self.token(id).unwrap_or(&[]);
        let len = token.len();
        match token {
            [] => return,
            [byte] => self.byte_ids[usize::from(*byte)] = id,
            [first, second] => self.pairs[usize::from(u16::from_le_bytes([*first, *second]))] = id,
            _ if len <= MAX_SHORT => self.insert_short(id),
            _ => {
                let mut at = finish(token.iter().fold(0, |hash, byte| step(hash, *byte))) as usize & (self.long.len() - 1);
                while self.long[at] != 0 {
                    at = (at + 1) & (self.long.len() - 1);
                }
                self.long[at] = id + 1;
            }
        }
        // A token that no merge makes is never part of a merged piece, only ever a whole one.
        if len >= 3 && self.split(id).is_some() {
            // SAFETY: three bytes, and eight where the token is longer than thirteen.
            unsafe {
                let lengths = &mut self.short_lengths[short_lengths_at(token.as_ptr())];
                if len <= MAX_SHORT {
                    *lengths |= 1 << len;
                } else {
                    *lengths |= HAS_LONG;
                    self.long_lengths[long_lengths_at(token.as_ptr())] |= 1 << (len - 1);
                }
            }
        }
    }

    fn insert_short(&mut self, id: u32) {
        let token = self.token(id).unwrap_or(&[]);
        let mut padded = [0u8; 16];
        padded[..token.len()].copy_from_slice(token);
        // SAFETY: 16 bytes, and the caller's length is at most 13.
        let key = unsafe { Key::read(padded.as_ptr(), token.len()) };
        let tag = key.high | (token.len() as u64) << 40;
        let hash = key.hash();
        let bit = filter_bit(hash);
        self.filter[bit / 64] |= 1 << (bit % 64);
        let mut line = self.line_of(hash);
        loop {
            let slots = &mut self.short[line];
            if let Some(free) = (0..SLOTS_PER_LINE).find(|slot| slots[slot * 2 + 1] == 0) {
                slots[free * 2] = key.low;
                slots[free * 2 + 1] = tag | u64::from(id) << ID_SHIFT;
                return;
            }
            line = (line + 1) & (self.short.len() - 1);
        }
    }

    #[inline(always)]
    fn line_of(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.short.len() - 1)
    }

    /// Number of ids, special tokens not among them.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The bytes of a token.
    pub fn token(&self, id: u32) -> Option<&'static [u8]> {
        let at = id as usize;
        if at >= self.len() || self.offsets[at] == self.offsets[at + 1] {
            return None;
        }
        Some(&self.bytes[self.offsets[at] as usize..self.offsets[at + 1] as usize])
    }

    /// Length of a token that exists.
    #[inline(always)]
    pub fn token_len(&self, id: u32) -> usize {
        (self.offsets[id as usize + 1] - self.offsets[id as usize]) as usize
    }

    /// The two tokens whose merge makes this one; twice the same id for a single byte; nothing for a token that no merge makes.
    #[inline(always)]
    pub fn split(&self, id: u32) -> Option<(u32, u32)> {
        let at = id as usize * 8;
        let part = |at: usize| u32::from_le_bytes([self.splits[at], self.splits[at + 1], self.splits[at + 2], self.splits[at + 3]]);
        let left = part(at);
        (left != NONE).then(|| (left, part(at + 4)))
    }

    /// The token of two bytes.
    #[inline(always)]
    pub fn pair(&self, first: u8, second: u8) -> u32 {
        // SAFETY: the table has 2^16 entries.
        unsafe { *self.pairs.get_unchecked(usize::from(u16::from_le_bytes([first, second]))) }
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

    /// The token of 3 to 13 bytes with this key, or `NONE`.
    #[inline(always)]
    pub fn find_short(&self, key: Key, len: usize) -> u32 {
        let hash = key.hash();
        if !self.may_have(hash) {
            return NONE;
        }
        let tag = key.high | (len as u64) << 40;
        let mut line = self.line_of(hash);
        loop {
            // SAFETY: `line_of` and the mask below keep it inside the table.
            let slots = unsafe { self.short.get_unchecked(line) };
            for slot in 0..SLOTS_PER_LINE {
                if slots[slot * 2] == key.low && (slots[slot * 2 + 1] ^ tag) << (64 - ID_SHIFT) == 0 {
                    return (slots[slot * 2 + 1] >> ID_SHIFT) as u32;
                }
            }
            if slots[SLOTS_PER_LINE * 2 - 1] == 0 {
                return NONE;
            }
            line = (line + 1) & (self.short.len() - 1);
        }
    }

    #[inline(always)]
    fn may_have(&self, hash: u64) -> bool {
        let bit = filter_bit(hash);
        // SAFETY: `filter_bit` is below 2^FILTER_BITS.
        unsafe { *self.filter.get_unchecked(bit / 64) >> (bit % 64) & 1 != 0 }
    }

    /// Asks for the cache lines that `find_short` would read.
    #[inline(always)]
    pub fn prefetch(&self, key: Key) {
        let hash = key.hash();
        prefetch(&raw const self.filter[filter_bit(hash) / 64]);
        prefetch(&raw const self.short[self.line_of(hash)]);
    }

    /// The token of more than 13 bytes, or `NONE`.
    pub fn find_long(&self, bytes: &[u8]) -> u32 {
        if bytes.len() > MAX_LONG {
            return NONE;
        }
        self.find_long_hashed(bytes, bytes.iter().fold(0, |hash, byte| step(hash, *byte)))
    }

    fn find_long_hashed(&self, bytes: &[u8], hash: u64) -> u32 {
        let mut at = finish(hash) as usize & (self.long.len() - 1);
        while self.long[at] != 0 {
            let id = self.long[at] - 1;
            if self.token(id) == Some(bytes) {
                return id;
            }
            at = (at + 1) & (self.long.len() - 1);
        }
        NONE
    }

    /// The longest token at `at` of at most `limit` bytes that merges can make.
    ///
    /// # Safety
    /// `limit >= 1` bytes, and 16 bytes, must be readable at `at`.
    pub unsafe fn longest(&self, at: *const u8, limit: usize) -> u32 {
        // SAFETY: the caller's, here and below: no look-up is longer than `limit`.
        unsafe {
            if limit >= 3 {
                let lengths = self.short_lengths[short_lengths_at(at)];
                if lengths & HAS_LONG != 0 && limit > MAX_SHORT {
                    let id = self.longest_long(at, limit, self.long_lengths[long_lengths_at(at)]);
                    if id != NONE {
                        return id;
                    }
                }
                let mut lengths = lengths & ((2 << limit.min(MAX_SHORT)) - 1);
                while lengths != 0 {
                    let len = lengths.ilog2() as usize;
                    let id = self.find_short(Key::read(at, len), len);
                    if id != NONE && self.split(id).is_some() {
                        return id;
                    }
                    lengths ^= 1 << len;
                }
            }
            if limit >= 2 {
                let id = self.pair(*at, *at.add(1));
                if id != NONE && self.split(id).is_some() {
                    return id;
                }
            }
            self.byte_ids[usize::from(*at)]
        }
    }

    /// `lengths` has bit `len - 1` for each length that may occur. All prefixes are hashed in one walk, so hostile text costs no more than its length.
    ///
    /// # Safety
    /// `limit` bytes must be readable at `at`.
    unsafe fn longest_long(&self, at: *const u8, limit: usize, lengths: u128) -> u32 {
        let mut lengths = if limit >= MAX_LONG { lengths } else { lengths & ((1 << limit) - 1) };
        if lengths == 0 {
            return NONE;
        }
        // SAFETY: no bit of `lengths` is above `limit`.
        let bytes = unsafe { std::slice::from_raw_parts(at, lengths.ilog2() as usize + 1) };
        let mut hashes = [const { MaybeUninit::uninit() }; MAX_LONG];
        let mut hash = 0;
        for (slot, byte) in hashes.iter_mut().zip(bytes) {
            hash = step(hash, *byte);
            slot.write(hash);
        }
        while lengths != 0 {
            let last = lengths.ilog2() as usize;
            // SAFETY: `last` is inside `bytes`, all of whose hashes were written.
            let id = self.find_long_hashed(&bytes[..=last], unsafe { hashes[last].assume_init() });
            if id != NONE && self.split(id).is_some() {
                return id;
            }
            lengths ^= 1 << last;
        }
        NONE
    }
}

#[inline(always)]
fn filter_bit(hash: u64) -> usize {
    (hash >> 19) as usize & ((1 << FILTER_BITS) - 1)
}

/// # Safety
/// Three bytes must be readable at `at`.
#[inline(always)]
unsafe fn short_lengths_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let start = unsafe { u32::from(*at) | u32::from(*at.add(1)) << 8 | u32::from(*at.add(2)) << 16 };
    (start.wrapping_mul(0x9e37_79b1) >> (32 - SHORT_LENGTHS_BITS)) as usize
}

/// # Safety
/// Eight bytes must be readable at `at`.
#[inline(always)]
unsafe fn long_lengths_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let start = unsafe { at.cast::<u64>().read_unaligned() };
    (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - LONG_LENGTHS_BITS)) as usize
}

#[inline(always)]
fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

#[inline(always)]
fn finish(hash: u64) -> u64 {
    let mixed = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}
