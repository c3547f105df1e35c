//! Keys of four pieces in a vector of 512 bits, and their look-up in a cache's table of small
//! pieces.

use crate::token_counter::cache::{HASH_FACTOR, SMALL_BITS, TAG_ROTATION};
use crate::token_counter::split::block::WINDOW;
use core::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm512_add_epi8, _mm512_and_si512, _mm512_castsi128_si512, _mm512_cmpgt_epu8_mask,
    _mm512_inserti32x4, _mm512_mask_add_epi64, _mm512_maskz_mov_epi8, _mm512_maskz_permutexvar_epi8, _mm512_mullo_epi64, _mm512_or_si512,
    _mm512_rolv_epi64, _mm512_set_epi32, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set4_epi32, _mm512_set4_epi64, _mm512_shuffle_epi8,
    _mm512_shuffle_epi32, _mm512_srli_epi64, _mm512_srlv_epi64, _mm512_ternarylogic_epi64, _mm512_testn_epi64_mask, _mm512_xor_si512,
};

/// Pieces of a vector of keys.
pub(crate) const FOUR: usize = 4;
/// Of the upper half of a key: its length, and there the count.
const TOP_BYTE: i64 = (0xffu64 << 56) as i64;
const COUNT: i64 = (0xfu64 << 60) as i64;
/// Swaps the halves of every 16 bytes.
const SWAPPED: i32 = 0b01_00_11_10;

/// The bytes 0 to 64.
pub(crate) static COUNTING: [u8; WINDOW + 1] = {
    let mut bytes = [0; WINDOW + 1];
    let mut at = 0;
    while at <= WINDOW {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
};

/// Each of 16 bytes: of the piece, zeros behind it, and its length on top, as `Cache::small_place`
/// has them.
#[derive(Clone, Copy)]
pub(crate) struct FourKeys(__m512i);

/// Of all functions here.
///
/// # Safety
/// The machine must have AVX-512, as far as `Vectors::Avx512` goes.
impl FourKeys {
    /// Of the pieces at four places, at each of which 16 bytes are readable. `lens`: their lengths,
    /// the first one's lowest.
    #[inline(always)]
    pub(crate) unsafe fn read(at: impl Fn(usize) -> *const u8, lens: u32) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let bytes = four_of(at);
            let lens = _mm512_shuffle_epi8(_mm512_set1_epi32(lens as i32), spread(0));
            Self::new(_mm512_maskz_mov_epi8(_mm512_cmpgt_epu8_mask(lens, counting()), bytes), lens)
        }
    }

    /// Of the pieces `four * 4` and on of a window, of which `starts` and `lens` have 16 in each of
    /// their quarters.
    #[inline(always)]
    pub(crate) unsafe fn of_window(window: __m512i, starts: __m512i, lens: __m512i, four: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let (starts, lens) = (_mm512_shuffle_epi8(starts, spread(four)), _mm512_shuffle_epi8(lens, spread(four)));
            let inside = _mm512_cmpgt_epu8_mask(lens, counting());
            Self::new(_mm512_maskz_permutexvar_epi8(inside, _mm512_add_epi8(starts, counting()), window), lens)
        }
    }

    #[inline(always)]
    unsafe fn new(bytes: __m512i, lens: __m512i) -> Self {
        // SAFETY: the caller's. bytes | lens & top_byte
        unsafe { Self(_mm512_ternarylogic_epi64::<0xf8>(bytes, lens, _mm512_set4_epi64(TOP_BYTE, 0, TOP_BYTE, 0))) }
    }

    /// Where they are in a table, in bytes: in both halves of each.
    #[inline(always)]
    pub(crate) unsafe fn offsets(self) -> __m512i {
        // SAFETY: the caller's.
        unsafe {
            let rotation = _mm512_set4_epi64(i64::from(TAG_ROTATION), 0, i64::from(TAG_ROTATION), 0);
            let rotated = _mm512_rolv_epi64(self.0, rotation);
            let mixed = _mm512_xor_si512(rotated, _mm512_shuffle_epi32::<SWAPPED>(rotated));
            let hash = _mm512_mullo_epi64(mixed, _mm512_set1_epi64(HASH_FACTOR as i64));
            let offset_bits = _mm512_set1_epi64(((1 << SMALL_BITS) - 1) << 4);
            _mm512_and_si512(_mm512_srli_epi64::<{ 64 - SMALL_BITS - 4 }>(hash), offset_bits)
        }
    }

    /// Adds the counts of those that the table has to `counts`; bit `2 * i` of the mask: it has the
    /// i-th.
    #[inline(always)]
    pub(crate) unsafe fn look_up(self, table: *const u8, offsets: &[u64; 8], counts: __m512i) -> (__m512i, u8) {
        // SAFETY: the caller's; these are offsets in the table.
        unsafe {
            let but_count = _mm512_set4_epi64(!COUNT, -1, !COUNT, -1);
            let to_count = _mm512_set4_epi64(60, 64, 60, 64);
            let slots = four_of(|i| table.add(offsets[i * 2] as usize));
            // (slots ^ key) & but_count
            let differing = _mm512_ternarylogic_epi64::<0x28>(slots, self.0, but_count);
            let differing = _mm512_or_si512(differing, _mm512_shuffle_epi32::<SWAPPED>(differing));
            let same = _mm512_testn_epi64_mask(differing, differing);
            (_mm512_mask_add_epi64(counts, same, counts, _mm512_srlv_epi64(slots, to_count)), same)
        }
    }
}

/// 0 to 15, four times.
#[inline(always)]
unsafe fn counting() -> __m512i {
    // SAFETY: the caller's.
    unsafe { _mm512_set4_epi32(0x0f0e_0d0c, 0x0b0a_0908, 0x0706_0504, 0x0302_0100) }
}

/// Takes each of four bytes, from the `four * 4`-th on, to all of its 16.
#[inline(always)]
unsafe fn spread(four: usize) -> __m512i {
    let lane = |i: usize| (four * FOUR + i) as i32 * 0x0101_0101;
    let [a, b, c, d] = [lane(0), lane(1), lane(2), lane(3)];
    // SAFETY: the caller's.
    unsafe { _mm512_set_epi32(d, d, d, d, c, c, c, c, b, b, b, b, a, a, a, a) }
}

/// The 16 bytes at four places.
#[inline(always)]
unsafe fn four_of(at: impl Fn(usize) -> *const u8) -> __m512i {
    // SAFETY: the caller's: 16 bytes are readable at each.
    unsafe {
        let load = |i| _mm_loadu_si128(at(i).cast::<__m128i>());
        let bytes = _mm512_castsi128_si512(load(0));
        let bytes = _mm512_inserti32x4::<1>(bytes, load(1));
        let bytes = _mm512_inserti32x4::<2>(bytes, load(2));
        _mm512_inserti32x4::<3>(bytes, load(3))
    }
}
