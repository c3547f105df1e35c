//! The count of a text as it stands in a JSON body against that of the unescaped text, counted and
//! remembered. Input: the vocabulary, how often the text is repeated; then its bytes, escaped or to
//! be escaped.
#![no_main]

use fast_litellm_core::token_counter::{Cache, CountMemory, JsonTextCounter, JsonTexts, LongText, Text, TextCount, encoding};
use libfuzzer_sys::fuzz_target;

const SETS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let [head, times, rest @ ..] = data else { return };
    let vocabulary = usize::from(head & 3);
    let rest = rest.repeat(1 + usize::from(*times));
    let json = match head & 4 != 0 {
        true => serde_json::to_vec(&String::from_utf8_lossy(&rest)).expect("a string is JSON"),
        false => [b"\"", rest.as_slice(), b"\""].concat(),
    };
    let memory = CountMemory::new(SETS);
    let (mut cache, mut long, mut bytes) = (Cache::default(), LongText::default(), Vec::new());
    let places = [1, json.len() as u32 - 1];
    let mut count = |limit: u32| {
        let mut texts = JsonTexts::recall(&json, &places, vocabulary, &memory).expect("places inside the bytes");
        let copy = texts.copy_unknown(&json);
        let mut counter = JsonTextCounter { cache: &mut cache, long: &mut long, bytes: &mut bytes };
        let mut found = TextCount::default();
        texts.count(&copy, limit, &memory, &mut counter, |count| found = count);
        found
    };
    let limited = count(3);
    let found = count(u32::MAX);
    assert_eq!(count(u32::MAX), found);
    assert!(limited == found || (limited.tokens > 3 && limited.tokens <= found.tokens));
    // What serde_json refuses, such as half surrogate pairs, only has to be counted.
    let Ok(plain) = serde_json::from_slice::<String>(&json) else { return };
    let mut text = Text::new();
    text.set(&plain);
    let tokens = encoding(vocabulary).count(&mut Cache::default(), &text, u32::MAX);
    assert_eq!(found, TextCount { tokens, units: plain.encode_utf16().count() as u32 });
});
