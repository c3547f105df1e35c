//! Text as the scanner wants it: valid UTF-8 with readable bytes behind its end, so that wide loads
//! need no bound checks.

pub mod utf16_to_utf8;

use self::utf16_to_utf8::to_utf8;

/// Readable zero bytes behind the end: one 64-byte window and one 16-byte key.
pub const PADDING: usize = 80;

#[cfg(target_arch = "x86_64")]
const BLOCK: usize = 64;

/// A reusable buffer of valid UTF-8, followed by [`PADDING`] zeros.
#[derive(Default)]
pub struct Text {
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    /// Without memory of its own yet.
    pub const EMPTY: Self = Self { bytes: Vec::new(), len: 0 };

    #[must_use]
    pub fn new() -> Self {
        Self::EMPTY
    }

    /// The UTF-8, without the padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Points at `len() + PADDING` readable bytes, or dangles when nothing was ever set.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes a string.
    pub fn set(&mut self, text: &str) {
        self.reserve(text.len());
        self.bytes[..text.len()].copy_from_slice(text.as_bytes());
        self.finish(text.len());
    }

    /// Takes UTF-16; a lone surrogate becomes U+FFFD.
    pub fn set_utf16(&mut self, units: &[u16]) {
        // A unit is at most three bytes.
        self.reserve(units.len() * 3);
        // SAFETY: `reserve` made room for three bytes per unit and the padding.
        let len = unsafe { to_utf8(units, self.bytes.as_mut_ptr()) };
        self.finish(len);
    }

    /// Appends a string.
    pub(crate) fn push_str(&mut self, text: &str) {
        let end = self.len + text.len();
        self.grow(end + PADDING);
        self.bytes[self.len..end].copy_from_slice(text.as_bytes());
        self.finish(end);
    }

    /// Appends UTF-16; a lone surrogate becomes U+FFFD.
    pub(crate) fn push_utf16(&mut self, units: &[u16]) {
        self.grow(self.len + units.len() * 3 + PADDING);
        // SAFETY: room for three bytes per unit and the padding behind what is there.
        let added = unsafe { to_utf8(units, self.bytes.as_mut_ptr().add(self.len)) };
        self.finish(self.len + added);
    }

    /// Lets `work` see the first `len` bytes, which end with a character, as if they were the text.
    pub(crate) fn with_first<R>(&mut self, len: usize, work: impl FnOnce(&Self) -> R) -> R {
        let whole = self.len;
        let mut behind = [0; PADDING];
        behind.copy_from_slice(&self.bytes[len..len + PADDING]);
        self.finish(len);
        let result = work(self);
        self.bytes[len..len + PADDING].copy_from_slice(&behind);
        self.len = whole;
        result
    }

    /// Removes the first `len` bytes, which end with a character.
    pub(crate) fn remove_first(&mut self, len: usize) {
        if len > 0 {
            self.bytes.copy_within(len..self.len + PADDING, 0);
            self.len -= len;
        }
    }

    /// Takes a block of which `len` bytes are ASCII and the others zero; returns where it is.
    ///
    /// # Safety
    /// The machine must have AVX-512.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) unsafe fn set_block(&mut self, block: core::arch::x86_64::__m512i, len: usize) -> *const u8 {
        self.reserve(BLOCK);
        let at = self.bytes.as_mut_ptr();
        // SAFETY: the caller's; there is room for a block and its padding.
        unsafe {
            core::arch::x86_64::_mm512_storeu_si512(at.cast(), block);
            at.add(BLOCK).write_bytes(0, PADDING);
        }
        self.len = len;
        at
    }

    /// Gives memory back that one huge text has needed.
    pub fn shrink(&mut self, above: usize) {
        if self.bytes.len() > above {
            *self = Self::default();
        }
    }

    /// Makes room, and keeps what is there.
    fn grow(&mut self, wanted: usize) {
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.next_power_of_two(), 0);
        }
    }

    fn reserve(&mut self, len: usize) {
        let wanted = len + PADDING;
        if self.bytes.len() < wanted {
            self.bytes = vec![0; wanted.next_power_of_two()];
        }
    }

    fn finish(&mut self, len: usize) {
        self.bytes[len..len + PADDING].fill(0);
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_counter::portable::Portable;
    use crate::token_counter::simd::Simd;
    use proptest::prelude::*;

    /// Runs of characters of one length, and of all lengths.
    fn any_units() -> impl Strategy<Value = Vec<u16>> {
        fn run(units: impl Strategy<Value = u16>) -> impl Strategy<Value = Vec<u16>> {
            prop::collection::vec(units, 0..40)
        }
        let pairs = prop::collection::vec((0xd800u16..0xdc00, 0xdc00u16..0xe000), 0..10);
        let part = prop_oneof![
            run(0u16..0x80),
            run(0x80u16..0x800),
            run(0x70u16..0x810),
            run(0x800u16..0xd800),
            run(prop_oneof![Just(0x20u16), 0x80u16..0xd800, 0xe000u16..]),
            run(prop_oneof![0u16..0x80, 0xd7f0u16..0xe010, any::<u16>()]),
            pairs.prop_map(|pairs| pairs.into_iter().flat_map(|(high, low)| [high, low]).collect()),
        ];
        prop::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
    }

    /// By every way that this machine has.
    fn check(units: &[u16]) {
        let expected = String::from_utf16_lossy(units);
        let mut text = Text::new();
        text.set_utf16(units);
        assert_eq!(text.as_bytes(), expected.as_bytes());
        type Way = unsafe fn(&[u16], *mut u8) -> usize;
        #[allow(unused_mut, reason = "by architecture")]
        let mut ways: Vec<Way> = vec![Portable::to_utf8];
        #[cfg(target_arch = "x86_64")]
        {
            use crate::token_counter::{avx2::Avx2, avx512::Avx512, cpu_features::vectors};
            let wide: [Way; 2] = [Avx2::to_utf8, Avx512::to_utf8];
            ways.extend(&wide[..vectors() as usize - 1]);
        }
        for (i, way) in ways.into_iter().enumerate() {
            let mut out = vec![0; units.len() * 3 + PADDING];
            // SAFETY: room for what is written, and the machine has the instructions.
            let len = unsafe { way(units, out.as_mut_ptr()) };
            assert_eq!(&out[..len], expected.as_bytes(), "way {i}, {units:x?}");
        }
    }

    proptest! {
        #![proptest_config(crate::long::cases(20_000))]
        #[test]
        fn utf16_becomes_what_the_standard_library_says(units in any_units()) {
            check(&units);
        }
    }

    #[test]
    fn every_unit_alone_and_in_a_row() {
        for unit in 0..=u16::MAX {
            for units in [vec![unit], vec![unit; 9], [vec![0x61; 7], vec![unit; 3], vec![0x416; 12]].concat()] {
                check(&units);
            }
        }
    }

    #[test]
    fn the_padding_is_zero_after_a_longer_text() {
        let mut text = Text::new();
        text.set(&"x".repeat(300));
        text.set("ab");
        assert_eq!(text.as_bytes(), b"ab");
        assert!(text.bytes[2..2 + PADDING].iter().all(|byte| *byte == 0));
    }
}
