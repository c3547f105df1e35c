//! The characters beyond ASCII in a window: their bytes join the masks of their class, so that the window need not end before them.

use super::classes::{LOWER, MARK, NUMBER, OTHER_LETTER, SPACE, UPPER, class_of};
use super::window::Masks;

/// What a window's masks do not tell of these characters.
#[derive(Default, Clone, Copy)]
pub struct Wide {
    /// Letters that o200k takes for upper and for lower case.
    pub either: u64,
    /// All bytes of a character but its first.
    inner: u64,
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

/// Whether the byte leads a character from U+3000 to U+DFFF: Chinese, Japanese, Korean. Few windows would see the
/// end of their pieces; Korean has spaces, but long words.
#[inline(always)]
pub fn is_unspaced(byte: u8) -> bool {
    (0xe3..=0xed).contains(&byte)
}

/// Classifies the characters whose bytes are `high`, up to the first that the window's bit operations cannot place: a number, which counts
/// by characters, white space, in o200k a mark, one that is not whole, or one of a script without spaces. Returns how many bytes are left before it.
///
/// # Safety
/// A character starts at the first `high` byte, `high` has bits below `len` only, and four bytes are readable behind each.
#[inline(never)]
pub unsafe fn classify<const O200K: bool>(at: *const u8, len: usize, mut high: u64, masks: &mut Masks) -> (usize, Wide) {
    let mut wide = Wide::default();
    while high != 0 {
        let start = high.trailing_zeros() as usize;
        // SAFETY: the caller's.
        let (lead, (point, width)) = unsafe { (*at.add(start), character(at.add(start))) };
        if is_unspaced(lead) || start + width > len {
            return (start, wide);
        }
        let class = class_of(point);
        if matches!(class, NUMBER | SPACE) || O200K && class == MARK {
            return (start, wide);
        }
        let bytes = ((1 << width) - 1) << start;
        high &= !bytes;
        wide.inner |= bytes & (bytes << 1);
        let of = |expected: u8| if class == expected { bytes } else { 0 };
        masks.upper |= of(UPPER);
        masks.lower |= of(LOWER);
        wide.either |= of(OTHER_LETTER);
    }
    (len, wide)
}

/// The code point and the number of bytes of a character beyond ASCII.
///
/// # Safety
/// Four bytes must be readable at `at`, where such a character starts.
#[inline(always)]
unsafe fn character(at: *const u8) -> (u32, usize) {
    // SAFETY: the caller's.
    let bytes = u32::from_be(unsafe { at.cast::<u32>().read_unaligned() });
    let [first, second, third, fourth] = [bytes >> 24, bytes >> 16 & 0x3f, bytes >> 8 & 0x3f, bytes & 0x3f];
    if first < 0xe0 {
        ((first & 0x1f) << 6 | second, 2)
    } else if first < 0xf0 {
        ((first & 0x0f) << 12 | second << 6 | third, 3)
    } else {
        ((first & 0x07) << 18 | second << 12 | third << 6 | fourth, 4)
    }
}
