//! UTF-16 to UTF-8, eight units at a time: each becomes its bytes in a lane of its own, and a
//! shuffle closes the gaps.

use crate::token_counter::portable::utf16_to_utf8::{one_to_utf8, to_utf8 as rest_to_utf8};
use core::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_blendv_epi8, _mm_cmpeq_epi16, _mm_cmpeq_epi32, _mm_cvtepu16_epi32, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_or_si128, _mm_packs_epi16, _mm_packs_epi32, _mm_packus_epi16, _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_slli_epi16, _mm_slli_epi32, _mm_srli_epi16, _mm_srli_epi32, _mm_srli_si128, _mm_storeu_si128, _mm_unpackhi_epi16,
    _mm_unpacklo_epi16, _mm256_loadu_si256, _mm256_or_si256, _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi16,
    _mm256_storeu_si256, _mm256_testz_si256,
};

/// Shuffles by which lanes are short.
struct Shuffles([[u8; 16]; 256]);

/// Lanes of two bytes, of which those with their bit set have but one.
static ONE_OR_TWO: Shuffles = {
    let mut all = [[0x80; 16]; 256];
    let mut short = 0;
    while short < 256 {
        let (mut lane, mut to) = (0, 0);
        while lane < 8 {
            all[short][to] = 2 * lane as u8;
            to += 1;
            if short >> lane & 1 == 0 {
                all[short][to] = 2 * lane as u8 + 1;
                to += 1;
            }
            lane += 1;
        }
        short += 1;
    }
    Shuffles(all)
};

/// Lanes of four bytes with three, two (bit in the upper half) or one (in both halves) to keep.
static ONE_TO_THREE: Shuffles = {
    let mut all = [[0x80; 16]; 256];
    let mut short = 0;
    while short < 256 {
        let (mut lane, mut to) = (0, 0);
        while lane < 4 {
            let len = 3 - (short >> lane & 1) - (short >> (lane + 4) & 1);
            let mut byte = 0;
            while byte < len {
                all[short][to] = (4 * lane + byte) as u8;
                to += 1;
                byte += 1;
            }
            lane += 1;
        }
        short += 1;
    }
    Shuffles(all)
};

/// # Safety
/// `out` must have room for `3 * units.len() + 16` bytes, and the machine must have these
/// instructions.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize {
    let mut read = 0;
    let mut written = 0;
    // SAFETY: at most three bytes are written for a unit read, and 16 are stored where as many or
    // more may still be written.
    unsafe {
        while read + 16 <= units.len() {
            if read + 32 <= units.len() && narrow_if_ascii(units.as_ptr().add(read), out.add(written)) {
                read += 32;
                written += 32;
                continue;
            }
            let ascii = narrow_ascii(units.as_ptr().add(read), out.add(written));
            read += ascii;
            written += ascii;
            if ascii < 16 {
                narrow_others(units, &mut read, out, &mut written);
            }
        }
        written + rest_to_utf8(units.get_unchecked(read..), out.add(written))
    }
}

/// Narrows 32 units if they are ASCII. A yes or no can be guessed ahead, so the next step need not
/// wait as it has to for a number.
///
/// # Safety
/// 32 units must be readable, 32 bytes writable, and the machine have AVX2.
#[inline(always)]
unsafe fn narrow_if_ascii(units: *const u16, out: *mut u8) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let low = _mm256_loadu_si256(units.cast());
        let high = _mm256_loadu_si256(units.add(16).cast());
        let is_ascii = _mm256_testz_si256(_mm256_or_si256(low, high), _mm256_set1_epi16(!0x7f)) != 0;
        if is_ascii {
            // Packing works on halves: their quarters are put back in order.
            _mm256_storeu_si256(out.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(low, high)));
        }
        is_ascii
    }
}

/// Narrows the ASCII at the start of 16 units and returns how many there were.
///
/// # Safety
/// 16 units must be readable, and 16 bytes writable.
#[inline(always)]
unsafe fn narrow_ascii(units: *const u16, out: *mut u8) -> usize {
    // SAFETY: the caller's.
    unsafe {
        let low = _mm_loadu_si128(units.cast());
        let high = _mm_loadu_si128(units.add(8).cast());
        _mm_storeu_si128(out.cast(), _mm_packus_epi16(low, high));
        let ascii = _mm_movemask_epi8(_mm_packs_epi16(has_none_of(low, !0x7f), has_none_of(high, !0x7f)));
        (!ascii).trailing_zeros().min(16) as usize
    }
}

