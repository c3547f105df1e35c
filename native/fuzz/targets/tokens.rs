//! Every way to count and encode a text, with every kind of vectors that the machine has, against
//! tiktoken's definition. Input: the vocabulary and whether units follow; then UTF-8 or UTF-16,
//! several texts apart by 0xff.
#![no_main]

use fast_litellm_core::token_counter::{Cache, Text, encoding};
use fast_litellm_fuzz::tokenizer::Tokenizer;
use fast_litellm_fuzz::ways;
use libfuzzer_sys::fuzz_target;

/// Longer texts are compared among the core's own ways only, and with one limit: time is to show
/// what is quadratic.
const LONGEST_REFERENCE: usize = 4096;
const TEXTS: usize = 8;

fn texts(data: &[u8], is_utf16: bool) -> Vec<Vec<u16>> {
    let texts = data.split(|byte| *byte == 0xff).take(TEXTS);
    let units = |text: &[u8]| match is_utf16 {
        true => text.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
        false => String::from_utf8_lossy(text).encode_utf16().collect(),
    };
    texts.map(units).collect()
}

/// The ids of one text, found in all ways that there are.
fn check(vocabulary: usize, cache: &mut Cache, text: &mut Text, units: &[u16], len: usize) -> Vec<u32> {
    let encoding = encoding(vocabulary);
    let string = String::from_utf16_lossy(&units[..len]);
    text.set(&string);
    let count = encoding.count(cache, text, u32::MAX);
    text.set_utf16(&units[..len]);
    assert_eq!(text.as_bytes(), string.as_bytes());
    assert_eq!(encoding.count(cache, text, u32::MAX), count);
    // As a batch counts: other texts follow in the same buffer.
    assert_eq!(encoding.count_utf16(cache, text, units, len, u32::MAX), count);
    text.set_utf16(&units[..len]);

    let mut ids = Vec::new();
    encoding.encode(cache, text, usize::MAX, &mut ids);
    assert_eq!(ids.len(), count as usize);
    let mut bytes = vec![0; string.len()];
    assert_eq!(encoding.decode(&ids, &mut bytes), Ok(string.len()));
    assert_eq!(bytes, string.as_bytes());

    let limits = [count / 2, 0, count.saturating_sub(1), count];
    for limit in limits.into_iter().take(if len > LONGEST_REFERENCE { 1 } else { limits.len() }) {
        let limited = encoding.count(cache, text, limit);
        assert!(if limit < count { limited > limit && limited <= count } else { limited == count });
        let limited = encoding.count_utf16(cache, &mut Text::new(), units, len, limit);
        assert!(if limit < count { limited > limit && limited <= count } else { limited == count });
        let mut some = vec![7];
        encoding.encode(cache, text, limit as usize, &mut some);
        assert!(some.len() > limit as usize || some.len() == ids.len() + 1);
        assert!(ids.starts_with(&some[1..]));
        check_prefix(vocabulary, cache, text, &string, &ids[..limit as usize]);
    }
    ids
}

/// The length of what some first tokens make, without a character that they cut.
fn check_prefix(vocabulary: usize, cache: &mut Cache, text: &Text, string: &str, ids: &[u32]) {
    let encoding = encoding(vocabulary);
    let len = encoding.decode(ids, &mut []).expect("ids of a text");
    let end = (0..=len).rev().find(|end| string.is_char_boundary(*end)).unwrap_or(0);
    let units = string[..end].encode_utf16().count();
    assert_eq!(encoding.prefix_len(cache, text, ids.len(), &mut Vec::new()), units);
}

fuzz_target!(|data: &[u8]| {
    let Some((&head, rest)) = data.split_first() else { return };
    let vocabulary = usize::from(head & 3);
    let texts = texts(rest, head & 4 != 0);
    let units = texts.concat();
    let mut found: Option<Vec<Vec<u32>>> = None;
    for () in ways() {
        let mut cache = Cache::default();
        let mut text = Text::new();
        // Once as all pieces are new, and once as they are known.
        for _ in 0..2 {
            let mut from = 0;
            let ids: Vec<_> = texts
                .iter()
                .map(|one| {
                    let ids = check(vocabulary, &mut cache, &mut text, &units[from..], one.len());
                    from += one.len();
                    ids
                })
                .collect();
            assert!(found.as_ref().is_none_or(|found| *found == ids));
            found = Some(ids);
        }
    }
    for (units, ids) in texts.iter().zip(found.unwrap_or_default()) {
        if units.len() <= LONGEST_REFERENCE
            && let Some(expected) = Tokenizer::of(vocabulary).encode(&String::from_utf16_lossy(units))
        {
            assert_eq!(ids, expected);
        }
    }
});
