//! Counting and encoding, as tiktoken does it: every function here gives tiktoken's ids for every string.

mod backtrack;
mod blocks;
mod cache;
mod case_cuts;
mod classes;
mod classify;
#[cfg(target_arch = "x86_64")]
mod classify_avx512;
mod counter;
mod cuts;
mod encoder;
mod encoding;
mod filter;
#[cfg(target_arch = "x86_64")]
mod four_keys;
mod heap_merge;
mod huge_pages;
mod id_cache;
mod joins;
mod key;
#[cfg(target_arch = "x86_64")]
mod listed_pieces;
mod long_merge;
mod long_pieces;
mod long_text;
mod longest;
mod machine;
mod merge;
mod narrow;
#[cfg(target_arch = "x86_64")]
mod narrow_avx512;
#[cfg(target_arch = "x86_64")]
mod narrow_wide;
mod pattern;
mod piece;
mod run_merge;
mod scan;
#[cfg(target_arch = "x86_64")]
mod short_text;
mod split;
mod text;
mod unknown_pieces;
mod vocabulary;
mod wide_characters;
#[cfg(target_arch = "x86_64")]
mod wide_characters_avx512;
mod window;

pub use cache::Cache;
pub use encoding::Encoding;
pub use long_text::{LongText, PORTION};
#[cfg(all(fuzzing, target_arch = "x86_64"))]
pub use machine::{Vectors, use_vectors};
pub use text::Text;

use pattern::Pattern;
use std::sync::OnceLock;

/// Names in the order of their handles; the TypeScript engine has the same.
pub const ENCODING_NAMES: [&str; 7] = ["cl100k_base", "o200k_base", "o200k_harmony", "p50k_base", "p50k_edit", "r50k_base", "gpt2"];

/// Encodings that differ in their special tokens only share a vocabulary: the index of each handle's.
const VOCABULARIES: [usize; 7] = [0, 1, 1, 2, 2, 3, 3];

/// Vocabularies, and so caches, there are.
pub const VOCABULARY_COUNT: usize = 4;

static PACKED: [(Pattern, &[u8]); VOCABULARY_COUNT] = [
    (Pattern::Cl100k, include_bytes!(concat!(env!("OUT_DIR"), "/cl100k_base.bin"))),
    (Pattern::O200k, include_bytes!(concat!(env!("OUT_DIR"), "/o200k_base.bin"))),
    (Pattern::Gpt2, include_bytes!(concat!(env!("OUT_DIR"), "/p50k_base.bin"))),
    (Pattern::Gpt2, include_bytes!(concat!(env!("OUT_DIR"), "/r50k_base.bin"))),
];

static ENCODINGS: [OnceLock<Encoding>; VOCABULARY_COUNT] = [const { OnceLock::new() }; VOCABULARY_COUNT];

/// The handle of a name.
#[must_use]
pub fn handle_of(name: &str) -> Option<usize> {
    ENCODING_NAMES.iter().position(|known| *known == name)
}

/// Which vocabulary, and so which cache, a handle uses.
#[must_use]
#[inline(always)]
pub fn vocabulary_of(handle: usize) -> Option<usize> {
    VOCABULARIES.get(handle).copied()
}

/// The encoding of a vocabulary below [`VOCABULARY_COUNT`], built at the first call.
#[inline(always)]
pub fn encoding(vocabulary: usize) -> &'static Encoding {
    ENCODINGS[vocabulary].get_or_init(|| {
        let (pattern, packed) = PACKED[vocabulary];
        Encoding::new(pattern, packed)
    })
}

#[cfg(test)]
mod long_merge_tests;
#[cfg(test)]
mod tests;
