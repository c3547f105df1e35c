//! Looks up pieces with vectors of 512 bits: four keys to a vector, sixteen pieces a step. The
//! windows only list the pieces; the places of a full list are computed and requested before any is
//! read. No branch depends on a piece.

use crate::runtime::prefetch::prefetch;
use crate::token_counter::avx512::four_keys::{COUNTING, FOUR, FourKeys};
use crate::token_counter::bpe::key::MAX_KEY;
use crate::token_counter::bpe::piece::LEN_BITS;
use crate::token_counter::lookup::counter::{Counter, FAMILIAR_SHARE};
use crate::token_counter::lookup::listed::LISTED;
use crate::token_counter::split::block::WINDOW;
use core::arch::x86_64::{
    __m128i, _mm_setzero_si128, _mm_storeu_si128, _mm256_loadu_si256, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpgt_epu8_mask,
    _mm512_cvtepu8_epi32, _mm512_cvtepu8_epi64, _mm512_cvtepu32_epi64, _mm512_extracti32x4_epi32, _mm512_loadu_si512,
    _mm512_maskz_compress_epi8, _mm512_maskz_compress_epi64, _mm512_or_si512, _mm512_reduce_add_epi64, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_slli_epi64, _mm512_storeu_si512, _mm512_sub_epi8,
};
use std::mem::MaybeUninit;

/// Pieces of a step.
const SIXTEEN: usize = 16;

