//! Reads a packed tokenizer: `lib/token-counter/tokenizers/packed-layout.ts` writes it and tells
//! the layout. All that the engine relies on is checked, since the bytes come from a file.

use crate::CoreError;
use crate::token_counter::bpe::lengths::MAX_LONG;
use crate::token_counter::bpe::vocabulary::{DERIVED_BYTES, LongMerge, NONE};
use crate::token_counter::input::{AddedToken, Form, InputRules, PrefixSpace};
use crate::token_counter::split::pattern::Pattern;
use crate::token_counter::split::spanned::SPANNED_BYTES;
use std::collections::HashMap;

const MAGIC: u32 = 0x544c_464e;
const VERSION: u32 = 3;
/// Ids have 19 bits in the tables.
const MOST_IDS: usize = 1 << 19;
/// Of the file's ids, as `tokenizer-model.ts` checks them.
const MOST_FILE_IDS: u32 = 1 << 20;
/// Kinds of added tokens: control tokens are the caller's business, others can only be decoded.
const PLAIN: u32 = 0;
const PLAIN_NORMALIZED: u32 = 1;
/// A token that only a piece as a whole is.
const WHOLE: u32 = 4;
/// Beside the kind is whether the tables hold the token, too: of use to the TypeScript engine.
const KIND_MASK: u32 = 7;
/// Bytes of an id.
const ID: usize = 4;

/// A packed tokenizer.
pub struct Packed {
    pub pattern: Pattern,
    pub input: InputRules,
    pub long: Vec<LongMerge>,
    /// Tokens that merges do not make, by the tables' ids: a piece is one as a whole.
    pub whole: Vec<(u32, Vec<u8>)>,
    /// The file's id of each token of the tables.
    pub external: Option<&'static [[u8; ID]]>,
    /// What `Vocabulary::new` takes.
    pub vocabulary: &'static [u8],
}

