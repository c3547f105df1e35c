//! The classes of 64 bytes, a bit mask for each.

use super::window::WINDOW;

/// Bit i: byte i of the window belongs to the class.
#[derive(Default, Clone, Copy)]
pub struct Masks {
    pub upper: u64,
    pub lower: u64,
    pub digit: u64,
    pub space: u64,
    /// White space but for line ends.
    pub blank: u64,
    pub line: u64,
    pub quote: u64,
    /// Line ends and slashes: joined as vectors, since the compiler takes a union of two masks apart into 64 scalar steps.
    pub line_or_slash: u64,
    /// Not ASCII.
    pub high: u64,
}

/// How the bytes are classified: by the vectors the machine has.
pub trait Classify {
    /// Whether the machine has 512-bit vectors, for more than this.
    #[cfg(target_arch = "x86_64")]
    const HAS_512_BITS: bool = false;

    /// # Safety
    /// 64 bytes must be readable at `at`, and the machine must have the implementation's instructions.
    unsafe fn classify(at: *const u8) -> Masks;

    /// The bytes of characters beyond ASCII, but for the first of each.
    ///
    /// # Safety
    /// As for `classify`.
    unsafe fn inner_bytes(at: *const u8) -> u64;
}

/// Byte by byte: any machine.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub struct Portable;

#[cfg(any(test, not(target_arch = "x86_64")))]
impl Classify for Portable {
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
}

/// The vector compares, once for every vector width.
#[cfg(target_arch = "x86_64")]
macro_rules! classify_by {
    ($name:ident, $doc:literal, $width:literal, $vector:ty, $load:ident, $set:ident, $eq:ident, $gt:ident, $sub:ident, $or:ident, $shift:ident, $movemask:ident) => {
        #[doc = $doc]
        pub struct $name;

        impl Classify for $name {
            #[inline(always)]
            unsafe fn classify(at: *const u8) -> Masks {
                use core::arch::x86_64::{$eq, $gt, $load, $movemask, $or, $set, $shift, $sub};
                let mut masks = Masks::default();
                for part in 0..WINDOW / $width {
                    // SAFETY: 64 bytes are readable and the machine has the instructions, says the caller.
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
        }
    };
}

#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{__m128i, __m256i};
#[cfg(target_arch = "x86_64")]
classify_by!(
    Sse2,
    "Part of every x86-64.",
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
#[cfg(target_arch = "x86_64")]
classify_by!(
    Avx2,
    "x86-64 since 2013.",
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