impl Counter<'_> {
    /// Writes down the pieces of a window; long ones are counted or wait elsewhere.
    ///
    /// # Safety
    /// As for `Pieces::window`, the machine has AVX-512, and there is room for one window.
    #[inline(always)]
    pub(crate) unsafe fn list(&mut self, base: usize, starts: u64, end: usize) {
        // SAFETY: the caller's.
        unsafe {
            let last_bytes = starts >> 1 | 1 << (end - 1);
            let mut from = _mm512_maskz_compress_epi8(starts, _mm512_loadu_si512(COUNTING.as_ptr().cast()));
            let to = _mm512_maskz_compress_epi8(last_bytes, _mm512_loadu_si512(COUNTING.as_ptr().add(1).cast()));
            let mut lens = _mm512_sub_epi8(to, from);
            let mut count = starts.count_ones() as usize;
            let long = _mm512_cmpgt_epu8_mask(lens, _mm512_set1_epi8(MAX_KEY as i8));
            if long != 0 {
                self.count_long_of(base, starts, last_bytes, long);
                from = _mm512_maskz_compress_epi8(!long, from);
                lens = _mm512_maskz_compress_epi8(!long, lens);
                count -= long.count_ones() as usize;
            }
            let base = _mm512_set1_epi32(base as i32);
            let to = self.listed.starts.as_mut_ptr().add(self.listed.len);
            let store = |part: usize, from: __m128i| {
                _mm512_storeu_si512(to.add(part * SIXTEEN).cast(), _mm512_add_epi32(base, _mm512_cvtepu8_epi32(from)));
            };
            store(0, _mm512_castsi512_si128(from));
            store(1, _mm512_extracti32x4_epi32::<1>(from));
            // Behind the last one come empty pieces at the window's start, up to a whole vector of
            // keys.
            if count > 2 * SIXTEEN - FOUR {
                store(2, _mm512_extracti32x4_epi32::<2>(from));
                store(3, _mm512_extracti32x4_epi32::<3>(from));
            }
            _mm512_storeu_si512(self.listed.lens.as_mut_ptr().add(self.listed.len).cast(), lens);
            self.listed.len += count;
            if count > WINDOW - FOUR {
                _mm512_storeu_si512(to.add(count).cast(), base);
                _mm_storeu_si128(self.listed.lens.as_mut_ptr().add(self.listed.len).cast(), _mm_setzero_si128());
            }
        }
    }

    /// Counts pieces of a window above 15 bytes: the `long`-th of those that start at `starts` and
    /// end behind `last_bytes`.
    ///
    /// # Safety
    /// As for `list`.
    #[inline(never)]
    unsafe fn count_long_of(&mut self, base: usize, mut starts: u64, mut last_bytes: u64, mut long: u64) {
        while long != 0 {
            let (start, last) = (starts.trailing_zeros() as usize, last_bytes.trailing_zeros() as usize);
            starts &= starts - 1;
            last_bytes &= last_bytes - 1;
            if long & 1 != 0 {
                // SAFETY: the caller's.
                self.total += unsafe { self.count_long_later(base + start, last + 1 - start) };
            }
            long >>= 1;
        }
    }

    /// Looks up what is listed.
    ///
    /// # Safety
    /// The machine must have the instructions; the listed pieces are pieces of the text.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(crate) unsafe fn look_up_listed(&mut self) {
        let len = std::mem::take(&mut self.listed.len);
        let mut keys = [const { MaybeUninit::<FourKeys>::uninit() }; LISTED / FOUR];
        let mut offsets = [const { MaybeUninit::<[u64; 8]>::uninit() }; LISTED / FOUR];
        let table = self.cache.small_table().0.cast::<u8>();
        let before = self.unknown_len;
        // SAFETY: the caller's. Behind the list come empty pieces, see `list`.
        unsafe {
            if self.cache.is_familiar {
                self.find_places::<false>(len, &mut keys, &mut offsets, table);
            } else {
                self.find_places::<true>(len, &mut keys, &mut offsets, table);
            }
            self.read_places(len, &keys, &offsets, table);
        }
        self.cache.is_familiar = (self.unknown_len - before) * FAMILIAR_SHARE < len;
    }

    /// Where the listed pieces are in the table, as byte offsets, and what is there if they are
    /// known; asks for it if `ASK`.
    #[inline(always)]
    unsafe fn find_places<const ASK: bool>(
        &self,
        len: usize,
        keys: &mut [MaybeUninit<FourKeys>; LISTED / FOUR],
        offsets: &mut [MaybeUninit<[u64; 8]>; LISTED / FOUR],
        table: *const u8,
    ) {
        // SAFETY: as for `look_up_listed`; a key's 16 bytes are readable, as the text is padded.
        unsafe {
            for four in 0..len.div_ceil(FOUR) {
                let at = self.listed.starts.as_ptr().cast::<u32>().add(four * FOUR);
                let lens = self.listed.lens.as_ptr().add(four * FOUR).cast::<u32>().read_unaligned();
                let key = FourKeys::read(|i| self.start.add(*at.add(i) as usize), lens);
                keys.get_unchecked_mut(four).write(key);
                let offsets = offsets.get_unchecked_mut(four).as_mut_ptr();
                _mm512_storeu_si512(offsets.cast(), key.offsets());
                if ASK {
                    for i in 0..FOUR {
                        prefetch(table.add((*offsets)[i * 2] as usize));
                    }
                }
            }
        }
    }

    /// Adds up the counts of the known pieces, and writes the others behind those that are unknown
    /// already.
    #[inline(always)]
    unsafe fn read_places(
        &mut self,
        len: usize,
        keys: &[MaybeUninit<FourKeys>; LISTED / FOUR],
        offsets: &[MaybeUninit<[u64; 8]>; LISTED / FOUR],
        table: *const u8,
    ) {
        // SAFETY: as for `look_up_listed`; `find_places` has written all that is read.
        unsafe {
            let mut counts = _mm512_setzero_si512();
            let mut unknown_len = self.unknown_len;
            let mut done = 0;
            while done < len {
                let fours = (len - done).div_ceil(FOUR).min(SIXTEEN / FOUR);
                let mut known = 0u32;
                for i in 0..SIXTEEN / FOUR {
                    if i >= fours {
                        break;
                    }
                    let four = done / FOUR + i;
                    let key = keys.get_unchecked(four).assume_init();
                    let (added, same) = key.look_up(table, offsets.get_unchecked(four).assume_init_ref(), counts);
                    counts = added;
                    known |= u32::from(same) << (i * 8);
                }
                let known = core::arch::x86_64::_pext_u32(known, 0x5555_5555);
                let unknown = !known & (u64::MAX >> (64 - (len - done).min(SIXTEEN))) as u32;
                if unknown != 0 {
                    for half in 0..2 {
                        let at = done + half * 8;
                        let starts = _mm512_cvtepu32_epi64(_mm256_loadu_si256(self.listed.starts.as_ptr().add(at).cast()));
                        let lens = _mm512_cvtepu8_epi64(core::arch::x86_64::_mm_loadl_epi64(self.listed.lens.as_ptr().add(at).cast()));
                        let pieces = _mm512_or_si512(_mm512_slli_epi64::<LEN_BITS>(starts), lens);
                        let which = (unknown >> (half * 8)) as u8;
                        let to = self.unknown.as_mut_ptr().add(unknown_len);
                        _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi64(which, pieces));
                        unknown_len += which.count_ones() as usize;
                    }
                }
                done += SIXTEEN;
            }
            self.unknown_len = unknown_len;
            self.total += _mm512_reduce_add_epi64(counts) as u32;
        }
    }
}
