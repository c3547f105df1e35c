//! Counting and encoding, as tiktoken does it: every function here gives tiktoken's ids for every
//! string.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bpe;
mod cache;
mod count_memory;
mod cpu_features;
mod encoder;
mod encoding;
mod input;
mod json_texts;
mod loaded;
mod long_text;
mod lookup;
mod packed;
mod portable;
mod simd;
mod split;
mod text;
mod vocabulary_file;

pub use cache::Cache;
pub use count_memory::CountMemory;
#[cfg(all(fuzzing, target_arch = "x86_64"))]
pub use cpu_features::{Vectors, use_vectors};
pub use encoding::Encoding;
pub use json_texts::{JsonTextCounter, JsonTexts, TextCount};
pub use loaded::MOST_LOADED;
pub use long_text::{LongText, PORTION};
pub use text::Text;
pub use vocabulary_file::VocabularyFile;

use crate::CoreError;
use split::pattern::Pattern;
use std::sync::OnceLock;

/// Names in the order of their handles; the TypeScript engine has the same.
pub const ENCODING_NAMES: [&str; 7] = ["cl100k_base", "o200k_base", "o200k_harmony", "p50k_base", "p50k_edit", "r50k_base", "gpt2"];

/// Encodings that differ in their special tokens only share a vocabulary: the index of each
/// handle's.
const VOCABULARIES: [usize; 7] = [0, 1, 1, 2, 2, 3, 3];

/// Vocabularies of the package.
pub const VOCABULARY_COUNT: usize = 4;

/// Vocabularies, and so caches, there can be: those that are loaded stand behind the others.
pub const MOST_VOCABULARIES: usize = VOCABULARY_COUNT + MOST_LOADED;

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

/// The handle of a tokenizer that is loaded.
#[must_use]
pub fn find_tokenizer(name: &str) -> Option<usize> {
    loaded::find(name).map(|index| VOCABULARIES.len() + index)
}

/// Loads a packed tokenizer under a name, if none has it, and returns its handle. Takes tens of
/// milliseconds.
///
/// # Errors
/// [`CoreError::PackedTokenizer`] if the bytes are no packed tokenizer,
/// [`CoreError::TooManyTokenizers`].
pub fn load_tokenizer(name: &str, bytes: Vec<u8>) -> Result<usize, CoreError> {
    loaded::load(name, bytes).map(|index| VOCABULARIES.len() + index)
}

/// Which vocabulary, and so which cache, a handle uses.
#[must_use]
#[inline(always)]
pub fn vocabulary_of(handle: usize) -> Option<usize> {
    match VOCABULARIES.get(handle) {
        Some(vocabulary) => Some(*vocabulary),
        None => loaded::index_of(handle - VOCABULARIES.len()).map(|index| VOCABULARY_COUNT + index),
    }
}

/// The encoding of a vocabulary that `vocabulary_of` has returned, built at the first call.
///
/// # Panics
/// If there is no such vocabulary.
#[inline(always)]
pub fn encoding(vocabulary: usize) -> &'static Encoding {
    if vocabulary >= VOCABULARY_COUNT {
        return loaded::encoding(vocabulary - VOCABULARY_COUNT);
    }
    ENCODINGS[vocabulary].get_or_init(|| {
        let (pattern, packed) = PACKED[vocabulary];
        Encoding::new(pattern, packed)
    })
}

#[cfg(test)]
mod tests;
