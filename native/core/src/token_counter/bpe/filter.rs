//! A bit for each of many hashes: rejects most keys that a table lacks, and is nearer than the
//! table.

use crate::runtime::prefetch::prefetch;

/// `WORDS`, a power of two, times 64 bits; a hash selects one by its bits from `SHIFT` on.
#[repr(transparent)]
pub struct Filter<const WORDS: usize, const SHIFT: u32>([u64; WORDS]);

impl<const WORDS: usize, const SHIFT: u32> Filter<WORDS, SHIFT> {
    #[inline(always)]
    fn bit(hash: u64) -> usize {
        const { assert!(WORDS.is_power_of_two()) };
        (hash >> SHIFT) as usize & (WORDS * 64 - 1)
    }

    pub fn insert(&mut self, hash: u64) {
        let bit = Self::bit(hash);
        self.0[bit / 64] |= 1 << (bit % 64);
    }

    /// Whether the hash, or another with the same bit, was inserted.
    #[inline(always)]
    pub fn may_have(&self, hash: u64) -> bool {
        let bit = Self::bit(hash);
        // SAFETY: `bit` is below 64 times `WORDS`.
        unsafe { *self.0.get_unchecked(bit / 64) >> (bit % 64) & 1 != 0 }
    }

    /// Asks for the cache line that `may_have` reads.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        prefetch(&raw const self.0[Self::bit(hash) / 64]);
    }
}
