//! Pieces that are listed first and looked up many at a time.

use crate::token_counter::split::block::WINDOW;
#[cfg(target_arch = "x86_64")]
use std::mem::MaybeUninit;

/// Pieces that are listed, to be looked up sixteen at a time.
pub const LISTED: usize = 3 * WINDOW;

/// Pieces of up to 15 bytes, in the order of the text.
#[cfg(target_arch = "x86_64")]
pub struct Listed {
    pub starts: [MaybeUninit<u32>; LISTED + WINDOW],
    pub lens: [MaybeUninit<u8>; LISTED + WINDOW],
    pub len: usize,
}

#[cfg(target_arch = "x86_64")]
impl Listed {
    #[inline(always)]
    pub fn new() -> Self {
        Self { starts: [const { MaybeUninit::uninit() }; _], lens: [const { MaybeUninit::uninit() }; _], len: 0 }
    }
}
