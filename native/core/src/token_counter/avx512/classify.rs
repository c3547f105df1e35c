//! The classes of 64 bytes by AVX-512: one look-up of all of them in a table of bits, and a test of
//! each bit.

use crate::token_counter::split::block::Masks;
use core::arch::x86_64::{
    __m512i, _mm512_cmplt_epi8_mask, _mm512_loadu_si512, _mm512_maskz_permutex2var_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
    _mm512_set1_epi8, _mm512_test_epi8_mask,
};

const UPPER: u8 = 1;
const LOWER: u8 = 1 << 1;
const DIGIT: u8 = 1 << 2;
const SPACE: u8 = 1 << 3;
const BLANK: u8 = 1 << 4;
const LINE: u8 = 1 << 5;
const QUOTE: u8 = 1 << 6;
const SLASH: u8 = 1 << 7;

/// The classes of each ASCII character.
static CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => DIGIT,
            b' ' => SPACE | BLANK,
            b'\t' | 0x0b | 0x0c => BLANK,
            b'\n' | b'\r' => LINE,
            b'\'' => QUOTE,
            b'/' => SLASH,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// # Safety
/// As for [`Simd::classify`](crate::token_counter::simd::Simd::classify).
#[inline(always)]
pub unsafe fn classify(at: *const u8) -> Masks {
    // SAFETY: 64 bytes are readable and the machine has the instructions, says the caller.
    unsafe {
        let bytes: __m512i = _mm512_loadu_si512(at.cast());
        let high = _mm512_movepi8_mask(bytes);
        let [first, second] = tables();
        masks_of(_mm512_maskz_permutex2var_epi8(!high, first, bytes, second), high)
    }
}

/// # Safety
/// As for `classify`.
#[inline(always)]
pub unsafe fn inner_bytes(at: *const u8) -> u64 {
    // SAFETY: as above.
    unsafe { _mm512_cmplt_epi8_mask(_mm512_loadu_si512(at.cast()), _mm512_set1_epi8(0xc0u8 as i8)) }
}

/// Classifies 64 bytes of ASCII.
///
/// # Safety
/// The machine must have the instructions.
#[inline(always)]
pub unsafe fn classify_ascii(bytes: __m512i) -> Masks {
    // SAFETY: the caller's.
    unsafe {
        let [first, second] = tables();
        masks_of(_mm512_permutex2var_epi8(first, bytes, second), 0)
    }
}

#[inline(always)]
unsafe fn tables() -> [__m512i; 2] {
    // SAFETY: the caller's.
    unsafe { [_mm512_loadu_si512(CLASSES.as_ptr().cast()), _mm512_loadu_si512(CLASSES.as_ptr().add(64).cast())] }
}

#[inline(always)]
unsafe fn masks_of(classes: __m512i, high: u64) -> Masks {
    // SAFETY: the caller's.
    let of = |class: u8| unsafe { _mm512_test_epi8_mask(classes, _mm512_set1_epi8(class as i8)) };
    Masks {
        upper: of(UPPER),
        lower: of(LOWER),
        digit: of(DIGIT),
        space: of(SPACE),
        blank: of(BLANK),
        line: of(LINE),
        quote: of(QUOTE),
        line_or_slash: of(LINE | SLASH),
        high,
    }
}
