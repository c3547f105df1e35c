//! Counts an ASCII text of one window, where every branch that is predicted wrongly would cost as
//! much as all look-ups: four or sixteen pieces are always looked up, the missing ones are empty.
//! Units are read in the sizes in which V8 wrote them, so that store forwarding works.

use crate::token_counter::avx512::classify::classify_ascii;
use crate::token_counter::avx512::four_keys::{COUNTING, FOUR, FourKeys};
use crate::token_counter::bpe::key::{Key, MAX_KEY};
use crate::token_counter::bpe::piece::Piece;
use crate::token_counter::cache::{Cache, SmallTable};
use crate::token_counter::encoding::Encoding;
use crate::token_counter::lookup::counter::Counter;
use crate::token_counter::split::block::WINDOW;
use crate::token_counter::split::block::Wide;
use crate::token_counter::split::pattern::{Pattern, rules};
use crate::token_counter::split::window::starts_of;
use crate::token_counter::text::Text;
use core::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_insert_epi16, _mm_loadu_si128, _mm_maskz_mov_epi16, _mm_or_si128, _mm_packus_epi16, _mm_set1_epi16,
    _mm_setzero_si128, _mm_test_epi16_mask, _mm256_castsi256_si128, _mm256_cmpgt_epi8_mask, _mm256_extracti128_si256, _mm256_set1_epi8,
    _mm256_sub_epi8, _mm512_broadcast_i32x4, _mm512_castsi512_si256, _mm512_inserti32x4, _mm512_loadu_si512, _mm512_maskz_broadcast_i32x4,
    _mm512_maskz_compress_epi8, _mm512_reduce_add_epi64, _mm512_setzero_si512, _mm512_storeu_si512, _pext_u32,
};
use std::mem::MaybeUninit;

const SIXTEEN: usize = 16;
/// With more pieces than this a text is not counted here.
const MOST: usize = 2 * SIXTEEN;

impl Encoding {
    /// The number of tokens of the first `len` units, if this is a text for this file; `text` is
    /// overwritten.
    ///
    /// # Safety
    /// `READ` units must be readable, and the machine must have the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(crate) unsafe fn count_short(&self, cache: &mut Cache, text: &mut Text, units: *const u16, len: usize) -> Option<u32> {
        if len == 0 || len > WINDOW {
            return None;
        }
        // SAFETY: the caller's; `set_block` writes a window and its padding; the pieces are the
        // text's.
        unsafe {
            let block = ascii(units, len)?;
            let at = text.set_block(block, len);
            let masks = classify_ascii(block);
            let found = match self.pattern {
                Pattern::Cl100k => starts_of::<{ rules::CL100K }>(at, masks, Wide::default(), len, true, self.cuts()),
                Pattern::O200k => starts_of::<{ rules::O200K }>(at, masks, Wide::default(), len, true, self.cuts()),
                Pattern::O200kDigits => starts_of::<{ rules::O200K_DIGITS }>(at, masks, Wide::default(), len, true, self.cuts()),
                _ => return None,
            };
            if found.end == 0 {
                return None;
            }
            let table = cache.small_table();
            let (count, unknown) = if len <= MAX_KEY && found.starts.count_ones() as usize <= FOUR {
                look_up_four(table, at, found.starts, len)
            } else {
                look_up_block(table, block, found.starts, len)?
            };
            // Those that are not there are of no interest.
            let unknown = unknown & (u64::MAX >> (64 - found.starts.count_ones())) as u32;
            Some(if unknown == 0 { count } else { count + self.count_each_of(cache, text, found.starts, unknown) })
        }
    }

    /// Counts some pieces of the text: bit i of `which` is that of the i-th.
    #[inline(never)]
    fn count_each_of(&self, cache: &mut Cache, text: &Text, mut starts: u64, mut which: u32) -> u32 {
        let mut counter = Counter::new(&self.vocabulary, cache, text, u32::MAX);
        while which != 0 {
            let start = starts.trailing_zeros() as usize;
            starts &= starts - 1;
            if which & 1 != 0 {
                let end = text.len().min(starts.trailing_zeros() as usize);
                counter.unknown[counter.unknown_len].write(Piece::new(start, end - start));
                counter.unknown_len += 1;
            }
            which >>= 1;
        }
        counter.total()
    }
}

