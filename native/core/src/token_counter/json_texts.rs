//! Counts texts as they stand in a JSON body, between their quotes.

use crate::runtime::json_text::{Lone, Unescape, utf16_len};
pub use crate::token_counter::count_memory::TextCount;
use crate::token_counter::count_memory::{CountMemory, TextHash};
use crate::token_counter::long_text::PORTION;
use crate::token_counter::{Cache, LongText, encoding};
use std::ops::Range;

/// Shorter texts are counted faster than they are looked up.
const REMEMBERED_FROM: usize = 1 << 10;
/// A larger buffer is freed before the next text.
const KEEP_BYTES: usize = 1 << 18;

/// A text and what is known of it.
struct JsonText {
    place: Range<usize>,
    hash: Option<TextHash>,
    count: Option<TextCount>,
}

/// Texts that are to be counted: looked up first, without their bytes being copied, then counted,
/// perhaps on another thread.
pub struct JsonTexts {
    vocabulary: usize,
    texts: Vec<JsonText>,
}

/// What a thread needs to count: its cache of the vocabulary, and buffers.
pub struct JsonTextCounter<'a> {
    pub cache: &'a mut Cache,
    pub long: &'a mut LongText,
    pub bytes: &'a mut Vec<u8>,
}

impl JsonTexts {
    /// Looks the texts up: starts and ends in `bytes`. `None` if these are no places there.
    #[must_use]
    pub fn recall(bytes: &[u8], places: &[u32], vocabulary: usize, memory: &CountMemory) -> Option<Self> {
        let recall = |place: &[u32]| {
            let place = place[0] as usize..place[1] as usize;
            let raw = bytes.get(place.clone())?;
            let hash = (raw.len() >= REMEMBERED_FROM).then(|| memory.hash(raw, vocabulary));
            Some(JsonText { place, count: hash.and_then(|hash| memory.find(hash)), hash })
        };
        let texts: Option<Vec<JsonText>> = places.chunks_exact(2).map(recall).collect();
        Some(Self { vocabulary, texts: texts? })
    }

    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Bytes of the texts that are not known.
    #[must_use]
    pub fn unknown_bytes(&self) -> usize {
        self.texts.iter().filter(|text| text.count.is_none()).map(|text| text.place.len()).sum()
    }

    /// Copies the texts that are not known; `count` takes the copy in the place of the bytes then.
    #[must_use]
    pub fn copy_unknown(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut copy = Vec::with_capacity(self.unknown_bytes());
        for text in self.texts.iter_mut().filter(|text| text.count.is_none()) {
            let start = copy.len();
            copy.extend_from_slice(&bytes[text.place.clone()]);
            text.place = start..copy.len();
        }
        copy
    }

    /// Counts the texts in order and hands each count to `found`. May end once there are more than
    /// `limit` tokens in all; the last count is then some number above what was left, and texts
    /// behind it are not counted.
    pub fn count(&self, bytes: &[u8], limit: u32, memory: &CountMemory, counter: &mut JsonTextCounter, mut found: impl FnMut(TextCount)) {
        let mut left = limit;
        for text in &self.texts {
            let count = text.count.or_else(|| {
                let (count, is_whole) = counter.count(&bytes[text.place.clone()], self.vocabulary, left);
                if let (true, Some(hash)) = (is_whole, text.hash) {
                    memory.remember(hash, count);
                }
                Some(count)
            });
            let count = count.unwrap_or_default();
            found(count);
            if count.tokens > left || counter.cache.merge.is_stopped() {
                return;
            }
            left -= count.tokens;
        }
    }
}

