//! Sets of code points that few patterns name.

use crate::unicode_sets::{HAN, PUNCTUATION};

/// `\p{Han}`.
#[inline(always)]
pub fn is_han(point: u32) -> bool {
    // Most are of this block, and all are beyond most scripts.
    point >= 0x2e80 && (matches!(point, 0x4e00..=0x9fff) || is_in(HAN, point))
}

/// `[\p{P}\p{S}]`
#[inline(always)]
pub fn is_punctuation(point: u32) -> bool {
    if point < 0x80 { (point as u8).is_ascii_punctuation() } else { is_in(PUNCTUATION, point) }
}

#[inline(never)]
fn is_in(set: &[(u32, u32)], point: u32) -> bool {
    let behind = set.partition_point(|(first, _)| *first <= point);
    behind > 0 && point <= set[behind - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_their_ranges_and_nothing_else() {
        for (set, is_member) in [(HAN, is_han as fn(u32) -> bool), (PUNCTUATION, is_punctuation)] {
            let mut ranges = set.iter().peekable();
            for point in 0..0x11_0000 {
                while ranges.peek().is_some_and(|(_, last)| *last < point) {
                    ranges.next();
                }
                assert_eq!(is_member(point), ranges.peek().is_some_and(|(first, _)| *first <= point), "U+{point:04X}");
            }
        }
    }
}
