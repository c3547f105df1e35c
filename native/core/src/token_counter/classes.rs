//! Character classes of Unicode 16, as the reference's patterns see them. Node's own follow its ICU and differ between versions.

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
const BLOCKS: usize = 0x11_0000 / 64;

/// The class of a code point below 0x110000, and 0 for what has none of the above.
#[inline(always)]
pub fn class_of(point: u32) -> u8 {
    let at = (point >> 6) as usize * 2;
    let block = u16::from_le_bytes([TABLE[at], TABLE[at + 1]]);
    TABLE[BLOCKS * 2 + usize::from(block) * 64 + (point & 63) as usize]
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
            assert_eq!(class_of(point), expected, "U+{point:04X}");
        }
    }
}
