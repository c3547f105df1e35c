//! Up to 15 bytes as two integers: what the tables and caches are keyed by.

/// A key has at most this many bytes.
pub const MAX_KEY: usize = 15;

/// Bytes beyond the length are zero. `high` has its top byte free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub low: u64,
    pub high: u64,
}

impl Key {
    /// Reads `len` bytes.
    ///
    /// # Safety
    /// 16 bytes must be readable at `at`, and `len <= MAX_KEY`.
    #[inline(always)]
    pub unsafe fn read(at: *const u8, len: usize) -> Self {
        // SAFETY: the caller's.
        let (low, high) = unsafe { (at.cast::<u64>().read_unaligned(), at.add(8).cast::<u64>().read_unaligned()) };
        let (low, high) = (u64::from_le(low), u64::from_le(high));
        // SAFETY: `len <= MAX_KEY`, and the tables have 16 entries.
        let (low_mask, high_mask) = unsafe { (*LOW.get_unchecked(len), *HIGH.get_unchecked(len)) };
        Self { low: low & low_mask, high: high & high_mask }
    }

    /// Well mixed in its upper bits.
    #[inline(always)]
    pub fn hash(self) -> u64 {
        let x = self.low ^ self.high.rotate_left(23).wrapping_mul(0x9fb2_1c65_1e98_df25);
        (x ^ x >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

const fn masks(first: usize) -> [u64; 16] {
    let mut masks = [0; 16];
    let mut len = 0;
    while len < 16 {
        masks[len] = if len <= first {
            0
        } else if len >= first + 8 {
            u64::MAX
        } else {
            (1 << ((len - first) * 8)) - 1
        };
        len += 1;
    }
    masks
}
static LOW: [u64; 16] = masks(0);
static HIGH: [u64; 16] = masks(8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_bytes_and_nothing_else() {
        let bytes: Vec<u8> = (1..=16).collect();
        for len in 0..=MAX_KEY {
            // SAFETY: 16 bytes.
            let key = unsafe { Key::read(bytes.as_ptr(), len) };
            let mut expected = [0u8; 16];
            expected[..len].copy_from_slice(&bytes[..len]);
            assert_eq!([key.low.to_le_bytes(), key.high.to_le_bytes()].concat(), expected);
        }
    }
}
