//! An encoding: its pattern and vocabulary, and what can be asked of it.

use crate::CoreError;
use crate::token_counter::bpe::vocabulary::Vocabulary;
use crate::token_counter::cache::Cache;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::cpu_features::{Vectors, vectors};
use crate::token_counter::encoder::Encoder;
use crate::token_counter::lookup::counter::Counter;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::split::block::READ;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::split::block::WINDOW;
use crate::token_counter::split::case_cuts::CaseCuts;
use crate::token_counter::split::cuts::Cuts;
use crate::token_counter::split::pattern::Pattern;
use crate::token_counter::split::scan::scan;
use crate::token_counter::text::Text;

/// Immutable, one per process and vocabulary, used by all threads; each brings its own [`Cache`].
pub struct Encoding {
    pub(crate) pattern: Pattern,
    pub(crate) vocabulary: Vocabulary,
    /// Where the pattern does not cut there itself, and windows find the pieces.
    case_cuts: Option<CaseCuts>,
}

impl Encoding {
    pub(crate) fn new(pattern: Pattern, packed: &'static [u8]) -> Self {
        let vocabulary = Vocabulary::new(packed);
        let case_cuts = (pattern == Pattern::Cl100k).then(|| CaseCuts::new(&vocabulary));
        Self { pattern, vocabulary, case_cuts }
    }

    #[inline(always)]
    pub(crate) fn cuts(&self) -> Cuts<'_> {
        Cuts { spanned: self.vocabulary.spanned, case: self.case_cuts.as_ref() }
    }

    /// Number of tokens; may stop once more than `limit` are certain, and then returns some number
    /// above it.
    pub fn count(&self, cache: &mut Cache, text: &Text, limit: u32) -> u32 {
        let mut counter = Counter::new(&self.vocabulary, cache, text, limit);
        scan(self.pattern, text, self.cuts(), &mut counter);
        counter.total()
    }

    /// The same for the first `len` of the `units`, for which `text` is used. What is behind them
    /// may be read, too.
    #[inline(always)]
    pub fn count_utf16(&self, cache: &mut Cache, text: &mut Text, units: &[u16], len: usize, limit: u32) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if len <= WINDOW && units.len() >= READ && vectors() == Vectors::Avx512 {
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
        let mut encoder = Encoder::new(&self.vocabulary, cache, text, limit, ids);
        scan(self.pattern, text, self.cuts(), &mut encoder);
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
            len += self.vocabulary.token(*id).ok_or(CoreError::UnknownToken(*id))?.len();
        }
        if len <= target.len() {
            ids.iter().fold(0, |at, id| self.vocabulary.write_token(*id, target, at));
        }
        Ok(len)
    }

    /// Length in UTF-16 units of the first `max_tokens` tokens of `text`, without a character cut
    /// in half at the end.
    pub fn prefix_len(&self, cache: &mut Cache, text: &Text, max_tokens: usize, ids: &mut Vec<u32>) -> usize {
        ids.clear();
        self.encode(cache, text, max_tokens.saturating_add(1), ids);
        let bytes = text.as_bytes();
        let mut end: usize = ids.iter().take(max_tokens).map(|id| self.vocabulary.token_len(*id)).sum();
        while end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        // Four-byte characters are two units.
        bytes[..end].iter().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0)).sum()
    }
}
