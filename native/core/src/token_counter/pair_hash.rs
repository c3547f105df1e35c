// Shared with the build script, which fills the bitmap that `cuts.rs` reads.

/// Bits of a pair's hash. The bitmap of spanned pairs is 64 KB, so that it stays in the second-level cache.
const PAIR_HASH_BITS: u32 = 19;

/// Where the pair of two adjacent characters stands in the bitmap. A character's key is its UTF-8 bytes, the first one lowest.
#[inline(always)]
const fn pair_hash(left: u32, right: u32) -> u32 {
    (left.wrapping_mul(0x9e37_79b1) ^ right.wrapping_mul(0x85eb_ca77)).wrapping_mul(0xc2b2_ae3d) >> (32 - PAIR_HASH_BITS)
}

/// Key of a left character of which only the last byte is inside the token. No character has a key with its top byte 0x01.
#[inline(always)]
const fn partial_key(last_byte: u8) -> u32 {
    0x0100_0000 | last_byte as u32
}
