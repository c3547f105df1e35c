//! What is known of the 64 bytes of a window.

/// Bytes of a window.
pub const WINDOW: usize = 64;
/// Units that have to be readable from a text's start on, however short it is, to be counted as one
/// window.
#[cfg(target_arch = "x86_64")]
pub const READ: usize = WINDOW + 16;

/// Bit i: byte i of the window belongs to the class.
#[derive(Default, Clone, Copy)]
pub struct Masks {
    pub upper: u64,
    pub lower: u64,
    pub digit: u64,
    pub space: u64,
    /// White space but for line ends.
    pub blank: u64,
    pub line: u64,
    pub quote: u64,
    /// Line ends and slashes: joined as vectors, since the compiler takes a union of two masks
    /// apart into 64 scalar steps.
    pub line_or_slash: u64,
    /// Not ASCII.
    pub high: u64,
}

/// What a window's masks do not tell of these characters.
#[derive(Default, Clone, Copy)]
pub struct Wide {
    /// Letters that o200k takes for upper and for lower case.
    pub either: u64,
    /// In o200k a part of words too, or of punctuation, elsewhere punctuation.
    pub marks: u64,
    /// All bytes of a character but its first.
    pub inner: u64,
    /// The characters, by their first byte, behind which and another of them no token is: where a
    /// piece may be cut, see `cuts.rs`.
    pub cuts: u64,
}

impl Wide {
    /// Where the characters end, in the next byte, that start at `starts`.
    #[inline(always)]
    pub fn behind(self, starts: u64) -> u64 {
        let second = starts << 1;
        // Adding a bit to a run of ones clears it and sets the bit behind it.
        (second & self.inner).wrapping_add(self.inner) & !self.inner | second & !self.inner
    }
}
