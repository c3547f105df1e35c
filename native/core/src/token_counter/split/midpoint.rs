//! Where a text may be walked from a second time.
//!
//! Where a window begins is known only once the one before is done. Two such chains of steps, from
//! the start and from the middle, fit side by side.

/// Shorter texts are not split.
const SPLIT_FROM: usize = 512;
/// Bytes in which a place is looked for.
const SEARCHED: usize = 128;

/// A place near the middle where a piece starts, whatever stands around: a space between two small
/// letters. 0 if there is none.
#[inline(always)]
pub fn split_of(bytes: &[u8]) -> usize {
    if bytes.len() < SPLIT_FROM {
        return 0;
    }
    let from = bytes.len() / 2;
    let is_place = |three: &[u8]| three[1] == b' ' && three[0].is_ascii_lowercase() && three[2].is_ascii_lowercase();
    let found = bytes[from..from + SEARCHED].windows(3).position(is_place);
    found.map_or(0, |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_before_a_space_between_small_letters() {
        let around = |place: &str| [&[b'.'; 310][..], place.as_bytes(), &[b'.'; 290]].concat();
        assert_eq!(split_of(&around("a b")), 311);
        assert_eq!(split_of(&around("a b")[..500]), 0);
        for other in ["A b", "a B", "a  b", "a\tb", "1 b", "' b"] {
            assert_eq!(split_of(&around(other)), 0, "{other}");
        }
    }
}
