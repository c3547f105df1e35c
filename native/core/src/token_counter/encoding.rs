//! An encoding: its pattern and vocabulary, and what can be asked of it.

use crate::CoreError;
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use crate::token_counter::cache::Cache;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::cpu_features::{Vectors, vectors};
use crate::token_counter::encoder::Encoder;
use crate::token_counter::input::{Input, Part};
use crate::token_counter::lookup::counter::Counter;
use crate::token_counter::packed::Packed;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::split::block::READ;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::split::block::WINDOW;
use crate::token_counter::split::case_cuts::CaseCuts;
use crate::token_counter::split::characters::Characters;
use crate::token_counter::split::cuts::Cuts;
use crate::token_counter::split::pattern::Pattern;
use crate::token_counter::split::runs::Runs;
use crate::token_counter::split::scan::scan;
use crate::token_counter::text::Text;
use std::ops::ControlFlow;
use std::sync::OnceLock;

/// Immutable, one per process and vocabulary, used by all threads; each brings its own [`Cache`].
pub struct Encoding {
    pub(crate) pattern: Pattern,
    pub(crate) vocabulary: Vocabulary,
    /// Where the pattern does not cut there itself, and windows find the pieces.
    case_cuts: Option<CaseCuts>,
    /// Where merges start from characters.
    characters: Option<Characters>,
    /// Where texts are not split as they are.
    input: Option<Input>,
    /// Ids of a file in another order than the tables'.
    ids: Option<FileIds>,
}

struct FileIds {
    /// By the tables' id.
    external: &'static [[u8; 4]],
    /// By the file's id; `NONE` for one that the tables lack. Only decoding asks for it.
    inner: OnceLock<Box<[u32]>>,
}

impl FileIds {
    #[inline(always)]
    fn external(&self, id: u32) -> u32 {
        u32::from_le_bytes(self.external[id as usize])
    }

    fn inner(&self) -> &[u32] {
        self.inner.get_or_init(|| {
            let outer = || self.external.iter().map(|outer| u32::from_le_bytes(*outer));
            let largest = outer().filter(|outer| *outer != NONE).max().unwrap_or_default();
            let mut inner = vec![NONE; largest as usize + 1].into_boxed_slice();
            for (id, outer) in (0..).zip(outer()).filter(|(_, outer)| *outer != NONE) {
                inner[outer as usize] = id;
            }
            inner
        })
    }
}

impl Encoding {
    pub(crate) fn new(pattern: Pattern, packed: &'static [u8]) -> Self {
        Self::with(pattern, Vocabulary::new(packed))
    }

    /// A tokenizer of a file.
    pub(crate) fn of_packed(mut packed: Packed) -> Self {
        let vocabulary = Vocabulary::with_others(packed.vocabulary, &packed.long, packed.whole);
        let ids = packed.external.map(|external| FileIds { external, inner: OnceLock::new() });
        let characters = (packed.pattern == Pattern::Characters).then(|| {
            let runs = Runs::take_from(&mut packed.input, |token| {
                let mut text = Text::new();
                text.set(&token.text);
                // SAFETY: a text is padded.
                let id = unsafe { vocabulary.find(text.as_ptr(), text.len()) };
                id != NONE && ids.as_ref().map_or(id, |file| file.external(id)) == token.id
            });
            Characters::new(&vocabulary, runs)
        });
        Self { characters, input: Input::new(&packed.input), ids, ..Self::with(packed.pattern, vocabulary) }
    }

    fn with(pattern: Pattern, vocabulary: Vocabulary) -> Self {
        let case_cuts = matches!(pattern, Pattern::Cl100k | Pattern::Cl100kDigits).then(|| CaseCuts::new(&vocabulary));
        Self { pattern, vocabulary, case_cuts, characters: None, input: None, ids: None }
    }