/// A cursor over the bytes.
struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], CoreError> {
        let end = self.at.checked_add(len).ok_or(CoreError::PackedTokenizer("a length"))?;
        let taken = self.bytes.get(self.at..end).ok_or(CoreError::PackedTokenizer("its length"))?;
        self.at = end;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32, CoreError> {
        let word = self.take(4)?;
        Ok(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    }

    fn words(&mut self, count: usize) -> Result<Vec<u32>, CoreError> {
        let words = self.take(count.checked_mul(4).ok_or(CoreError::PackedTokenizer("a length"))?)?;
        Ok(words.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }
}

fn check(holds: bool, what: &'static str) -> Result<(), CoreError> {
    if holds { Ok(()) } else { Err(CoreError::PackedTokenizer(what)) }
}

impl Packed {
    /// Reads and checks.
    ///
    /// # Errors
    /// [`CoreError::PackedTokenizer`] names what is wrong.
    pub fn read(bytes: Vec<u8>) -> Result<Self, CoreError> {
        let mut from = Bytes { bytes: &bytes, at: 0 };
        check(from.word()? == MAGIC, "its first word")?;
        check(from.word()? == VERSION, "its version")?;
        from.word()?;
        let [pattern, flags, _bos, ids, added, long, is_mapped, chat] = {
            let words = from.words(8)?;
            [words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]]
        };
        let pattern = *Pattern::ALL.get(pattern as usize).ok_or(CoreError::PackedTokenizer("its split"))?;
        let ids = ids as usize;
        check((256..=MOST_IDS).contains(&ids), "the number of ids")?;
        let form = match flags & 3 {
            0 => Form::AsIs,
            1 => Form::Nfc,
            2 => Form::Nfkc,
            _ => return Err(CoreError::PackedTokenizer("its normalizer")),
        };
        let prefix_space = match flags >> 3 & 3 {
            0 => PrefixSpace::Never,
            1 => PrefixSpace::Always,
            2 => PrefixSpace::WhereMissing,
            _ => PrefixSpace::First,
        };
        let mut long_merges = Vec::new();
        for _ in 0..long {
            let words = from.words(4)?;
            check(words[..3].iter().all(|id| (*id as usize) < ids) && words[3] as usize > MAX_LONG, "a long merge")?;
            long_merges.push(LongMerge { left: words[0], right: words[1], made: words[2], length: words[3] });
        }
        let external_at = from.at;
        let external = if is_mapped == 1 { from.take(ids * ID)? } else { &[] }.as_chunks::<ID>().0;
        let is_file_id = |id: &[u8; ID]| u32::from_le_bytes(*id) < MOST_FILE_IDS || u32::from_le_bytes(*id) == NONE;
        check(external.iter().all(is_file_id), "an id of the file")?;
        from.take(chat as usize)?;
        let mut input = InputRules { form, spaces: flags & 4 != 0, prefix_space, added: Vec::new() };
        let mut whole = Vec::new();
        for _ in 0..added {
            let words = from.words(3)?;
            let text = from.take(words[2] as usize)?;
            let kind = words[1] & KIND_MASK;
            if kind == WHOLE {
                check(!text.is_empty() && text.len() <= MAX_LONG, "a whole token")?;
                whole.push((words[0], text.to_vec()));
            } else if kind == PLAIN || kind == PLAIN_NORMALIZED {
                let text = std::str::from_utf8(text).map_err(|_| CoreError::PackedTokenizer("an added token"))?;
                check(!text.is_empty(), "an added token")?;
                input.added.push(AddedToken { id: words[0], text: text.to_owned(), normalized: kind == PLAIN_NORMALIZED });
            }
        }
        if is_mapped == 1 && !whole.is_empty() {
            let inner: HashMap<u32, u32> = (0..).zip(external).map(|(inner, outer)| (u32::from_le_bytes(*outer), inner)).collect();
            for (id, _) in &mut whole {
                *id = *inner.get(id).ok_or(CoreError::PackedTokenizer("a whole token"))?;
            }
        }
        check(whole.iter().all(|(id, _)| (*id as usize) < ids), "a whole token")?;
        let start = from.at;
        check(from.word()? as usize == ids, "the number of ids")?;
        let lengths = from.take(ids)?;
        check(lengths.iter().all(|length| usize::from(*length) <= MAX_LONG), "the length of a token")?;
        let tokens = from.take(lengths.iter().map(|length| usize::from(*length)).sum())?;
        check_bytes(lengths, tokens)?;
        check_derived(lengths, from.take(ids * DERIVED_BYTES)?)?;
        from.take(SPANNED_BYTES)?;
        let end = from.at;
        // For the life of the process, as the tables are.
        let bytes: &'static [u8] = Vec::leak(bytes);
        let external = (is_mapped == 1).then(|| bytes[external_at..external_at + ids * ID].as_chunks::<ID>().0);
        Ok(Self { pattern, input, long: long_merges, whole, external, vocabulary: &bytes[start..end] })
    }
}

/// Every byte is a token.
fn check_bytes(lengths: &[u8], tokens: &[u8]) -> Result<(), CoreError> {
    let mut found = [false; 256];
    let mut at = 0;
    for length in lengths {
        if *length == 1 {
            found[usize::from(tokens[at])] = true;
        }
        at += usize::from(*length);
    }
    check(found.iter().all(|found| *found), "a token for each byte")
}

/// Parts and prefixes are shorter tokens; of a byte they are itself.
fn check_derived(lengths: &[u8], derived: &[u8]) -> Result<(), CoreError> {
    for (id, parts) in derived.chunks_exact(DERIVED_BYTES).enumerate() {
        let part = |at: usize| u32::from_le_bytes([parts[at], parts[at + 1], parts[at + 2], parts[at + 3]]);
        let parts = [part(0), part(4), part(8)];
        let length = lengths[id];
        let length_of = |part: u32| lengths.get(part as usize).copied().unwrap_or(0);
        let holds = match length {
            0 => true,
            1 => parts.iter().all(|part| *part as usize == id),
            _ => {
                let [left, right, prefix] = parts.map(length_of);
                left > 0 && right > 0 && u16::from(left) + u16::from(right) == u16::from(length) && prefix > 0 && prefix < length
            }
        };
        check(holds && parts.iter().all(|part| *part != NONE), "the parts of a token")?;
    }
    Ok(())
}
