//! Blocks of every kind against a merge of the whole.

use crate::long::is_long;
use crate::token_counter::bpe::block_merge::Merged;
use crate::token_counter::bpe::heap_merge::merge_any;
use crate::token_counter::bpe::long_merge::LongMerge;
use crate::token_counter::bpe::rank_merge::{MAX_RANKED, RankMerge};
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::{Cache, ENCODING_NAMES, PACKED, Text, encoding, vocabulary_of};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::LazyLock;

static VOCABULARIES: LazyLock<Vec<Vocabulary>> = LazyLock::new(|| PACKED.iter().map(|(_, packed)| Vocabulary::new(packed)).collect());

fn check(piece: &[u8]) {
    for vocabulary in VOCABULARIES.iter() {
        let (bounds, ids) = merge_any(vocabulary, piece);
        let mut expected = vec![];
        Merged { start: 0, len: piece.len(), bounds: &bounds, ids: &ids }.push_from(0, &mut expected);
        let padded = [piece, &[0; 80]].concat();
        // SAFETY: padded.
        let found = unsafe { LongMerge::default().merge(vocabulary, padded.as_ptr(), piece.len()).to_vec() };
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(piece));
    }
}

proptest! {
    #![proptest_config(crate::long::cases(300))]
    #[test]
    fn blocks_join_to_what_the_whole_merges_to(
        parts in prop::collection::vec(("[a-z]{1,9}|[A-Za-z0-9+/]{1,40}|[-=*/#]|[-=]{1,3}|[ab]{1,5}|\\PC{1,4}|[\t \n]{1,3}", 1usize..300), 1..14),
    ) {
        check(parts.iter().map(|(part, times)| part.repeat(*times)).collect::<String>().as_bytes());
    }
}

proptest! {
    #![proptest_config(crate::long::cases(200))]
    #[test]
    fn texts_that_repeat_themselves_merge_as_others_do(parts in prop::collection::vec(("[ \n\tab=-]{1,24}|( {8}|[a-zé中]){1,24}", 1usize..400), 1..4)) {
        check(parts.iter().map(|(part, times)| part.repeat(*times)).collect::<String>().as_bytes());
    }
}

fn check_runs(merge: &mut RankMerge, text: &[u8]) {
    let text = &text[..text.len().min(MAX_RANKED)];
    for vocabulary in VOCABULARIES.iter() {
        let (bounds, ids) = merge_any(vocabulary, text);
        let [mut expected, mut found] = [vec![], vec![]];
        Merged { start: 0, len: text.len(), bounds: &bounds, ids: &ids }.push_from(0, &mut expected);
        merge.merge(vocabulary, text, (0, text.len()), text.len()).unwrap().push_from(0, &mut found);
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn runs_merge_as_their_bytes_do(parts in prop::collection::vec((prop_oneof![any::<u8>(), Just(b'-'), Just(b'='), Just(b' ')], 1usize..300), 1..14)) {
        check_runs(&mut RankMerge::new(), &parts.iter().flat_map(|(byte, times)| vec![*byte; *times]).collect::<Vec<_>>());
    }
}

/// Every length up to 2,000 of each byte under `LONG=1`.
#[test]
fn runs_of_every_byte_and_length() {
    let step = if std::env::var_os("LONG").is_some() { 1 } else { 131 };
    let mut merge = RankMerge::new();
    for byte in 0..=255u8 {
        for len in (1..=2000).step_by(step).chain(1..140) {
            check_runs(&mut merge, &vec![byte; len]);
        }
    }
}

#[test]
fn runs_of_every_pair_of_bytes() {
    let step = if std::env::var_os("LONG").is_some() { 1 } else { 97 };
    let mut merge = RankMerge::new();
    for pair in (0..=u16::MAX).step_by(step) {
        let [first, second] = pair.to_be_bytes();
        let [long, short] = [usize::from(pair) * 7919 % 2000 + 1, usize::from(pair) * 31 % 200 + 1];
        check_runs(&mut merge, &[vec![first; long], vec![second; short]].concat());
        check_runs(&mut merge, &[vec![first; short], vec![second; long], vec![first; 3]].concat());
        check_runs(&mut merge, &[first, second].repeat(short));
    }
}

#[test]
fn runs_of_every_byte() {
    for byte in 0..128u8 {
        for len in [1, 64, 255, 256, 447, 448, 1023, 5000] {
            check(&vec![byte; len]);
        }
    }
    for len in (8100..8300).step_by(if is_long() { 1 } else { 13 }) {
        check(&vec![b'-'; len]);
    }
}

/// Bytes each of whose pairs has a lower rank than the one before: which of them merge is told by
/// the last one.
#[test]
fn chains_of_falling_ranks() {
    for vocabulary in VOCABULARIES.iter() {
        let mut longest = vec![vec![]; 256];
        let mut pairs: Vec<(u32, u8, u8)> = vec![];
        for first in 0..=255 {
            pairs.extend((0..=255).map(|second| (vocabulary.pair(first, second), first, second)).filter(|pair| pair.0 != NONE));
        }
        pairs.sort_unstable();
        for (_, first, second) in pairs {
            let behind: &Vec<u8> = &longest[usize::from(second)];
            if behind.len() + 1 > longest[usize::from(first)].len() {
                longest[usize::from(first)] = [&[second], &behind[..]].concat();
            }
        }
        let (first, rest) = longest.iter().enumerate().max_by_key(|(_, rest)| rest.len()).unwrap_or((0, &longest[0]));
        let chain = [&[first as u8], &rest[..]].concat();
        for cut in 0..4.min(chain.len()) {
            check(&chain.repeat(40)[cut..]);
            check(&chain[..chain.len() - cut].repeat(40));
        }
    }
}

#[derive(serde::Deserialize)]
struct WorstVectors {
    r#as: HashMap<String, String>,
    encodings: HashMap<String, Vec<WorstVector>>,
}

#[derive(serde::Deserialize)]
struct WorstVector {
    parts: Vec<(String, usize)>,
    ids: Vec<(u32, usize)>,
}

#[test]
fn the_vectors_of_texts_that_take_long() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/token-counter-worst.json");
    let vectors: WorstVectors = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (handle, name) in ENCODING_NAMES.into_iter().enumerate() {
        let encoding = encoding(vocabulary_of(handle).unwrap());
        let (mut cache, mut text) = (Cache::default(), Text::new());
        for WorstVector { parts, ids } in &vectors.encodings[vectors.r#as.get(name).map_or(name, |other| other)] {
            text.set(&parts.iter().map(|(part, times)| part.repeat(*times)).collect::<String>());
            let expected: Vec<u32> = ids.iter().flat_map(|(id, times)| vec![*id; *times]).collect();
            let mut found = vec![];
            encoding.encode(&mut cache, &text, usize::MAX, &mut found);
            assert_eq!(found, expected, "{name} {parts:?}");
            for _ in 0..2 {
                assert_eq!(encoding.count(&mut cache, &text, u32::MAX) as usize, expected.len(), "{name} {parts:?}");
            }
        }
    }
}
