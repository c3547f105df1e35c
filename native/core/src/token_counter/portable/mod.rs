//! Byte by byte and unit by unit: any processor.

pub mod utf16_to_utf8;
pub mod wide_characters;

#[cfg(any(test, not(target_arch = "x86_64")))]
use crate::token_counter::simd::{Simd, WideCharacters};
#[cfg(any(test, not(target_arch = "x86_64")))]
use crate::token_counter::split::block::{Masks, WINDOW, Wide};

#[cfg(any(test, not(target_arch = "x86_64")))]
pub struct Portable;

#[cfg(any(test, not(target_arch = "x86_64")))]
impl Simd for Portable {
    #[inline(always)]
    unsafe fn classify(at: *const u8) -> Masks {
        let mut masks = Masks::default();
        for i in 0..WINDOW {
            // SAFETY: the caller's.
            let byte = unsafe { *at.add(i) };
            let bit = |is: bool| u64::from(is) << i;
            masks.upper |= bit(byte.is_ascii_uppercase());
            masks.lower |= bit(byte.is_ascii_lowercase());
            masks.digit |= bit(byte.is_ascii_digit());
            masks.space |= bit(byte == b' ');
            masks.blank |= bit(matches!(byte, b' ' | b'\t' | 0x0b | 0x0c));
            masks.line |= bit(matches!(byte, b'\n' | b'\r'));
            masks.quote |= bit(byte == b'\'');
            masks.line_or_slash |= bit(matches!(byte, b'\n' | b'\r' | b'/'));
            masks.high |= bit(byte >= 0x80);
        }
        masks
    }

    #[inline(always)]
    unsafe fn inner_bytes(at: *const u8) -> u64 {
        // SAFETY: the caller's.
        (0..WINDOW).fold(0, |inner, i| inner | u64::from(unsafe { *at.add(i) } & 0xc0 == 0x80) << i)
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
