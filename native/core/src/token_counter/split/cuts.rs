//! Finds borders that no token of the vocabulary spans: a long piece may be cut there.
//! The build script writes the pairs of characters that tokens span into a bitmap by hash, because
//! they are few (1,857 in cl100k, 21,123 in o200k). A collision only misses a cut.

use crate::token_counter::split::case_cuts::CaseCuts;
use crate::token_counter::split::characters::Characters;

include!("pair_hash.rs");

/// What is known of where no token crosses; a piece may be cut there, and its parts are shown as if
/// they were pieces.
#[derive(Clone, Copy)]
pub struct Cuts<'a> {
    /// The bitmap of pairs.
    pub spanned: &'a [u8],
    /// Where the pattern does not cut there itself.
    pub case: Option<&'a CaseCuts>,
    /// Where merges start from characters.
    pub characters: Option<&'a Characters>,
}

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

/// Length of the first part of the `len` bytes at `at`, which is all of them when there is nowhere
/// to cut.
///
/// # Safety
/// `bitmap` is a vocabulary's; `len >= 1` bytes of UTF-8 from a character's start, and four more,
/// are readable at `at`.
#[inline(always)]
pub unsafe fn first_part(bitmap: &[u8], at: *const u8, len: usize) -> usize {
    // SAFETY: positions stay below `len`.
    unsafe {
        let (mut left, mut position) = character(at);
        while position < len {
            let (right, length) = character(at.add(position));
            if left >= 0x80 && !may_be_crossed(bitmap, left, *at.add(position - 1), right) {
                return position;
            }
            left = right;
            position += length;
        }
    }
    len
}

/// Calls `part` with the parts that a piece may be cut into, in order.
///
/// # Safety
/// As for [`first_part`].
#[inline(always)]
pub unsafe fn parts(bitmap: &[u8], at: *const u8, len: usize, mut part: impl FnMut(*const u8, usize)) {
    let mut done = 0;
    while done < len {
        // SAFETY: `done < len`.
        unsafe {
            let start = at.add(done);
            let length = first_part(bitmap, start, len - done);
            part(start, length);
            done += length;
        }
    }
}
