//! AVX-512 with permutes and compressions of bytes: see `Vectors::Avx512`.

mod classify;
mod four_keys;
mod listed_pieces;
mod short_text;
mod utf16_to_utf8;
mod wide_characters;

use crate::token_counter::simd::{Simd, WideCharacters};
use crate::token_counter::split::block::{Masks, Wide};

/// See `Vectors::Avx512`.
pub struct Avx512;

impl Simd for Avx512 {
    const LISTS_PIECES: bool = true;

    #[inline(always)]
    unsafe fn classify(at: *const u8) -> Masks {
        // SAFETY: the caller's.
        unsafe { classify::classify(at) }
    }

    #[inline(always)]
    unsafe fn inner_bytes(at: *const u8) -> u64 {
        // SAFETY: the caller's.
        unsafe { classify::inner_bytes(at) }
    }

    #[inline(always)]
    unsafe fn classify_wide(characters: &WideCharacters, masks: &mut Masks) -> (usize, Wide) {
        // SAFETY: the caller's.
        unsafe { wide_characters::classify_wide(characters, masks) }
    }

    #[inline(always)]
    unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize {
        // SAFETY: the caller's.
        unsafe { utf16_to_utf8::to_utf8(units, out) }
    }
}
