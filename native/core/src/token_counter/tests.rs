//! Against the shared vectors, a merge written as it is defined, and the `bpe` crate.

use super::*;
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::bpe::{long_merge, merge};
use crate::token_counter::split::cuts;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;

/// How often a cache answers before it is replaced by a new one, whose pages the system has to fill
/// with zeroes: that took most of the time.
const TIMES_A_CACHE: usize = 64;

thread_local! {
    static CACHES: RefCell<HashMap<usize, (Cache, usize)>> = RefCell::default();
}

/// The bytes of `ids`, the same for a target that has room for them alone, and none in one that is
/// too small.
fn decoded(encoding: &Encoding, ids: &[u32]) -> Vec<u8> {
    let len = encoding.decode(ids, &mut []).unwrap();
    let mut bytes = vec![0; len + 100];
    assert_eq!(encoding.decode(ids, &mut bytes).unwrap(), len);
    bytes.truncate(len);
    let mut tight = vec![0; len];
    encoding.decode(ids, &mut tight).unwrap();
    assert_eq!(tight, bytes);
    if len > 0 {
        let mut small = vec![7; len - 1];
        assert_eq!(encoding.decode(ids, &mut small).unwrap(), len);
        assert!(small.iter().all(|byte| *byte == 7));
    }
    bytes
}

fn ids(handle: usize, text: &Text) -> Vec<u32> {
    let mut ids = vec![];
    CACHES.with_borrow_mut(|caches| {
        let (cache, times) = caches.entry(handle).or_default();
        if *times == TIMES_A_CACHE {
            (*cache, *times) = Default::default();
        }
        *times += 1;
        encoding(vocabulary_of(handle).unwrap()).encode(cache, text, usize::MAX, &mut ids);
    });
    ids
}

fn text_of(string: &str) -> Text {
    let mut text = Text::new();
    text.set(string);
    text
}

#[derive(serde::Deserialize)]
struct Vectors {
    encodings: HashMap<String, Vec<Vector>>,
}

#[derive(serde::Deserialize)]
struct Vector {
    text: Option<String>,
    units: Option<Vec<u16>>,
    ids: Vec<u32>,
}

#[test]
fn the_shared_vectors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/token-counter.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(vectors.encodings.len(), ENCODING_NAMES.len());
    for (name, vectors) in vectors.encodings {
        let handle = handle_of(&name).unwrap();
        let mut cache = Cache::default();
        for vector in vectors {
            let mut text = Text::new();
            match (&vector.text, &vector.units) {
                (Some(string), _) => text.set(string),
                (None, Some(units)) => text.set_utf16(units),
                (None, None) => unreachable!("a vector has a text"),
            }
            assert_eq!(ids(handle, &text), vector.ids, "{name}: {:?}", vector.text);
            for _ in 0..2 {
                let count = encoding(vocabulary_of(handle).unwrap()).count(&mut cache, &text, u32::MAX);
                assert_eq!(count as usize, vector.ids.len(), "{name}: {:?}", vector.text);
            }
            assert_eq!(decoded(encoding(vocabulary_of(handle).unwrap()), &vector.ids), text.as_bytes());
        }
    }
}

/// The reference's own words: while some neighbours make a token, merge the leftmost of the lowest
/// rank.
fn merged_as_defined(vocabulary: &Vocabulary, piece: &[u8]) -> Vec<u32> {
    let padded = [piece, &[0; 160]].concat();
    // SAFETY: padded.
    let find = |start: usize, end: usize| unsafe { vocabulary.find(padded.as_ptr().add(start), end - start) };
    if find(0, piece.len()) != NONE {
        return vec![find(0, piece.len())];
    }
    let mut bounds: Vec<usize> = (0..=piece.len()).collect();
    while let Some((_, i)) = bounds.windows(3).enumerate().map(|(i, w)| (find(w[0], w[2]), i)).filter(|(rank, _)| *rank != NONE).min() {
        bounds.remove(i + 1);
    }
    bounds.windows(2).map(|w| find(w[0], w[1])).collect()
}

fn vocabularies() -> &'static [Vocabulary; 2] {
    static VOCABULARIES: OnceLock<[Vocabulary; 2]> = OnceLock::new();
    VOCABULARIES.get_or_init(|| [Vocabulary::new(PACKED[0].1), Vocabulary::new(PACKED[1].1)])
}

fn check_merges(piece: &str) {
    let padded = [piece.as_bytes(), &[0; 160]].concat();
    for vocabulary in vocabularies() {
        let expected = merged_as_defined(vocabulary, piece.as_bytes());
        if expected.len() == 1 {
            continue;
        }
        // SAFETY: padded.
        unsafe {
            assert_eq!(long_merge::LongMerge::default().merge(vocabulary, padded.as_ptr(), piece.len()), expected, "{piece:?}");
            if piece.len() <= merge::MAX_DEFINED {
                let mut short = vec![];
                merge::push_merged(vocabulary, padded.as_ptr(), piece.len(), &mut short);
                assert_eq!(short, expected, "{piece:?}");
                assert_eq!(merge::merged_count(vocabulary, padded.as_ptr(), piece.len()) as usize, expected.len(), "{piece:?}");
            }
            let mut cut = vec![];
            let mut at = 0;
            while at < piece.len() {
                let length = cuts::first_part(vocabulary.spanned, padded.as_ptr().add(at), piece.len() - at);
                cut.extend(merged_as_defined(vocabulary, &piece.as_bytes()[at..at + length]));
                at += length;
            }
            assert_eq!(cut, expected, "{piece:?}");
        }
    }
}

