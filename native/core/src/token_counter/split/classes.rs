//! Character classes of Unicode 16, as the reference's patterns see them. Node's own follow its ICU
//! and differ between versions.

/// `\p{Lu}` or `\p{Lt}`.
pub const UPPER: u8 = 1;
/// `\p{Ll}`.
pub const LOWER: u8 = 2;
/// `\p{Lm}` or `\p{Lo}`: letters that o200k takes for upper and for lower case.
pub const OTHER_LETTER: u8 = 3;
/// `\p{M}`: part of a word in o200k, punctuation elsewhere.
pub const MARK: u8 = 4;
/// `\p{N}`.
pub const NUMBER: u8 = 5;
/// `\s`.
pub const SPACE: u8 = 6;

/// Index of 64-point blocks (`u16`, little-endian), then the blocks; packed by the build script.
static TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/classes.bin"));
const INDEX_BYTES: usize = 0x11_0000 / 64 * 2;

/// The class of a code point, and 0 for what has none of the above.
///
/// # Safety
/// `point` must be below 0x110000.
#[inline(always)]
pub unsafe fn class_of(point: u32) -> u8 {
    debug_assert!(point < 0x11_0000);
    // SAFETY: the table has an entry for each block of 64 points, and all 64 classes of each block
    // that an entry names.
    unsafe {
        let block = u16::from_le(TABLE.as_ptr().add((point >> 6) as usize * 2).cast::<u16>().read_unaligned());
        *TABLE.get_unchecked(INDEX_BYTES + usize::from(block) * 64 + (point & 63) as usize)
    }
}

#[inline(always)]
pub fn is_letter(class: u8) -> bool {
    matches!(class, UPPER | LOWER | OTHER_LETTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_ranges_it_was_packed_from() {
        let mut ranges = crate::unicode_classes::RANGES.iter().peekable();
        for point in 0..0x11_0000 {
            while ranges.peek().is_some_and(|(_, last, _)| *last < point) {
                ranges.next();
            }
            let expected = ranges.peek().filter(|(first, ..)| *first <= point).map_or(0, |(.., class)| *class);
            // SAFETY: the range's.
            assert_eq!(unsafe { class_of(point) }, expected, "U+{point:04X}");
        }
    }
}
