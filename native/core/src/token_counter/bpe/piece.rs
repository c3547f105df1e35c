//! A short piece of the text, in one integer.

/// Where in the text it starts, and its length in the low bits.
#[derive(Clone, Copy)]
pub struct Piece(u64);

pub(crate) const LEN_BITS: u32 = 9;

impl Piece {
    /// A piece below 512 bytes.
    #[inline(always)]
    pub fn new(start: usize, len: usize) -> Self {
        debug_assert!(len < 1 << LEN_BITS);
        Self((start as u64) << LEN_BITS | len as u64)
    }

    #[inline(always)]
    pub fn start(self) -> usize {
        (self.0 >> LEN_BITS) as usize
    }

    #[inline(always)]
    pub fn len(self) -> usize {
        (self.0 & ((1 << LEN_BITS) - 1)) as usize
    }
}