proptest! {
    #![proptest_config(crate::long::cases(20_000))]
    #[test]
    fn short_merges(piece in "[a-z]{2,15}|[A-Za-z_.-]{2,70}|[ab]{2,70}|[ =-]{2,70}") {
        check_merges(&piece);
    }

    #[test]
    fn other_scripts(piece in "[а-яё]{2,12}|[一-鿿]{2,12}|[ぁ-ん]{2,12}|[가-힣]{2,9}|[ก-๛]{2,12}|[\u{600}-\u{6ff}]{2,12}|[\u{1f300}-\u{1f6ff}\u{200d}\u{fe0f}]{2,8}|[ა-ჰ]{2,9}|\\PC{2,12}") {
        check_merges(&piece);
    }

    #[test]
    fn any_string_counts_what_it_encodes(strings in prop::collection::vec("[ -~\n]{0,40}|\\PC{0,30}|[a-z ]{0,80}", 1..8)) {
        for handle in [0, 1, 3, 5] {
            let encoding = encoding(vocabulary_of(handle).unwrap());
            let mut cache = Cache::default();
            for string in &strings {
                let text = text_of(string);
                let ids = ids(handle, &text);
                prop_assert_eq!(encoding.count(&mut cache, &text, u32::MAX) as usize, ids.len());
                prop_assert_eq!(decoded(encoding, &ids), string.as_bytes());
                let prefix = encoding.prefix_len(&mut cache, &text, ids.len() / 2, &mut vec![]);
                prop_assert!(prefix <= string.encode_utf16().count());
            }
        }
    }

    #[test]
    fn words_that_come_again_before_they_are_known(
        words in prop::collection::vec("[ .]?[a-zA-Z]{3,15}|[ _]?[a-z]{16,30}|[a-z]{31,40}|\\PC{2,5}", 1..9),
        order in prop::collection::vec(0usize..9, 1..150),
    ) {
        let text = text_of(&order.iter().map(|i| words[i % words.len()].as_str()).collect::<Vec<_>>().join("\n"));
        for handle in [0, 1, 3, 5] {
            let mut cache = Cache::default();
            let expected = ids(handle, &text).len();
            for _ in 0..2 {
                prop_assert_eq!(encoding(vocabulary_of(handle).unwrap()).count(&mut cache, &text, u32::MAX) as usize, expected);
            }
        }
    }

    #[test]
    fn agrees_with_the_bpe_crate(text in "[ -~\n]{0,200}|\\PC{0,60}") {
        prop_assert_eq!(ids(0, &text_of(&text)), bpe_openai::cl100k_base().encode(text.as_str()));
        prop_assert_eq!(ids(1, &text_of(&text)), bpe_openai::o200k_base().encode(text.as_str()));
    }
}

#[test]
fn every_token_is_found_again() {
    for vocabulary in vocabularies() {
        for id in 0..vocabulary.len() as u32 {
            let Some(token) = vocabulary.token(id) else { continue };
            let padded = [token, &[0; 32]].concat();
            // SAFETY: padded.
            unsafe {
                assert_eq!(vocabulary.find(padded.as_ptr(), token.len()), id);
                assert_eq!(vocabulary.longest(padded.as_ptr(), token.len(), &mut 0), (id, token.len()));
                if token.len() > 1 {
                    assert_eq!(vocabulary.prefix(id), vocabulary.longest(padded.as_ptr(), token.len() - 1, &mut 0).0);
                }
            }
        }
    }
}

#[test]
fn long_pieces_of_one_kind() {
    for unit in ["a", " ", "\n", "'", "-", "=", "ab", "the", "漢", "🙂", "\u{301}", "Ж", "é", "x9", "==\n"] {
        for len in [1, 2, 3, 15, 16, 17, 31, 64, 127, 128, 129, 300, 1000] {
            check_merges(&unit.repeat(len / unit.len() + 1));
        }
    }
}

#[test]
fn the_limit_stops_early_and_never_lies() {
    let encoding = encoding(1);
    let mut cache = Cache::default();
    let text = text_of(&"some words, and more of them ".repeat(200));
    let all = encoding.count(&mut cache, &text, u32::MAX);
    for limit in [0, 1, 10, all - 1] {
        let count = encoding.count(&mut cache, &text, limit);
        assert!(count > limit && count <= all);
    }
    assert_eq!(encoding.count(&mut cache, &text, all), all);
    // Some pieces wait to be counted together.
    assert!(encoding.count(&mut cache, &text, 10) < 200);
}