/// The bytes of the first `len` units, and zeros behind them; none if there are others than ASCII.
#[inline(always)]
unsafe fn ascii(units: *const u16, len: usize) -> Option<__m512i> {
    let wholes = len / SIXTEEN;
    // SAFETY: as for `count_short`.
    unsafe {
        let [low, high] = one_by_one(units.add(wholes * SIXTEEN), len % SIXTEEN);
        let mut all = _mm_or_si128(low, high);
        let mut block = _mm512_maskz_broadcast_i32x4((0xf << (wholes * 4)) as u16, _mm_packus_epi16(low, high));
        macro_rules! whole {
            ($($whole:literal)*) => { $(
                if wholes > $whole {
                    let at = units.add($whole * SIXTEEN);
                    let (low, high) = (_mm_loadu_si128(at.cast()), _mm_loadu_si128(at.add(SIXTEEN / 2).cast()));
                    all = _mm_or_si128(all, _mm_or_si128(low, high));
                    block = _mm512_inserti32x4::<$whole>(block, _mm_packus_epi16(low, high));
                }
            )* };
        }
        whole!(0 1 2 3);
        (_mm_test_epi16_mask(all, _mm_set1_epi16(!0x7f)) == 0).then_some(block)
    }
}

/// The first `len` of 16 units, and zeros. V8 writes what is left of a string behind whole sixteens
/// unit by unit.
#[inline(always)]
unsafe fn one_by_one(units: *const u16, len: usize) -> [__m128i; 2] {
    // SAFETY: as for `count_short`. Volatile, or the compiler would make one load of all.
    let unit = |i: usize| i32::from(unsafe { units.add(i).read_volatile() });
    macro_rules! eight {
        ($from:literal: $($i:literal)*) => {{
            // SAFETY: plain arithmetic; the caller has AVX-512.
            unsafe {
                let units = _mm_setzero_si128();
                $( let units = _mm_insert_epi16::<$i>(units, unit($from + $i)); )*
                _mm_maskz_mov_epi16((((1u32 << len) - 1) >> $from) as u8, units)
            }
        }};
    }
    [eight!(0: 0 1 2 3 4 5 6 7), eight!(8: 0 1 2 3 4 5 6 7)]
}

/// The tokens of those of up to four pieces of 15 bytes that are known, and a bit for each that is
/// not: few enough to be faster without vectors, where less has to be waited for.
///
/// # Safety
/// `len` bytes with pieces at `starts`, and the padding of a text, are readable at `at`; the table
/// is alive.
#[inline(always)]
unsafe fn look_up_four(table: SmallTable, at: *const u8, starts: u64, len: usize) -> (u32, u32) {
    let mut rest = starts & (starts - 1);
    let (mut from, mut total, mut unknown) = (0, 0, 0);
    for i in 0..FOUR {
        let to = (rest.trailing_zeros() as usize).min(len);
        rest &= rest.wrapping_sub(1);
        // SAFETY: the caller's.
        let (known, count) = unsafe { table.find(Cache::small_place(Key::read(at.add(from), to - from), to - from)) };
        total += if known { count } else { 0 };
        unknown |= u32::from(!known) << i;
        from = to;
    }
    (total, unknown)
}

/// The same for pieces of a block, unless one is long or they are too many.
///
/// # Safety
/// The machine must have the instructions, the `len` bytes of the block have pieces at `starts`,
/// and the table is alive.
#[inline(always)]
unsafe fn look_up_block(table: SmallTable, block: __m512i, starts: u64, len: usize) -> Option<(u32, u32)> {
    // SAFETY: the caller's.
    unsafe {
        let from = compressed(starts, 0);
        let lens = _mm256_sub_epi8(compressed(starts >> 1 | 1 << (len - 1), 1), from);
        let count = starts.count_ones() as usize;
        if count > MOST || _mm256_cmpgt_epi8_mask(lens, _mm256_set1_epi8(MAX_KEY as i8)) != 0 {
            return None;
        }
        let (low, low_lens) = (_mm256_castsi256_si128(from), _mm256_castsi256_si128(lens));
        if count <= FOUR {
            return Some(look_up_fours::<1>(table, block, low, low_lens));
        }
        let (total, unknown) = look_up_fours::<{ SIXTEEN / FOUR }>(table, block, low, low_lens);
        if count <= SIXTEEN {
            return Some((total, unknown));
        }
        let (high, high_lens) = (_mm256_extracti128_si256::<1>(from), _mm256_extracti128_si256::<1>(lens));
        let (more, more_unknown) = look_up_fours::<{ SIXTEEN / FOUR }>(table, block, high, high_lens);
        Some((total + more, unknown | more_unknown << SIXTEEN))
    }
}

