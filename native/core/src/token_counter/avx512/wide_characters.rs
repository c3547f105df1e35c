//! The characters beyond ASCII in a window by AVX-512: sixteen a step, each in a lane of its own.
//! Only the tables are read one by one: on Zen 4 a gather of sixteen takes longer than sixteen
//! loads.

use crate::token_counter::avx512::four_keys::COUNTING;
use crate::token_counter::simd::WideCharacters;
use crate::token_counter::split::block::{Masks, Wide};
use crate::token_counter::split::classes::class_of;
use crate::token_counter::split::spanned::{BIT_FACTOR, LINE_BITS, LINE_FACTOR, LINE_SHIFT, partial_key};
use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_alignr_epi32, _mm512_alignr_epi64, _mm512_and_si512, _mm512_castsi512_si128, _mm512_cmpge_epu32_mask,
    _mm512_cmple_epu32_mask, _mm512_cvtepu8_epi32, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_mask_mov_epi32,
    _mm512_maskz_compress_epi8, _mm512_maskz_mov_epi32, _mm512_mullo_epi32, _mm512_or_si512, _mm512_permutexvar_epi8, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi32, _mm512_srli_epi32,
    _mm512_srlv_epi32, _mm512_sub_epi32, _mm512_test_epi32_mask, _pdep_u64, _pext_u64,
};

const SIXTEEN: usize = 16;

/// # Safety
/// As for [`Simd::classify_wide`](crate::token_counter::simd::Simd::classify_wide), and the machine
/// must have these instructions.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn classify_wide(characters: &WideCharacters, masks: &mut Masks) -> (usize, Wide) {
    let WideCharacters { at, len, leads, inner, spanned } = *characters;
    // SAFETY: the caller's; 64 bytes are readable.
    let (text, mut starts) = unsafe {
        let counting = _mm512_loadu_si512(COUNTING.as_ptr().cast());
        (_mm512_loadu_si512(at.cast()), _mm512_maskz_compress_epi8(leads, counting))
    };
    let count = leads.count_ones() as usize;
    // A bit for each character in their order.
    let (mut ones, mut twos, mut fours, mut cuts) = (0, 0, 0, 0);
    let mut left = Keys { whole: _mm512_setzero_si512(), partial: _mm512_setzero_si512() };
    let mut done = 0;
    while done < count {
        let len = (count - done).min(SIXTEEN);
        let valid = u16::MAX >> (SIXTEEN - len);
        // SAFETY: the caller's.
        let (classes, (right, is_cut_at)) = unsafe {
            let these = Characters::of(starts, text);
            (these.classes(len), these.keys())
        };
        let digit = |which: u64| _pext_u64(classes, 0x1111_1111_1111_1111 * which) << done;
        ones |= digit(1);
        twos |= digit(2);
        fours |= digit(4);
        if is_cut_at & valid != 0 {
            // SAFETY: the caller's.
            cuts |= unsafe { uncrossed(spanned, &left, &right, is_cut_at & valid, len) } << done;
        }
        left = right;
        starts = _mm512_alignr_epi64::<2>(_mm512_setzero_si512(), starts);
        done += SIXTEEN;
    }
    let [ones, twos, fours, cuts] = [ones, twos, fours, cuts].map(|bits| _pdep_u64(bits, leads));
    let bytes_of = |starts: u64| (1..4).fold(starts, |bytes, _| bytes | bytes << 1 & inner);
    masks.upper |= bytes_of(ones & !twos & !fours);
    masks.lower |= bytes_of(twos & !ones & !fours);
    // Numbers and spaces.
    let stops = fours & (ones | twos);
    let before = !stops & stops.wrapping_sub(1);
    let wide =
        Wide { either: bytes_of(ones & twos & !fours), marks: bytes_of(fours & !ones & !twos), inner, cuts: cuts & inner << 1 & before };
    (len.min(before.count_ones() as usize), wide)
}

/// What a character is asked for as a neighbour, see `cuts.rs`: its key and that of its last byte;
/// 0 for one at which no piece is cut.
struct Keys {
    whole: __m512i,
    partial: __m512i,
}

