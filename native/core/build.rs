//! Packs the vocabularies of the `tiktoken` npm package, and the character classes, into the form the token counter reads in place.
//!
//! The ranks come from `node_modules/tiktoken/encoders/*.json` (or from the folder named by `TIKTOKEN_ENCODERS`), so that no table is copied
//! into this repository. Layout of a packed vocabulary, little-endian: `u32 n`, `u8 len[n]` (0: no such id), the bytes of all tokens,
//! `[u32; 3] derived[n]` (the two tokens whose merge makes this one, a single byte being its own two, and the longest other token it begins
//! with, itself where there is none), then the bitmap of `cuts.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a build script reports by stopping")]

use base64::Engine as _;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

include!("src/token_counter/split/pair_hash.rs");
#[path = "src/unicode_classes.rs"]
mod unicode_classes;

#[derive(serde::Deserialize)]
struct RankFile {
    bpe_ranks: String,
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/token_counter/split/pair_hash.rs");
    println!("cargo:rerun-if-changed=src/unicode_classes.rs");
    println!("cargo:rerun-if-env-changed=TIKTOKEN_ENCODERS");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let encoders = match env::var_os("TIKTOKEN_ENCODERS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../node_modules/tiktoken/encoders"),
    };
    for name in ["cl100k_base", "o200k_base", "p50k_base", "r50k_base"] {
        let file = encoders.join(format!("{name}.json"));
        println!("cargo:rerun-if-changed={}", file.display());
        let text = fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; run `npm ci` first, the vocabularies come from the npm package tiktoken", file.display())
        });
        let ranks: RankFile = serde_json::from_str(&text).unwrap();
        fs::write(out.join(format!("{name}.bin")), pack(&parse(&ranks.bpe_ranks))).unwrap();
    }
    fs::write(out.join("classes.bin"), classes()).unwrap();
}

/// Lines of `<ignored> <first id> <base64> <base64> …`, ids counting up.
fn parse(ranks: &str) -> Vec<Vec<u8>> {
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for line in ranks.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split(' ').skip(1);
        let first: usize = fields.next().unwrap().parse().unwrap();
        tokens.resize(first, Vec::new());
        tokens.extend(fields.map(|token| base64::engine::general_purpose::STANDARD.decode(token).unwrap()));
    }
    tokens
}

fn pack(tokens: &[Vec<u8>]) -> Vec<u8> {
    let ids: HashMap<&[u8], u32> =
        tokens.iter().enumerate().filter(|(_, t)| !t.is_empty()).map(|(id, t)| (t.as_slice(), id as u32)).collect();
    let mut packed = (tokens.len() as u32).to_le_bytes().to_vec();
    packed.extend(tokens.iter().map(|token| u8::try_from(token.len()).unwrap()));
    packed.extend(tokens.iter().flatten());
    for (id, token) in tokens.iter().enumerate() {
        let id = id as u32;
        let [left, right] = split(token, id, &ids);
        let prefix = (1..token.len()).rev().find_map(|len| ids.get(&token[..len])).copied().unwrap_or(id);
        for derived in [left, right, prefix] {
            packed.extend(derived.to_le_bytes());
        }
    }
    packed.extend(spanned_pairs(tokens));
    packed
}

/// Merges the bytes of a token by the ranks and tells the last merge. The core relies on every token being made by merges, as all are.
fn split(token: &[u8], id: u32, ids: &HashMap<&[u8], u32>) -> [u32; 2] {
    if token.len() < 2 {
        return [id; 2];
    }
    let mut bounds: Vec<usize> = (0..=token.len()).collect();
    while bounds.len() > 3 {
        let ranks = bounds.windows(3).enumerate().filter_map(|(i, w)| ids.get(&token[w[0]..w[2]]).map(|rank| (*rank, i)));
        let (rank, i) = ranks.min().unwrap_or((id, 0));
        assert!(rank < id, "no merge makes the token {id}");
        bounds.remove(i + 1);
    }
    [ids[&token[..bounds[1]]], ids[&token[bounds[1]..]]]
}

fn starts_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

fn character_length(lead: u8) -> usize {
    match lead {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

fn key(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |key, byte| key << 8 | u32::from(*byte))
}

/// All characters that begin with `start`, as keys.
fn completions(start: &[u8]) -> Vec<u32> {
    let missing = character_length(start[0]) - start.len();
    let mut all = vec![start.to_vec()];
    for _ in 0..missing {
        all = all.iter().flat_map(|s| (0x80..0xc0u8).map(move |b| [s.as_slice(), &[b]].concat())).collect();
    }
    all.iter().map(|bytes| key(bytes)).collect()
}

/// The pairs of adjacent characters that some token spans, as the bitmap that `cuts.rs` describes.
fn spanned_pairs(tokens: &[Vec<u8>]) -> Vec<u8> {
    let mut bitmap = vec![0u8; (1 << PAIR_HASH_BITS) / 8];
    let mut set = |left: u32, right: u32| {
        let bit = pair_hash(left, right) as usize;
        bitmap[bit / 8] |= 1 << (bit % 8);
    };
    for token in tokens {
        for border in (1..token.len()).filter(|i| starts_character(token[*i])) {
            let start = (0..border).rev().find(|i| starts_character(token[*i]));
            let left = start.filter(|start| character_length(token[*start]) == border - start).map(|start| &token[start..border]);
            // Nothing is ever cut behind an ASCII character.
            if left.is_some_and(|left| left.len() == 1) {
                continue;
            }
            let left = left.map_or_else(|| partial_key(token[border - 1]), key);
            let end = border + character_length(token[border]);
            if end <= token.len() {
                set(left, key(&token[border..end]));
            } else {
                completions(&token[border..]).into_iter().for_each(|right| set(left, right));
            }
        }
    }
    bitmap
}

/// Two levels: for each run of 64 code points the number of its block, then the blocks of 64 classes.
fn classes() -> Vec<u8> {
    let mut all = vec![0u8; 0x11_0000];
    for (first, last, class) in unicode_classes::RANGES {
        all[*first as usize..=*last as usize].fill(*class);
    }
    let mut numbers: HashMap<&[u8], u16> = HashMap::new();
    let mut index = Vec::new();
    let mut blocks = Vec::new();
    for block in all.chunks(64) {
        let next = numbers.len() as u16;
        let number = *numbers.entry(block).or_insert_with(|| {
            blocks.extend_from_slice(block);
            next
        });
        index.extend(number.to_le_bytes());
    }
    [index, blocks].concat()
}
