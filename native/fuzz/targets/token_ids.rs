//! Bytes of any ids, into targets of any size. Input: the vocabulary, the target's size, then ids
//! of three or, behind an odd byte, four bytes.
#![no_main]

use fast_litellm_core::CoreError;
use fast_litellm_core::token_counter::{encoding, handle_of, vocabulary_of};
use fast_litellm_fuzz::tokenizer::Tokenizer;
use libfuzzer_sys::fuzz_target;

fn ids(data: &[u8]) -> Vec<u32> {
    data.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2] & 3, if four[3] == 0xff { 0xff } else { 0 }])).collect()
}

fuzz_target!(|data: &[u8]| {
    let [head, size, rest @ ..] = data else { return };
    if let Ok(name) = std::str::from_utf8(rest) {
        assert!(handle_of(name).is_none_or(|handle| vocabulary_of(handle).is_some()));
    }
    assert_eq!(vocabulary_of(usize::from(*size) + 7), None);
    let vocabulary = usize::from(head & 3);
    let encoding = encoding(vocabulary);
    let ids = ids(rest);
    // One by one, each into room that it fits.
    let token = |id: &u32| {
        let mut bytes = [0; 256];
        encoding.decode(std::slice::from_ref(id), &mut bytes).map(|len| bytes[..len].to_vec())
    };
    let expected: Result<Vec<Vec<u8>>, CoreError> = ids.iter().map(token).collect();
    let mut target = vec![7; usize::from(*size) * 4];
    match (encoding.decode(&ids, &mut target), expected) {
        (Ok(len), Ok(tokens)) => {
            let bytes = tokens.concat();
            assert_eq!(len, bytes.len());
            match target.get(..len) {
                Some(written) => assert_eq!(written, bytes),
                None => assert!(target.iter().all(|byte| *byte == 7)),
            }
            assert!(tokens.iter().all(|token| Tokenizer::of(vocabulary).has(token)));
        }
        (Err(found), Err(expected)) => assert_eq!(found, expected),
        (found, expected) => panic!("{found:?} for {expected:?}"),
    }
});
