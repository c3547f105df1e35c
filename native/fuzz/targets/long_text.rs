//! A text in portions of any length, cut anywhere, against the whole of it, with and without a
//! limit. Input: the vocabulary and whether units follow, the limit, the length of a portion; then
//! UTF-8 or UTF-16.
#![no_main]

use fast_litellm_core::token_counter::{Cache, LongText, Text, encoding};
use libfuzzer_sys::fuzz_target;

/// What is kept of the memory of one text for the next.
const KEEP: usize = 64;

fuzz_target!(|data: &[u8]| {
    let [head, limit, portion, rest @ ..] = data else { return };
    let units: Vec<u16> = match head & 4 != 0 {
        true => rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
        false => String::from_utf8_lossy(rest).encode_utf16().collect(),
    };
    let (encoding, mut cache) = (encoding(usize::from(head & 3)), Cache::default());
    let mut text = Text::new();
    text.set_utf16(&units);
    let expected = encoding.count(&mut cache, &text, u32::MAX);
    let mut long = LongText::default();
    for limit in [u32::MAX, (*limit).into()] {
        let mut from = 0;
        loop {
            // Portions of different lengths, none of 0 but at the end.
            let to = units.len().min(from + 1 + usize::from(*portion) * (1 + from % 3));
            let is_last = to == units.len();
            let count = long.push(encoding, &mut cache, &units[from..to], is_last, limit);
            assert!(count <= expected);
            if count > limit {
                break;
            }
            if is_last {
                assert_eq!(count, expected);
                break;
            }
            from = to;
        }
        long.clear(KEEP);
    }
});