impl JsonTextCounter<'_> {
    /// The count of a text, and whether it is exact: above `limit` it need not be.
    fn count(&mut self, raw: &[u8], vocabulary: usize, limit: u32) -> (TextCount, bool) {
        let encoding = encoding(vocabulary);
        let mut text = Unescape::new(raw, Lone::Replaced);
        let mut count = TextCount::default();
        self.long.clear(KEEP_BYTES);
        loop {
            self.bytes.clear();
            text.append(PORTION, self.bytes);
            // Bytes that are not UTF-8, which a caller has made valid before, are U+FFFD.
            let portion = String::from_utf8_lossy(self.bytes);
            count.units += utf16_len(&portion) as u32;
            count.tokens = self.long.push_str(encoding, self.cache, &portion, text.is_empty(), limit);
            let is_over = count.tokens > limit || self.cache.merge.is_stopped();
            if text.is_empty() || is_over {
                return (count, !is_over);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_counter::{Text, VOCABULARY_COUNT};
    use proptest::prelude::*;

    fn counts(bytes: &[u8], places: &[u32], vocabulary: usize, memory: &CountMemory, limit: u32) -> Vec<TextCount> {
        let (mut cache, mut long, mut buffer) = (Cache::default(), LongText::default(), Vec::new());
        let mut texts = JsonTexts::recall(bytes, places, vocabulary, memory).unwrap();
        let counted = |texts: &JsonTexts, bytes: &[u8], counter: &mut JsonTextCounter| {
            let mut found = Vec::new();
            texts.count(bytes, limit, memory, counter, |count| found.push(count));
            found
        };
        let mut counter = JsonTextCounter { cache: &mut cache, long: &mut long, bytes: &mut buffer };
        let found = counted(&texts, bytes, &mut counter);
        let copy = texts.copy_unknown(bytes);
        let again = counted(&texts, &copy, &mut counter);
        assert_eq!(again.len(), found.len());
        for (again, first) in again.iter().zip(&found) {
            // A count above the limit is that of a part, which depends on what the cache knows.
            assert!(again == first || (again.tokens > limit && first.tokens > limit));
        }
        found
    }

    fn expected(text: &str, vocabulary: usize) -> TextCount {
        let mut plain = Text::new();
        plain.set(text);
        let tokens = encoding(vocabulary).count(&mut Cache::default(), &plain, u32::MAX);
        TextCount { tokens, units: text.encode_utf16().count() as u32 }
    }

    proptest! {
        #![proptest_config(crate::long::cases(400))]
        #[test]
        fn texts_count_as_what_they_stand_for(texts in prop::collection::vec("(\\PC|[ \"\\\\\n\t\u{0}\u{1f}éß漢🦀a-z]){0,40}", 1..6), times in 1usize..80) {
            let memory = CountMemory::new(64);
            let (mut bytes, mut places, mut plain) = (Vec::new(), Vec::new(), Vec::new());
            for text in texts {
                let text = text.repeat(times);
                let json = serde_json::to_string(&text).unwrap();
                let start = bytes.len() + 1;
                bytes.extend_from_slice(json.as_bytes());
                places.extend([start as u32, bytes.len() as u32 - 1]);
                plain.push(text);
            }
            for vocabulary in 0..VOCABULARY_COUNT {
                let wanted: Vec<_> = plain.iter().map(|text| expected(text, vocabulary)).collect();
                for _ in 0..2 {
                    prop_assert_eq!(&counts(&bytes, &places, vocabulary, &memory, u32::MAX), &wanted);
                }
            }
        }
    }

    #[test]
    fn a_long_text_is_counted_in_portions_and_remembered() {
        let memory = CountMemory::new(64);
        let text = "a naïve 東京 🦀\\u00e9\\ud83e\\udd80 line\\n".repeat(9_000);
        let plain = "a naïve 東京 🦀é🦀 line\n".repeat(9_000);
        let places = [0, text.len() as u32];
        let wanted = expected(&plain, 0);
        assert_eq!(counts(text.as_bytes(), &places, 0, &memory, u32::MAX), [wanted]);
        let known = JsonTexts::recall(text.as_bytes(), &places, 0, &memory).unwrap();
        assert_eq!(known.unknown_bytes(), 0);
        assert_eq!(JsonTexts::recall(text.as_bytes(), &places, 1, &memory).unwrap().unknown_bytes(), text.len());
    }

    #[test]
    fn it_ends_above_the_limit_and_does_not_remember_a_part() {
        let memory = CountMemory::new(64);
        let text = "word ".repeat(20_000);
        let len = text.len() as u32;
        let places = [0, 5, 0, len, 0, 5];
        let found = counts(text.as_bytes(), &places, 0, &memory, 100);
        assert_eq!(found.len(), 2);
        assert!(found[1].tokens > 98 && found[1].tokens < 20_000);
        assert_eq!(counts(text.as_bytes(), &places, 0, &memory, u32::MAX).len(), 3);
        let whole = counts(text.as_bytes(), &places, 0, &memory, 100);
        assert_eq!((whole.len(), whole[1].tokens), (2, 20_001));
    }

    #[test]
    fn places_that_are_none_are_refused() {
        let memory = CountMemory::new(64);
        for places in [[0, 4], [2, 1], [4, 4]] {
            assert!(JsonTexts::recall(b"abc", &places, 0, &memory).is_none());
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_count_as_replacement_characters() {
        let raw = [b"abc \xff\xe2\x82 ".as_slice(), &[b'x'; 2_000], b"\xf0\x9f"].concat();
        let found = counts(&raw, &[0, raw.len() as u32], 0, &CountMemory::new(64), u32::MAX);
        assert_eq!(found, [expected(&String::from_utf8_lossy(&raw), 0)]);
    }
}
