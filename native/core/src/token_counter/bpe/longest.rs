//! The longest token at a place.

use crate::runtime::prefetch::prefetch;
use crate::token_counter::bpe::key::Key;
use crate::token_counter::bpe::lengths::{HAS_LONG, MAX_LONG, MAX_SHORT, finish, long_lengths_at, short_lengths_at, step};
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use std::mem::MaybeUninit;

/// To hash so many bytes takes as long as a look-up.
const BYTES_PER_LOOKUP: usize = 8;

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

    /// Asks for what [`Self::longest`] reads where nothing longer is a token, which is most of the
    /// time where many look-ups follow one another.
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

    /// The longest token at `at` of at most `limit` bytes, and its length. Adds the look-ups that
    /// it takes to `lookups`.
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

    /// `lengths` has bit `len - 1` for each length that may occur. All prefixes are hashed in one
    /// walk, so hostile text costs no more than its length.
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
