//! The characters beyond ASCII in a window: their bytes join the masks of their class, so that the window need not end before them.

use super::classes::{LOWER, MARK, NUMBER, OTHER_LETTER, SPACE, UPPER, class_of};
use super::cuts::{key_of, may_be_crossed};
use super::machine::by_machine;
use super::window::Masks;

/// What a window's masks do not tell of these characters.
#[derive(Default, Clone, Copy)]
pub struct Wide {
    /// Letters that o200k takes for upper and for lower case.
    pub either: u64,
    /// All bytes of a character but its first.
    inner: u64,
    /// The characters, by their first byte, behind which and another of them no token is: where a piece may be cut, see `cuts.rs`.
    pub cuts: u64,
}

/// Whether pieces are cut at such characters, by their first byte: Chinese and Japanese, punctuation and signs, and what takes four bytes.
/// In scripts that have spaces a word is known as a whole more often.
#[inline(always)]
fn is_cut_at(lead: u8) -> bool {
    matches!(lead, 0xe2..=0xe9 | 0xef..)
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

/// Classifies the characters whose bytes are `high`, up to the first that the window's bit operations cannot place: a number, which counts
/// by characters, white space, in o200k a mark, or one that is not whole. Returns how many bytes are left before it.
///
/// # Safety
/// `spanned` is a vocabulary's.
/// A character starts at the first `high` byte, `high` has bits below `len` only, and four bytes are readable behind each.
#[inline(always)]
pub unsafe fn classify<const O200K: bool>(at: *const u8, len: usize, high: u64, spanned: &[u8], masks: &mut Masks) -> (usize, Wide) {
    // SAFETY: the caller's.
    unsafe { classify_each::<O200K>(at, len, high, spanned, masks) }
}

by_machine! {
/// # Safety
/// As for `classify`.
unsafe fn classify_each[const O200K: bool](at: *const u8, len: usize, high: u64, spanned: &[u8], masks: &mut Masks) -> (usize, Wide) {
    let mut wide = Wide::default();
    let (mut left, mut left_end) = (0, 0);
    let mut high = high;
    while high != 0 {
        let start = high.trailing_zeros() as usize;
        // SAFETY: the caller's.
        let (point, width) = unsafe { character(at.add(start)) };
        if start + width > len {
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
        // SAFETY: as above.
        if is_cut_at(unsafe { *at.add(start) }) {
            // SAFETY: the caller's.
            let right = unsafe { key_of(at.add(start), width) };
            if left_end == start && left != 0 {
                // SAFETY: as above; a character ends here.
                let crossed = unsafe { may_be_crossed(spanned, left, *at.add(start - 1), right) };
                wide.cuts |= u64::from(!crossed) << start;
            }
            (left, left_end) = (right, start + width);
        }
    }
    (len, wide)
}
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