    #[inline(always)]
    pub(crate) fn cuts(&self) -> Cuts<'_> {
        Cuts { spanned: self.vocabulary.spanned, case: self.case_cuts.as_ref(), characters: self.characters.as_ref() }
    }

    /// Number of tokens; may stop once more than `limit` are certain, and then returns some number
    /// above it.
    pub fn count(&self, cache: &mut Cache, text: &Text, limit: u32) -> u32 {
        match &self.input {
            None => self.count_split(cache, text, limit),
            Some(input) => self.count_parts(input, cache, text, limit),
        }
    }

    #[inline(never)]
    fn count_parts(&self, input: &Input, cache: &mut Cache, text: &Text, limit: u32) -> u32 {
        let mut total = 0u32;
        let _ = input.each(text, |part| {
            total += match part {
                Part::Added { .. } => 1,
                Part::Text { text, .. } => self.count_split(cache, text, limit - total),
            };
            if total > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        total
    }

    fn count_split(&self, cache: &mut Cache, text: &Text, limit: u32) -> u32 {
        let mut counter = Counter::new(&self.vocabulary, cache, text, limit);
        scan(self.pattern, text, self.cuts(), &mut counter);
        counter.total()
    }

    /// The same for the first `len` of the `units`, for which `text` is used. What is behind them
    /// may be read, too.
    #[inline(always)]
    pub fn count_utf16(&self, cache: &mut Cache, text: &mut Text, units: &[u16], len: usize, limit: u32) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if len <= WINDOW && units.len() >= READ && self.input.is_none() && vectors() == Vectors::Avx512 {
            // SAFETY: so many units are readable, and the machine has the instructions.
            if let Some(count) = unsafe { self.count_short(cache, text, units.as_ptr(), len) } {
                return count;
            }
        }
        text.set_utf16(&units[..len]);
        self.count(cache, text, limit)
    }

    /// Appends the ids of `text` to `ids`; may stop once `limit` are there.
    pub fn encode(&self, cache: &mut Cache, text: &Text, limit: usize, ids: &mut Vec<u32>) {
        let Some(input) = &self.input else {
            return self.encode_split(cache, text, limit, ids);
        };
        let end = ids.len().saturating_add(limit);
        let _ = input.each(text, |part| {
            match part {
                Part::Added { id, .. } => ids.push(id),
                Part::Text { text, .. } => self.encode_split(cache, text, end - ids.len(), ids),
            }
            if ids.len() >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    fn encode_split(&self, cache: &mut Cache, text: &Text, limit: usize, ids: &mut Vec<u32>) {
        let start = ids.len();
        self.encode_inner(cache, text, limit, ids);
        if let Some(file) = &self.ids {
            ids[start..].iter_mut().for_each(|id| *id = file.external(*id));
        }
    }

    /// The tables' ids.
    fn encode_inner(&self, cache: &mut Cache, text: &Text, limit: usize, ids: &mut Vec<u32>) {
        let mut encoder = Encoder::new(&self.vocabulary, cache, text, limit, ids);
        scan(self.pattern, text, self.cuts(), &mut encoder);
    }

    fn inner_id(&self, id: u32) -> Option<u32> {
        match &self.ids {
            None => Some(id),
            Some(file) => file.inner().get(id as usize).copied().filter(|inner| *inner != NONE),
        }
    }

    /// Whether a text is split and merged alike in two parts, cut between two characters whose
    /// bytes these are: then it can be counted as it comes.
    pub(crate) fn is_cut_at_space(&self, left: &[u8]) -> Option<bool> {
        let input = self.input.as_ref()?;
        let key = left.iter().rev().fold(0, |key, byte| key << 8 | u32::from(*byte));
        let is_inside = |characters: &Characters| {
            // SAFETY: the bitmap is the vocabulary's.
            unsafe { characters.is_inside(self.vocabulary.spanned, key, u32::from(b' ')) }
        };
        Some(input.is_cut_at_spaces() && !self.characters.as_ref().is_some_and(is_inside))
    }

    /// How many bytes a token may stand for, added ones not among them: a text that is normalized
    /// becomes shorter, to a third at the most.
    pub(crate) fn most_token_bytes(&self) -> usize {
        self.vocabulary.longest_token() * if self.input.is_some() { 3 } else { 1 }
    }

    /// Writes the bytes of `ids` to the start of `target`, if all of them fit, and returns how many
    /// they are. What is behind them may change too.
    ///
    /// # Errors
    /// [`CoreError::UnknownToken`] names the first id that is none; special tokens are the caller's
    /// business.
    pub fn decode(&self, ids: &[u32], target: &mut [u8]) -> Result<usize, CoreError> {
        let mut len = 0;
        for id in ids {
            let inner = self.inner_id(*id).and_then(|inner| self.vocabulary.token(inner));
            len += inner.ok_or(CoreError::UnknownToken(*id))?.len();
        }
        if len <= target.len() {
            ids.iter().filter_map(|id| self.inner_id(*id)).fold(0, |at, id| self.vocabulary.write_token(id, target, at));
        }
        Ok(len)
    }

    /// Length in UTF-16 units of the first `max_tokens` tokens of `text`, without a character cut
    /// in half at the end.
    pub fn prefix_len(&self, cache: &mut Cache, text: &Text, max_tokens: usize, ids: &mut Vec<u32>) -> usize {
        let Some(input) = &self.input else {
            return units_in(&text.as_bytes()[..self.prefix_bytes(cache, text, max_tokens, ids).0]);
        };
        let (mut left, mut units) = (max_tokens, 0);
        let _ = input.each(text, |part| {
            match part {
                Part::Added { text, .. } if left > 0 => {
                    left -= 1;
                    units += units_in(text.as_bytes());
                }
                Part::Text { text, original, is_changed } if left > 0 => {
                    let (bytes, count) = self.prefix_bytes(cache, text, left, ids);
                    let is_whole = count <= left;
                    left -= count.min(left);
                    units += match (is_whole, is_changed) {
                        (true, _) => units_in(original.as_bytes()),
                        (false, true) => input.original_units(original, bytes),
                        (false, false) => units_in(&original.as_bytes()[..bytes]),
                    };
                    if !is_whole {
                        return ControlFlow::Break(());
                    }
                }
                _ => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        });
        units
    }

    /// Bytes of the first `max_tokens` tokens, without a character cut in half, and how many tokens
    /// there are, or more than `max_tokens`.
    fn prefix_bytes(&self, cache: &mut Cache, text: &Text, max_tokens: usize, ids: &mut Vec<u32>) -> (usize, usize) {
        ids.clear();
        self.encode_inner(cache, text, max_tokens.saturating_add(1), ids);
        let bytes = text.as_bytes();
        let mut end: usize = ids.iter().take(max_tokens).map(|id| self.vocabulary.token_len(*id)).sum();
        while end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        (end, ids.len())
    }
}

/// UTF-16 units of whole characters: four-byte characters are two.
fn units_in(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0)).sum()
}
