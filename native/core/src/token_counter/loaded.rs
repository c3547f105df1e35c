//! Tokenizers that are loaded at run time: one of each for all threads, for the life of the
//! process.

use crate::CoreError;
use crate::token_counter::encoding::Encoding;
use crate::token_counter::packed::Packed;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// The most a process loads: a loaded tokenizer stays for the life of the process.
pub const MOST_LOADED: usize = 60;

static ENCODINGS: [OnceLock<Encoding>; MOST_LOADED] = [const { OnceLock::new() }; MOST_LOADED];
/// Names of the loaded ones, by index.
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The index of a tokenizer that is loaded.
pub fn find(name: &str) -> Option<usize> {
    NAMES.lock().iter().position(|known| known == name)
}

/// Loads a packed tokenizer under a name, if none has it, and returns its index.
pub fn load(name: &str, bytes: Vec<u8>) -> Result<usize, CoreError> {
    if let Some(index) = find(name) {
        return Ok(index);
    }
    // Outside the lock: two threads at the same time build it twice, one is used.
    let encoding = Encoding::of_packed(Packed::read(bytes)?);
    let mut names = NAMES.lock();
    if let Some(index) = names.iter().position(|known| known == name) {
        return Ok(index);
    }
    let place = ENCODINGS.get(names.len()).ok_or(CoreError::TooManyTokenizers)?;
    // No other thread has this index: the lock is held.
    let _ = place.set(encoding);
    names.push(name.to_owned());
    Ok(names.len() - 1)
}

/// The index, if a tokenizer is loaded there.
#[inline(always)]
pub fn index_of(index: usize) -> Option<usize> {
    ENCODINGS.get(index).and_then(OnceLock::get).map(|_| index)
}

/// The tokenizer of an index that `index_of` has returned.
#[inline(always)]
pub fn encoding(index: usize) -> &'static Encoding {
    #[expect(clippy::expect_used, reason = "the caller has asked `index_of`, and none is unloaded")]
    ENCODINGS[index].get().expect("the tokenizer is loaded")
}
