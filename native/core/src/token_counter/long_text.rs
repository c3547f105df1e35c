//! Counts a text that comes in portions, and holds no more than what has no border yet.
//! A border is a place where a piece starts whatever stands around it.

use crate::token_counter::cache::Cache;
use crate::token_counter::encoding::Encoding;
use crate::token_counter::split::classes::{MARK, NUMBER, SPACE, class_of, is_letter};
use crate::token_counter::text::Text;

/// Units that are taken at a time from a text that is there as a whole: their bytes stay in the
/// second-level cache.
pub const PORTION: usize = 1 << 15;

/// A text while it is counted.
#[derive(Default)]
pub struct LongText {
    /// What has no border yet.
    open: Text,
    /// The first half of a character whose second half is in the next portion.
    high: Option<u16>,
    /// Bytes of `open` in which there is no border.
    searched: usize,
    total: u32,
}

impl LongText {
    /// Without memory of its own yet.
    pub const EMPTY: Self = Self { open: Text::EMPTY, high: None, searched: 0, total: 0 };

    /// Takes the next units and returns the tokens that are certain: all of them behind the `last`
    /// units, otherwise no more than there are. Above `limit` it is some number that the text has
    /// at least, and the text need not go on.
    pub fn push(&mut self, encoding: &Encoding, cache: &mut Cache, units: &[u16], last: bool, limit: u32) -> u32 {
        self.append(units, last);
        self.count_certain(encoding, cache, last, limit)
    }

    /// The same for a portion that is UTF-8; no text comes in portions of both kinds.
    pub fn push_str(&mut self, encoding: &Encoding, cache: &mut Cache, portion: &str, last: bool, limit: u32) -> u32 {
        self.open.push_str(portion);
        self.count_certain(encoding, cache, last, limit)
    }

    fn count_certain(&mut self, encoding: &Encoding, cache: &mut Cache, last: bool, limit: u32) -> u32 {
        let end = if last { self.open.len() } else { self.last_border(encoding) };
        if end > 0 {
            let left = limit.saturating_sub(self.total);
            let count = self.open.with_first(end, |text| encoding.count(cache, text, left));
            self.total = self.total.saturating_add(count);
            self.open.remove_first(end);
        }
        self.searched = self.open.len();
        self.total.saturating_add(self.open.len().div_ceil(encoding.most_token_bytes()) as u32)
    }

    /// Makes it ready for another text, and gives back memory above `keep` bytes.
    pub fn clear(&mut self, keep: usize) {
        self.open.shrink(keep);
        self.open.remove_first(self.open.len());
        (self.high, self.searched, self.total) = (None, 0, 0);
    }

    fn append(&mut self, units: &[u16], last: bool) {
        let mut units = units;
        if let Some(&first) = units.first()
            && let Some(high) = self.high.take()
        {
            if (0xdc00..0xe000).contains(&first) {
                self.open.push_utf16(&[high, first]);
                units = &units[1..];
            } else {
                self.open.push_utf16(&[high]);
            }
        }
        if !last
            && let Some((&end, before)) = units.split_last()
            && (0xd800..0xdc00).contains(&end)
        {
            self.high = Some(end);
            units = before;
        }
        self.open.push_utf16(units);
        if last && let Some(high) = self.high.take() {
            self.open.push_utf16(&[high]);
        }
    }

    /// The last border in the bytes not searched yet, or 0.
    fn last_border(&self, encoding: &Encoding) -> usize {
        let bytes = self.open.as_bytes();
        let (mut end, mut right) = (bytes.len(), None);
        while end > 0 {
            let start = (0..end).rev().find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(0);
            let left = point_of(&bytes[start..end]);
            // Where a text is not split as it is, it has borders at spaces alone.
            let is_border = |right: u32| match encoding.is_cut_at_space(&bytes[start..end]) {
                Some(is_cut) => is_cut && right == u32::from(b' ') && !is_white_space(left),
                None => is_border(left, right),
            };
            if right.is_some_and(is_border) {
                return end;
            }
            if end < self.searched {
                return 0;
            }
            (end, right) = (start, Some(left));
        }
        0
    }
}