/// Which of the characters `right` no token crosses to, the ones before the first standing last in
/// `left`.
///
/// # Safety
/// As for `classify_wide`; `is_cut_at` tells which of the first `len` have a key.
#[inline(always)]
unsafe fn uncrossed(spanned: &[u8], left: &Keys, right: &Keys, is_cut_at: u16, len: usize) -> u64 {
    // SAFETY: the bitmap has a bit for each hash, whichever characters it is of.
    unsafe {
        let line = _mm512_srli_epi32::<LINE_SHIFT>(_mm512_mullo_epi32(right.whole, all(LINE_FACTOR)));
        let line = _mm512_slli_epi32::<LINE_BITS>(line);
        let before = |left: __m512i, right: __m512i| _mm512_alignr_epi32::<15>(right, left);
        let (whole, partial) = (before(left.whole, right.whole), before(left.partial, right.partial));
        let is_cut_at = is_cut_at & _mm512_test_epi32_mask(whole, whole);
        let bits = |left: __m512i| {
            lanes(_mm512_or_si512(line, _mm512_srli_epi32::<{ 32 - LINE_BITS }>(_mm512_mullo_epi32(left, all(BIT_FACTOR)))))
        };
        let (by_whole, by_partial) = (bits(whole), bits(partial));
        let bitmap = spanned.as_ptr();
        let is_set = |bit: u32| bitmap.add(bit as usize / 8).read() >> (bit % 8);
        let mut crossed = 0;
        for i in 0..len {
            crossed |= u64::from((is_set(by_whole[i]) | is_set(by_partial[i])) & 1) << i;
        }
        u64::from(is_cut_at) & !crossed
    }
}

/// Sixteen characters beyond ASCII; behind the last one anything.
struct Characters {
    /// The bytes of each, the first one lowest, and what comes behind.
    bytes: __m512i,
    lead: __m512i,
    /// Which have three bytes or four, and which have four.
    three: u16,
    four: u16,
}

impl Characters {
    /// Those of `text` that begin at the first sixteen of `starts`.
    ///
    /// # Safety
    /// The machine must have AVX-512.
    #[inline(always)]
    unsafe fn of(starts: __m512i, text: __m512i) -> Self {
        // SAFETY: plain arithmetic.
        unsafe {
            let first_byte = _mm512_set4_epi32(0x0c0c_0c0c, 0x0808_0808, 0x0404_0404, 0);
            let first = _mm512_shuffle_epi8(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(starts)), first_byte);
            let bytes = _mm512_permutexvar_epi8(_mm512_add_epi32(first, all(0x0302_0100)), text);
            let lead = _mm512_and_si512(bytes, all(0xff));
            let at_least = |least: u32| _mm512_cmpge_epu32_mask(lead, all(least));
            Self { bytes, lead, three: at_least(0xe0), four: at_least(0xf0) }
        }
    }

    /// One of three constants, by how many bytes a character has.
    #[inline(always)]
    unsafe fn by_width(&self, two: u32, three: u32, four: u32) -> __m512i {
        // SAFETY: plain arithmetic.
        unsafe { _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(all(two), self.three, all(three)), self.four, all(four)) }
    }

    /// The classes of the first `len`, four bits each.
    #[inline(always)]
    unsafe fn classes(&self, len: usize) -> u64 {
        // SAFETY: code points.
        unsafe {
            let six_bits = _mm512_and_si512(self.bytes, all(0x3f3f_3f3f));
            let twelve_bits = _mm512_maddubs_epi16(six_bits, _mm512_set1_epi16(0x0140));
            let all_bits = _mm512_madd_epi16(twelve_bits, all(0x0001_1000));
            // Without what belongs to the next character, and what tells the width.
            let points = _mm512_and_si512(_mm512_srlv_epi32(all_bits, self.by_width(12, 6, 0)), self.by_width(0x7ff, 0xffff, 0x1f_ffff));
            let points = lanes(points);
            (0..len).fold(0, |classes, i| classes | u64::from(class_of(points[i])) << (4 * i))
        }
    }

    /// Their keys, and at which of them a piece may be cut.
    #[inline(always)]
    unsafe fn keys(&self) -> (Keys, u16) {
        // SAFETY: plain arithmetic.
        unsafe {
            let is_first_of_three = _mm512_cmple_epu32_mask(_mm512_sub_epi32(self.lead, all(0xe2)), all(0xe9 - 0xe2));
            let is_cut_at = is_first_of_three | _mm512_cmpge_epu32_mask(self.lead, all(0xef));
            let whole = _mm512_and_si512(self.bytes, self.by_width(0xffff, 0x00ff_ffff, u32::MAX));
            let last = _mm512_srlv_epi32(whole, self.by_width(8, 16, 24));
            let partial = _mm512_or_si512(last, all(partial_key(0)));
            (Keys { whole: _mm512_maskz_mov_epi32(is_cut_at, whole), partial }, is_cut_at)
        }
    }
}

#[inline(always)]
fn all(lane: u32) -> __m512i {
    // SAFETY: plain arithmetic; only called where the machine has AVX-512.
    unsafe { _mm512_set1_epi32(lane as i32) }
}

#[inline(always)]
fn lanes(vector: __m512i) -> [u32; SIXTEEN] {
    // SAFETY: as many bytes, all of them values.
    unsafe { core::mem::transmute(vector) }
}
