// Shared with the build script, which fills the bitmap that `spanned.rs` reads.

/// Bits of a pair's hash. The bitmap of spanned pairs is 64 KB, so that it stays in the
/// second-level cache.
const PAIR_HASH_BITS: u32 = 19;

/// Bit of a pair of adjacent characters: the right one selects the cache line, the left one the bit
/// in it, so a text reads one line for each different character. A character's key is its UTF-8
/// bytes, the first one lowest.
#[inline(always)]
const fn pair_hash(left: u32, right: u32) -> u32 {
    let line = right.wrapping_mul(LINE_FACTOR) >> LINE_SHIFT;
    line << LINE_BITS | left.wrapping_mul(BIT_FACTOR) >> (32 - LINE_BITS)
}

pub(crate) const LINE_FACTOR: u32 = 0x85eb_ca77;
pub(crate) const BIT_FACTOR: u32 = 0x9e37_79b1;
pub(crate) const LINE_BITS: u32 = 9;
pub(crate) const LINE_SHIFT: u32 = 32 - (PAIR_HASH_BITS - LINE_BITS);

/// Key of a left character of which only the last byte is inside the token. No character has a key
/// with its top byte 0x01.
#[inline(always)]
pub(crate) const fn partial_key(last_byte: u8) -> u32 {
    0x0100_0000 | last_byte as u32
}
