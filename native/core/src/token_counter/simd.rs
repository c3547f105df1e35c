//! What is done by vectors, where the processor has them: one implementation for each kind of
//! processor, all with the same results.

use crate::token_counter::split::block::{Masks, Wide};

/// The characters beyond ASCII of a window.
pub struct WideCharacters<'a> {
    /// Where the window is; four bytes are readable behind each character's first one.
    pub at: *const u8,
    pub len: usize,
    /// The first bytes of the characters, and the others.
    pub leads: u64,
    pub inner: u64,
    /// The vocabulary's bitmap, see `cuts.rs`.
    pub spanned: &'a [u8],
}

/// A kind of processor.
pub trait Simd {
    /// Whether pieces are listed first, and looked up sixteen at a time.
    #[cfg(target_arch = "x86_64")]
    const LISTS_PIECES: bool = false;

    /// The classes of 64 bytes.
    ///
    /// # Safety
    /// 64 bytes must be readable at `at`, and the machine must have the implementation's
    /// instructions.
    unsafe fn classify(at: *const u8) -> Masks;

    /// The bytes of characters beyond ASCII, but for the first of each.
    ///
    /// # Safety
    /// As for `classify`.
    unsafe fn inner_bytes(at: *const u8) -> u64;

    /// Classifies characters up to the first that bit operations cannot place; returns where it is,
    /// or the window's length.
    ///
    /// # Safety
    /// As for `classify`; the characters are whole, and the bitmap is a vocabulary's.
    unsafe fn classify_wide(characters: &WideCharacters, masks: &mut Masks) -> (usize, Wide);

    /// Writes UTF-16 as UTF-8 and returns the length. A lone surrogate becomes U+FFFD.
    ///
    /// # Safety
    /// `out` must have room for `3 * units.len() + 64` bytes, and the machine must have the
    /// implementation's instructions.
    unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize;
}
