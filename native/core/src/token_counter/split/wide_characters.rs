//! The characters beyond ASCII in a window: their bytes join the masks of their class, so that the
//! window need not end before them.

use crate::token_counter::simd::{Simd, WideCharacters};
use crate::token_counter::split::block::{Masks, Wide};

/// Whether pieces are cut at such characters, by their first byte: Chinese and Japanese,
/// punctuation and signs, and what takes four bytes. In scripts that have spaces a word is known as
/// a whole more often.
#[inline(always)]
pub fn is_cut_at(lead: u8) -> bool {
    matches!(lead, 0xe2..=0xe9 | 0xef..)
}

/// Classifies the characters whose bytes are `high`, up to the first that the window's bit
/// operations cannot place: a number, which counts by characters, white space, or one that is not
/// whole. Returns how many bytes are left before it.
///
/// # Safety
/// `spanned` is a vocabulary's, and the machine has `C`'s instructions. A character starts at the
/// first `high` byte, `high` has bits below `len` only, and four bytes are readable behind each.
#[inline(always)]
pub unsafe fn classify<C: Simd>(at: *const u8, len: usize, high: u64, spanned: &[u8], masks: &mut Masks) -> (usize, Wide) {
    // SAFETY: the caller's.
    unsafe {
        let inner = C::inner_bytes(at) & high;
        let mut leads = high & !inner;
        let last = leads.ilog2();
        let reaches_beyond = last as usize + Character::read(at.add(last as usize)).width as usize > len;
        leads ^= u64::from(reaches_beyond) << last;
        let len = if reaches_beyond { last as usize } else { len };
        C::classify_wide(&WideCharacters { at, len, leads, inner, spanned }, masks)
    }
}

/// The bytes of a character beyond ASCII, and what may be of the next one, the first one highest.
#[derive(Clone, Copy)]
pub struct Character {
    bytes: u32,
    pub width: u32,
}

impl Character {
    /// # Safety
    /// Four bytes must be readable at `at`, where such a character starts.
    #[inline(always)]
    pub unsafe fn read(at: *const u8) -> Self {
        // SAFETY: the caller's.
        let bytes = u32::from_be(unsafe { at.cast::<u32>().read_unaligned() });
        Self { bytes, width: (!bytes).leading_zeros() }
    }

    #[inline(always)]
    pub fn lead(self) -> u8 {
        (self.bytes >> 24) as u8
    }

    #[inline(always)]
    pub fn last(self) -> u8 {
        (self.bytes >> (32 - 8 * self.width)) as u8
    }

    /// As `cuts.rs` wants it.
    #[inline(always)]
    pub fn key(self) -> u32 {
        self.bytes.swap_bytes() & u32::MAX >> (32 - 8 * self.width)
    }

    #[inline(always)]
    pub fn point(self) -> u32 {
        // Six bits of each byte but the first, put together in pairs; then what belongs to the next
        // character goes, and what tells the width.
        let pairs = (self.bytes & 0xff00_3f00) >> 2 | self.bytes & 0x003f_003f;
        let all = pairs >> 4 & 0x03ff_f000 | pairs & 0x0fff;
        (all >> (24 - 6 * self.width)) & ((2 << (5 * self.width)) - 1)
    }
}