/// Whether a piece ends between two characters in all patterns, and would end there as well if the
/// text did.
fn is_border(left: u32, right: u32) -> bool {
    // SAFETY: code points.
    let (left, right_class) = unsafe { (class_of(left), class_of(right)) };
    match right_class {
        // White space goes on, and line ends belong to what is before them.
        SPACE => left != SPACE && right != u32::from(b'\n') && right != u32::from(b'\r'),
        // An apostrophe may begin a contraction, a mark may go on with a word.
        0 => (is_letter(left) || left == NUMBER) && right != u32::from(b'\''),
        MARK => left == NUMBER,
        _ => is_letter(right_class) && left == NUMBER,
    }
}

fn is_white_space(point: u32) -> bool {
    // SAFETY: a code point.
    unsafe { class_of(point) == SPACE }
}

/// The code point of one character.
fn point_of(bytes: &[u8]) -> u32 {
    let rest = |first: u8| bytes[1..].iter().fold(u32::from(first), |point, byte| point << 6 | u32::from(byte & 0x3f));
    match (bytes.len(), bytes[0]) {
        (1, byte) => u32::from(byte),
        (2, byte) => rest(byte & 0x1f),
        (3, byte) => rest(byte & 0x0f),
        (_, byte) => rest(byte & 0x07),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_counter::{VOCABULARY_COUNT, encoding};
    use proptest::prelude::*;

    fn check(units: &[u16], portion: usize) {
        let mut text = Text::new();
        text.set_utf16(units);
        for vocabulary in 0..VOCABULARY_COUNT {
            let (encoding, mut cache) = (encoding(vocabulary), Cache::default());
            let expected = encoding.count(&mut cache, &text, u32::MAX);
            let mut long = LongText::default();
            let mut portions = units.chunks(portion).peekable();
            let mut count = 0;
            while let Some(units) = portions.next() {
                count = long.push(encoding, &mut cache, units, portions.peek().is_none(), u32::MAX);
                assert!(count <= expected, "{vocabulary} {:?}", String::from_utf16_lossy(units));
            }
            assert_eq!(count, expected, "{vocabulary} {:?} by {portion}", String::from_utf16_lossy(units));
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => " ?[a-zA-Z]{1,9}",
            2 => "[ \t\r\n\u{a0}\u{85}\u{3000}]{1,4}",
            2 => "[!-/:-@]{1,5}[/\r\n]{0,3}",
            2 => "[0-9²٣]{1,9}",
            2 => "'(s|S|t|re|VE|m|ll|lL|d|x|ſ)?",
            2 => "[一-鿿ぁ-ん、。「」]{1,6}",
            2 => "(é|ß|Ж|漢|ǅ|ª|\u{301}|\u{2028}|🙂|\u{feff}|\u{200d}|\u{fe0f}){1,4}",
            1 => "\\PC{1,4}",
        ];
        prop::collection::vec(part, 1..16).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(crate::long::cases(3_000))]
        #[test]
        fn portions_count_as_the_whole(text in any_text(), portion in 1usize..40, other in any::<u16>(), at in 0usize..200) {
            let mut units: Vec<u16> = text.encode_utf16().collect();
            check(&units, portion);
            if let Some(unit) = units.get_mut(at) {
                *unit = other;
                check(&units, portion);
            }
        }
    }

    /// Every border that is found is where the exact matcher's pieces end, with and without what
    /// follows.
    #[test]
    fn borders_of_every_class_and_kind() {
        let samples =
            ['a', 'A', 'ª', '漢', 'ǅ', '\u{301}', '1', '²', ' ', '\u{a0}', '\n', '\r', '/', '-', '\'', 's', 'l', 'ſ', '🙂', '\u{0}'];
        for a in samples {
            for b in samples {
                for c in samples {
                    let text: Vec<u16> = [a, b, c, a, c, b].iter().collect::<String>().encode_utf16().collect();
                    check(&text, 1);
                }
            }
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_over_before_it_ends() {
        let (encoding, mut cache) = (encoding(0), Cache::default());
        let mut long = LongText::default();
        let dashes = vec![u16::from(b'-'); 10_000];
        assert!(long.push(encoding, &mut cache, &dashes, false, 70) > 70);
        long.clear(0);
        assert_eq!(long.push(encoding, &mut cache, &dashes[..64], true, 70), 1);
    }
}
