//! The longest token at a place.

use super::key::Key;
use super::vocabulary::{MAX_LONG, MAX_SHORT, NONE, Vocabulary};
use crate::prefetch::prefetch;
use std::mem::MaybeUninit;

const SHORT_BITS: u32 = 16;
const LONG_BITS: u32 = 13;
const HAS_LONG: u16 = 1 << 14;
/// To hash so many bytes takes as long as a look-up.
const BYTES_PER_LOOKUP: usize = 8;

/// Which lengths the tokens that begin like a text have, so that only those are looked up.
pub struct Lengths {
    /// By the hash of three bytes: bit = length, from 3 to 13, and bit 14 for longer ones.
    short: [u16; 1 << SHORT_BITS],
    /// The longer ones, by the hash of eight bytes: bit = length - 1.
    long: [u128; 1 << LONG_BITS],
}

impl Lengths {
    pub fn insert(&mut self, token: &[u8]) {
        let len = token.len();
        if len < 3 {
            return;
        }
        // SAFETY: three bytes, and eight where the token is longer than thirteen.
        unsafe {
            let lengths = &mut self.short[short_lengths_at(token.as_ptr())];
            if len <= MAX_SHORT {
                *lengths |= 1 << len;
            } else {
                *lengths |= HAS_LONG;
                self.long[long_lengths_at(token.as_ptr())] |= 1 << (len - 1);
            }
        }
    }

    /// Whether a token of more than 13 bytes may be these: most pieces are told here.
    pub fn may_have(&self, bytes: &[u8]) -> bool {
        debug_assert!((MAX_SHORT + 1..=MAX_LONG).contains(&bytes.len()));
        // SAFETY: more than eight bytes.
        let (short, long) = unsafe { (short_lengths_at(bytes.as_ptr()), long_lengths_at(bytes.as_ptr())) };
        self.short[short] & HAS_LONG != 0 && self.long[long] >> (bytes.len() - 1) & 1 != 0
    }
}

impl Vocabulary {
    /// The token of more than 13 bytes, or `NONE`.
    pub fn find_long(&self, bytes: &[u8]) -> u32 {
        if bytes.len() > MAX_LONG || !self.fixed().lengths.may_have(bytes) {
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

    /// Asks for what [`Self::longest`] reads where nothing longer is a token, which is most of the time where many look-ups follow one another.
    ///
    /// # Safety
    /// 16 bytes must be readable at `at`.
    #[inline(always)]
    pub unsafe fn prefetch_longest(&self, at: *const u8) {
        // SAFETY: the caller's.
        unsafe {
            prefetch(&raw const self.fixed().lengths.short[short_lengths_at(at)]);
            prefetch(&raw const self.fixed().pairs[usize::from(*at) | usize::from(*at.add(1)) << 8]);
            for len in [3, 4] {
                self.prefetch(Key::read(at, len));
            }
        }
    }

    /// The longest token at `at` of at most `limit` bytes, and its length. Adds the look-ups that it takes to `lookups`.
    ///
    /// # Safety
    /// `limit >= 1` bytes, and 16 bytes, must be readable at `at`.
    pub unsafe fn longest(&self, at: *const u8, limit: usize, lookups: &mut usize) -> (u32, usize) {
        // SAFETY: the caller's, here and below: no look-up is longer than `limit`.
        unsafe {
            if limit >= 3 {
                let lengths = self.fixed().lengths.short[short_lengths_at(at)];
                if lengths & HAS_LONG != 0 && limit > MAX_SHORT {
                    let id = self.longest_long(at, limit, self.fixed().lengths.long[long_lengths_at(at)], lookups);
                    if id != NONE {
                        return (id, self.token_len(id));
                    }
                }
                let mut lengths = lengths & ((2 << limit.min(MAX_SHORT)) - 1);
                while lengths != 0 {
                    let len = lengths.ilog2() as usize;
                    *lookups += 1;
                    let id = self.find_short(Key::read(at, len), len);
                    if id != NONE {
                        return (id, len);
                    }
                    lengths ^= 1 << len;
                }
            }
            if limit >= 2 {
                let id = self.pair(*at, *at.add(1));
                if id != NONE {
                    return (id, 2);
                }
            }
            (self.byte_ids[usize::from(*at)], 1)
        }
    }

    /// `lengths` has bit `len - 1` for each length that may occur. All prefixes are hashed in one walk, so hostile text costs no more than its length.
    ///
    /// # Safety
    /// `limit` bytes must be readable at `at`.
    unsafe fn longest_long(&self, at: *const u8, limit: usize, lengths: u128, lookups: &mut usize) -> u32 {
        let mut lengths = if limit >= MAX_LONG { lengths } else { lengths & ((1 << limit) - 1) };
        if lengths == 0 {
            return NONE;
        }
        // SAFETY: no bit of `lengths` is above `limit`.
        let bytes = unsafe { std::slice::from_raw_parts(at, lengths.ilog2() as usize + 1) };
        *lookups += bytes.len() / BYTES_PER_LOOKUP;
        let mut hashes = [const { MaybeUninit::uninit() }; MAX_LONG];
        let mut hash = 0;
        for (slot, byte) in hashes.iter_mut().zip(bytes) {
            hash = step(hash, *byte);
            slot.write(hash);
        }
        while lengths != 0 {
            let last = lengths.ilog2() as usize;
            *lookups += 1;
            // SAFETY: `last` is inside `bytes`, all of whose hashes were written.
            let id = self.find_long_hashed(&bytes[..=last], unsafe { hashes[last].assume_init() });
            if id != NONE {
                return id;
            }
            lengths ^= 1 << last;
        }
        NONE
    }
}

/// # Safety
/// Three bytes must be readable at `at`.
#[inline(always)]
unsafe fn short_lengths_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let start = unsafe { u32::from(*at) | u32::from(*at.add(1)) << 8 | u32::from(*at.add(2)) << 16 };
    (start.wrapping_mul(0x9e37_79b1) >> (32 - SHORT_BITS)) as usize
}

/// # Safety
/// Eight bytes must be readable at `at`.
#[inline(always)]
unsafe fn long_lengths_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let start = unsafe { at.cast::<u64>().read_unaligned() };
    (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - LONG_BITS)) as usize
}

/// One byte more of the hash that `find_long_hashed` takes.
#[inline(always)]
pub(super) fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

#[inline(always)]
pub(super) fn finish(hash: u64) -> u64 {
    let mixed = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}
