//! Vectors of 16 bytes, which every x86-64 has, and of 32.

mod utf16_to_utf8;

use crate::token_counter::portable::{self, wide_characters::classify_wide};
use crate::token_counter::simd::{Simd, WideCharacters};
use crate::token_counter::split::block::{Masks, WINDOW, Wide};
use core::arch::x86_64::{__m128i, __m256i};

/// The vector compares, once for every vector width.
macro_rules! classify_by {
    ($name:ident, $doc:literal, $to_utf8:path, $width:literal, $vector:ty, $load:ident, $set:ident, $eq:ident, $gt:ident, $sub:ident, $or:ident, $shift:ident, $movemask:ident) => {
        #[doc = $doc]
        pub struct $name;

        impl Simd for $name {
            #[inline(always)]
            unsafe fn classify(at: *const u8) -> Masks {
                use core::arch::x86_64::{$eq, $gt, $load, $movemask, $or, $set, $shift, $sub};
                let mut masks = Masks::default();
                for part in 0..WINDOW / $width {
                    // SAFETY: 64 bytes are readable and the machine has the instructions, says the
                    // caller.
                    unsafe {
                        let bytes = $load(at.add(part * $width).cast::<$vector>());
                        #[allow(clippy::cast_lossless, reason = "the mask of 16 bytes comes as i32 too")]
                        let mask = |vector: $vector| ($movemask(vector) as u32 as u64) << (part * $width);
                        let equals = |byte: u8| $eq(bytes, $set(byte as i8));
                        // Unsigned "less than" by a signed compare: both sides moved down by 128.
                        let in_range = |vector: $vector, first: u8, count: u8| {
                            $gt($set((count ^ 0x80) as i8), $sub(vector, $set(first.wrapping_add(0x80) as i8)))
                        };
                        let letter = mask(in_range($or(bytes, $set(0x20)), b'a', 26));
                        let lower_bit = mask($shift::<2>(bytes));
                        let line = $or(equals(b'\n'), equals(b'\r'));
                        let space = equals(b' ');
                        masks.upper |= letter & !lower_bit;
                        masks.lower |= letter & lower_bit;
                        masks.digit |= mask(in_range(bytes, b'0', 10));
                        masks.space |= mask(space);
                        masks.line |= mask(line);
                        masks.blank |= mask($or(space, in_range(bytes, 9, 5)));
                        masks.quote |= mask(equals(b'\''));
                        masks.line_or_slash |= mask($or(line, equals(b'/')));
                        masks.high |= mask(bytes);
                    }
                }
                masks.blank &= !masks.line;
                masks
            }

            #[inline(always)]
            unsafe fn inner_bytes(at: *const u8) -> u64 {
                use core::arch::x86_64::{$gt, $load, $movemask, $set};
                (0..WINDOW / $width).fold(0, |inner, part| {
                    // SAFETY: as above.
                    #[allow(clippy::cast_lossless, reason = "as above")]
                    let bits = unsafe { $movemask($gt($set(0xc0u8 as i8), $load(at.add(part * $width).cast::<$vector>()))) as u32 as u64 };
                    inner | bits << (part * $width)
                })
            }

            #[inline(always)]
            unsafe fn classify_wide(characters: &WideCharacters, masks: &mut Masks) -> (usize, Wide) {
                // SAFETY: the caller's.
                unsafe { classify_wide(characters, masks) }
            }

            #[inline(always)]
            unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize {
                // SAFETY: the caller's.
                unsafe { $to_utf8(units, out) }
            }
        }
    };
}

classify_by!(
    Sse2,
    "Part of every x86-64.",
    portable::utf16_to_utf8::to_utf8,
    16,
    __m128i,
    _mm_loadu_si128,
    _mm_set1_epi8,
    _mm_cmpeq_epi8,
    _mm_cmpgt_epi8,
    _mm_sub_epi8,
    _mm_or_si128,
    _mm_slli_epi16,
    _mm_movemask_epi8
);
classify_by!(
    Avx2,
    "x86-64 since 2013.",
    utf16_to_utf8::to_utf8,
    32,
    __m256i,
    _mm256_loadu_si256,
    _mm256_set1_epi8,
    _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8,
    _mm256_sub_epi8,
    _mm256_or_si256,
    _mm256_slli_epi16,
    _mm256_movemask_epi8
);
