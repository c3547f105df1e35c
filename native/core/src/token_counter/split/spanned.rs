//! Which pairs of characters a token of the vocabulary spans. The build script writes them into a
//! bitmap by hash, because they are few (1,857 in cl100k, 21,123 in o200k). A collision only misses
//! a cut.

include!("pair_hash.rs");

/// Size of the bitmap.
pub const SPANNED_BYTES: usize = (1 << PAIR_HASH_BITS) / 8;

/// # Safety
/// `bitmap` is a vocabulary's.
#[inline(always)]
pub unsafe fn is_spanned(bitmap: &[u8], left: u32, right: u32) -> bool {
    let bit = pair_hash(left, right) as usize;
    // SAFETY: such a bitmap has a bit for every hash.
    unsafe { *bitmap.get_unchecked(bit / 8) >> (bit % 8) & 1 != 0 }
}

/// Whether a token may have both of two adjacent characters, or the end of the left one and the
/// right one. The left one is beyond ASCII.
///
/// # Safety
/// `bitmap` is a vocabulary's.
#[inline(always)]
pub unsafe fn may_be_crossed(bitmap: &[u8], left: u32, last_of_left: u8, right: u32) -> bool {
    // SAFETY: the caller's.
    // Both are looked at: which one tells cannot be predicted.
    unsafe { is_spanned(bitmap, left, right) | is_spanned(bitmap, partial_key(last_of_left), right) }
}

/// The character at `at`: its bytes as an integer, first one lowest, and their number.
///
/// # Safety
/// Four bytes must be readable at `at`, which starts a character.
#[inline(always)]
pub unsafe fn character(at: *const u8) -> (u32, usize) {
    // SAFETY: the caller's.
    let bytes = u32::from_le(unsafe { at.cast::<u32>().read_unaligned() });
    match bytes as u8 {
        0..0x80 => (bytes & 0xff, 1),
        0x80..0xe0 => (bytes & 0xffff, 2),
        0xe0..0xf0 => (bytes & 0x00ff_ffff, 3),
        _ => (bytes, 4),
    }
}