/// Narrows from a character above ASCII on, until eight units are ASCII or fewer are left.
///
/// # Safety
/// As for [`to_utf8`], as far as it has come.
#[inline(always)]
unsafe fn narrow_others(units: &[u16], read: &mut usize, out: *mut u8, written: &mut usize) {
    while *read + 8 <= units.len() {
        // SAFETY: eight units are left, and three bytes for each of them and 16 more writable.
        unsafe {
            let eight = _mm_loadu_si128(units.as_ptr().add(*read).cast());
            let at = out.add(*written);
            let (ascii, short) = (has_none_of(eight, !0x7f), has_none_of(eight, 0xf800));
            let (ascii_bits, short_bits) = (bits(ascii), bits(short));
            let surrogates =
                bits(_mm_cmpeq_epi16(_mm_and_si128(eight, _mm_set1_epi16(0xf800u16 as i16)), _mm_set1_epi16(0xd800u16 as i16)));
            if ascii_bits == 0xff {
                return;
            }
            if short_bits == 0xff {
                store(at, one_or_two_bytes(eight, ascii), &ONE_OR_TWO, ascii_bits);
                *written += 16 - ascii_bits.count_ones() as usize;
                *read += 8;
            } else if surrogates == 0 && short_bits == 0 {
                store_threes(at, eight);
                *written += 24;
                *read += 8;
            } else if surrogates & 0x0f == 0 {
                *written += store_four(at, eight);
                *read += 4;
                if surrogates == 0 {
                    *written += store_four(out.add(*written), _mm_srli_si128::<8>(eight));
                    *read += 4;
                }
            } else if ascii_bits & 1 != 0 {
                // Sixteen at a time are faster than what follows, as long as there are so many.
                if *read + 16 <= units.len() {
                    return;
                }
                *at = units[*read] as u8;
                *written += 1;
                *read += 1;
            } else {
                let (units_read, bytes) = one_to_utf8(units, *read, at);
                *read += units_read;
                *written += bytes;
            }
        }
    }
}

/// Sets the lanes that have none of these bits.
#[inline(always)]
unsafe fn has_none_of(units: __m128i, mask: u16) -> __m128i {
    // SAFETY: plain arithmetic.
    unsafe { _mm_cmpeq_epi16(_mm_and_si128(units, _mm_set1_epi16(mask as i16)), _mm_setzero_si128()) }
}

/// A bit for each lane.
#[inline(always)]
unsafe fn bits(lanes: __m128i) -> u32 {
    // SAFETY: plain arithmetic.
    unsafe { _mm_movemask_epi8(_mm_packs_epi16(lanes, _mm_setzero_si128())) as u32 }
}

/// # Safety
/// 16 bytes must be writable at `at`; `short` is below 256.
#[inline(always)]
unsafe fn store(at: *mut u8, lanes: __m128i, shuffles: &Shuffles, short: u32) {
    // SAFETY: the caller's.
    unsafe {
        let shuffle = _mm_loadu_si128(shuffles.0.get_unchecked(short as usize).as_ptr().cast());
        _mm_storeu_si128(at.cast(), _mm_shuffle_epi8(lanes, shuffle));
    }
}

/// Units below U+0800.
#[inline(always)]
unsafe fn one_or_two_bytes(units: __m128i, ascii: __m128i) -> __m128i {
    // SAFETY: plain arithmetic.
    unsafe {
        let lead = _mm_or_si128(_mm_srli_epi16::<6>(units), _mm_set1_epi16(0x80c0u16 as i16));
        let tail = _mm_slli_epi16::<8>(_mm_and_si128(units, _mm_set1_epi16(0x3f)));
        _mm_blendv_epi8(_mm_or_si128(lead, tail), units, ascii)
    }
}

/// Eight units of three bytes each.
///
/// # Safety
/// 28 bytes must be writable at `at`.
#[inline(always)]
unsafe fn store_threes(at: *mut u8, units: __m128i) {
    // SAFETY: the caller's.
    unsafe {
        let first = _mm_srli_epi16::<12>(units);
        let second = _mm_slli_epi16::<2>(_mm_and_si128(units, _mm_set1_epi16(0x0fc0)));
        let start = _mm_or_si128(_mm_or_si128(first, second), _mm_set1_epi16(0x80e0u16 as i16));
        let third = _mm_or_si128(_mm_and_si128(units, _mm_set1_epi16(0x3f)), _mm_set1_epi16(0x80));
        store(at, _mm_unpacklo_epi16(start, third), &ONE_TO_THREE, 0);
        store(at.add(12), _mm_unpackhi_epi16(start, third), &ONE_TO_THREE, 0);
    }
}

/// The first four units, no surrogates among them; returns how many bytes they became.
///
/// # Safety
/// 16 bytes must be writable at `at`.
#[inline(always)]
unsafe fn store_four(at: *mut u8, units: __m128i) -> usize {
    // SAFETY: the caller's.
    unsafe {
        let units = _mm_cvtepu16_epi32(units);
        let none_of = |mask: i32| _mm_cmpeq_epi32(_mm_and_si128(units, _mm_set1_epi32(mask)), _mm_setzero_si128());
        let (ascii, short) = (none_of(!0x7f), none_of(!0x7ff));
        let last = _mm_and_si128(units, _mm_set1_epi32(0x3f));
        let middle = _mm_and_si128(_mm_srli_epi32::<6>(units), _mm_set1_epi32(0x3f));
        let three = _mm_or_si128(
            _mm_or_si128(_mm_srli_epi32::<12>(units), _mm_slli_epi32::<8>(middle)),
            _mm_or_si128(_mm_slli_epi32::<16>(last), _mm_set1_epi32(0x0080_80e0)),
        );
        let two = _mm_or_si128(_mm_or_si128(_mm_srli_epi32::<6>(units), _mm_slli_epi32::<8>(last)), _mm_set1_epi32(0x80c0));
        let lanes = _mm_blendv_epi8(_mm_blendv_epi8(three, two, short), units, ascii);
        // Four bits for ASCII below four for all that is short.
        let lengths = bits(_mm_packs_epi32(ascii, short));
        store(at, lanes, &ONE_TO_THREE, lengths);
        12 - lengths.count_ones() as usize
    }
}