/// The same for four or sixteen pieces that begin at `from`.
///
/// # Safety
/// As for `look_up_block`.
#[inline(always)]
unsafe fn look_up_fours<const FOURS: usize>(table: SmallTable, block: __m512i, from: __m128i, lens: __m128i) -> (u32, u32) {
    let table = table.0.cast::<u8>();
    // SAFETY: the caller's.
    unsafe {
        let (from, lens) = (_mm512_broadcast_i32x4(from), _mm512_broadcast_i32x4(lens));
        let mut keys = [const { MaybeUninit::<FourKeys>::uninit() }; FOURS];
        let mut offsets = [[0u64; 2 * FOUR]; FOURS];
        for four in 0..FOURS {
            let key = FourKeys::of_window(block, from, lens, four);
            keys[four].write(key);
            _mm512_storeu_si512(offsets[four].as_mut_ptr().cast(), key.offsets());
        }
        let mut counts = _mm512_setzero_si512();
        let mut known = 0;
        for four in 0..FOURS {
            let (added, same) = keys[four].assume_init().look_up(table, &offsets[four], counts);
            counts = added;
            known |= u32::from(same) << (four * 2 * FOUR);
        }
        (_mm512_reduce_add_epi64(counts) as u32, _pext_u32(!known, 0x5555_5555))
    }
}

/// Where the first 32 of the bits are, `first` added.
#[inline(always)]
unsafe fn compressed(bits: u64, first: usize) -> __m256i {
    // SAFETY: as for `count_short`; of `COUNTING` 64 bytes are read.
    unsafe { _mm512_castsi512_si256(_mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(COUNTING.as_ptr().add(first).cast()))) }
}

#[cfg(test)]
mod tests {
    use crate::token_counter::split::block::READ;
    use crate::token_counter::{Cache, Text, encoding};
    use proptest::prelude::*;

    /// Twice each, so that pieces are met unknown and known, and with something else behind.
    fn check(units: &[u16], behind: u16) {
        let mut buffer = vec![behind; units.len() + READ];
        buffer[..units.len()].copy_from_slice(units);
        for vocabulary in 0..4 {
            let (mut text, mut cache) = (Text::new(), Cache::default());
            text.set_utf16(units);
            let expected = encoding(vocabulary).count(&mut Cache::default(), &text, u32::MAX);
            for _ in 0..2 {
                let count = encoding(vocabulary).count_utf16(&mut cache, &mut text, &buffer, units.len(), u32::MAX);
                assert_eq!(count, expected, "{vocabulary} {:?}", String::from_utf16_lossy(units));
            }
            let count = encoding(vocabulary).count_utf16(&mut cache, &mut text, units, units.len(), u32::MAX);
            assert_eq!(count, expected, "without anything behind");
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            8 => " ?[a-zA-Z]{1,9}",
            2 => "[a-z]{12,18}",
            2 => "[ \t\r\n]{1,3}",
            2 => "[!-/:-@]{1,4}",
            2 => "[0-9]{1,9}",
            2 => "'(s|S|t|re|VE|m|ll|lL|d|x)?",
            1 => "[\u{0}-\u{7f}]{1,3}",
        ];
        prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat().chars().take(70).collect())
    }

    proptest! {
        #![proptest_config(crate::long::cases(10_000))]
        #[test]
        fn short_texts_count_as_others_do(text in any_text(), other in any::<u16>(), at in 0usize..2000, behind in any::<u16>()) {
            let mut units: Vec<u16> = text.encode_utf16().collect();
            check(&units, behind);
            if let Some(unit) = units.get_mut(at) {
                *unit = other;
                check(&units, behind);
            }
        }
    }

    #[test]
    fn every_length_and_number_of_pieces() {
        for len in 0..=66 {
            for pieces in ["a", "1,", " a", "a b c ", "word and word "] {
                let units: Vec<u16> = pieces.encode_utf16().cycle().take(len).collect();
                check(&units, b'x'.into());
            }
        }
    }

    #[test]
    fn every_unit_at_every_place() {
        let text = "Any text that has 60 bytes, or a few: no more than a window.";
        for at in [0, 1, 14, 15, 16, 31, 32, 47, 48, 58, 59] {
            for unit in [0, 0x7f, 0x80, 0xff, 0x100, 0x161, 0x7fff, 0x8000, 0x8061, 0xd800, 0xdc00, 0xff41, 0xffff] {
                let mut units: Vec<u16> = text.encode_utf16().collect();
                units[at] = unit;
                check(&units, 0x8061);
                check(&units[..(at + 1).min(12)], 0x61);
            }
        }
    }
}
