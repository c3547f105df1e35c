//! UTF-16 to UTF-8 by AVX-512: 32 units of ASCII a step, or 16 of whatever kind, each in a lane of
//! its own. A compression closes the gaps, so no branch depends on how many bytes a character
//! takes.

use core::arch::x86_64::{
    __m256i, __m512i, _mm256_storeu_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_si256, _mm512_cmpeq_epi32_mask,
    _mm512_cmpge_epu32_mask, _mm512_cvtepi16_epi8, _mm512_cvtepu16_epi32, _mm512_mask_add_epi32, _mm512_mask_and_epi32,
    _mm512_mask_mov_epi32, _mm512_maskz_compress_epi8, _mm512_maskz_loadu_epi16, _mm512_maskz_mov_epi32, _mm512_movepi8_mask,
    _mm512_multishift_epi64_epi8, _mm512_or_si512, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_slli_epi32,
    _mm512_storeu_si512, _mm512_test_epi16_mask,
};

const SIXTEEN: usize = 16;
const MOST: usize = 32;
/// For each byte of two lanes where its bits begin, the last byte of a character standing last.
const BITS: i64 = i64::from_le_bytes([18, 12, 6, 0, 50, 44, 38, 32]);

/// # Safety
/// `out` must have room for `3 * units.len() + 64` bytes, and the machine must have these
/// instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize {
    let mut read = 0;
    let mut written = 0;
    let mut first_is_done = false;
    while read < units.len() {
        let count = (units.len() - read).min(MOST);
        // SAFETY: `count` units are readable. At most three bytes were written for a unit read, and
        // one more where the second half of a pair is yet to be read, which has three of its own:
        // so 64 more are writable.
        unsafe {
            let start = units.as_ptr().add(read).cast();
            let these = _mm512_maskz_loadu_epi16(u32::MAX >> (MOST - count), start);
            let at = out.add(written);
            if _mm512_test_epi16_mask(these, _mm512_set1_epi16(!0x7f)) == 0 {
                _mm256_storeu_si256(at.cast::<__m256i>(), _mm512_cvtepi16_epi8(these));
                read += count;
                written += count;
            } else {
                let behind = _mm512_maskz_loadu_epi16((u32::MAX >> (MOST - count)) >> 1, start.add(1));
                let count = count.min(SIXTEEN);
                written += narrow_sixteen(_mm512_castsi512_si256(these), _mm512_castsi512_si256(behind), count, &mut first_is_done, at);
                read += count;
            }
        }
    }
    written
}

/// Narrows the first `count` of 16 units, where `behind` has the next one of each; returns how many
/// bytes they became. A pair whose first half is the last unit is narrowed here, and
/// `first_is_done` next time: so where the next sixteen begin does not wait for what these are.
///
/// # Safety
/// 64 bytes must be writable at `at`, and the machine must have AVX-512.
#[inline(always)]
unsafe fn narrow_sixteen(units: __m256i, behind: __m256i, count: usize, first_is_done: &mut bool, at: *mut u8) -> usize {
    // SAFETY: the caller's.
    unsafe {
        let all = |lane: u32| _mm512_set1_epi32(lane as i32);
        let (units, behind) = (_mm512_cvtepu16_epi32(units), _mm512_cvtepu16_epi32(behind));
        let is = |units: __m512i, kind: u32| _mm512_cmpeq_epi32_mask(_mm512_and_si512(units, all(0xfc00)), all(kind));
        let (high, low) = (is(units, 0xd800), is(units, 0xdc00));
        let first = high & is(behind, 0xdc00);
        let second = first << 1 | u16::from(*first_is_done);
        *first_is_done = first >> (SIXTEEN - 1) != 0;
        let lone = (high | low) & !(first | second);
        let points = _mm512_mask_mov_epi32(units, lone, all(0xfffd));
        let offset = all(0x1_0000u32.wrapping_sub(0xd800 << 10).wrapping_sub(0xdc00));
        let points = _mm512_mask_add_epi32(points, first, _mm512_add_epi32(_mm512_slli_epi32::<10>(units), behind), offset);
        let two = _mm512_cmpge_epu32_mask(points, all(0x80));
        let three = _mm512_cmpge_epu32_mask(points, all(0x800));
        // Four constants, by the number of bytes.
        let by_length = |one: u32, by_two: u32, by_three: u32, by_four: u32| -> __m512i {
            let lanes = _mm512_mask_mov_epi32(all(one), two, all(by_two));
            let lanes = _mm512_mask_mov_epi32(lanes, three, all(by_three));
            _mm512_mask_mov_epi32(lanes, first, all(by_four))
        };
        let bytes = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(BITS), points);
        let bytes = _mm512_mask_and_epi32(bytes, two, bytes, all(0x3f3f_3f3f));
        let bytes = _mm512_or_si512(bytes, by_length(0, 0x80c0_0000, 0x8080_e000, 0x8080_80f0));
        let kept = _mm512_maskz_mov_epi32(
            !second & (u16::MAX >> (SIXTEEN - count)),
            by_length(0xff00_0000, 0xffff_0000, 0xffff_ff00, 0xffff_ffff),
        );
        let kept = _mm512_movepi8_mask(kept);
        _mm512_storeu_si512(at.cast(), _mm512_maskz_compress_epi8(kept, bytes));
        kept.count_ones() as usize
    }
}
