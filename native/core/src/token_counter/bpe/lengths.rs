//! Which lengths tokens have, and the hash of long ones.

/// Longest token of the main table. A slot is 16 bytes: 13 of the token, 4 bits of length, 20 of
/// id.
pub const MAX_SHORT: usize = 13;
/// Longest token there is.
pub const MAX_LONG: usize = 128;

const SHORT_BITS: u32 = 16;
const LONG_BITS: u32 = 13;
pub const HAS_LONG: u16 = 1 << 14;

/// Which lengths the tokens that begin like a text have, so that only those are looked up.
pub struct Lengths {
    /// By the hash of three bytes: bit = length, from 3 to 13, and bit 14 for longer ones.
    pub short: [u16; 1 << SHORT_BITS],
    /// The longer ones, by the hash of eight bytes: bit = length - 1.
    pub long: [u128; 1 << LONG_BITS],
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

    /// Whether a token of more than 13 bytes may be these: this rejects most pieces.
    pub fn may_have(&self, bytes: &[u8]) -> bool {
        debug_assert!((MAX_SHORT + 1..=MAX_LONG).contains(&bytes.len()));
        // SAFETY: more than eight bytes.
        let (short, long) = unsafe { (short_lengths_at(bytes.as_ptr()), long_lengths_at(bytes.as_ptr())) };
        self.short[short] & HAS_LONG != 0 && self.long[long] >> (bytes.len() - 1) & 1 != 0
    }
}

/// # Safety
/// Three bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn short_lengths_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let start = unsafe { u32::from(*at) | u32::from(*at.add(1)) << 8 | u32::from(*at.add(2)) << 16 };
    (start.wrapping_mul(0x9e37_79b1) >> (32 - SHORT_BITS)) as usize
}

/// # Safety
/// Eight bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn long_lengths_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let start = unsafe { at.cast::<u64>().read_unaligned() };
    (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - LONG_BITS)) as usize
}

/// One byte more of the hash that `find_long_hashed` takes.
#[inline(always)]
pub fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

#[inline(always)]
pub fn finish(hash: u64) -> u64 {
    let mixed = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}
