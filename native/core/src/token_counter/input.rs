//! What happens to a text before it is split: added tokens are taken out, what is between them is
//! normalized, and U+2581 and spaces become one character, as they are in the vocabulary.

use crate::token_counter::split::classes::{MARK, class_of};
use crate::token_counter::text::Text;
use aho_corasick::{AhoCorasick, Anchored, MatchKind, StartKind};
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::sync::LazyLock;
use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

const METASPACE: &str = "\u{2581}";
/// The first byte of U+0300: below it every text is in form C.
const FIRST_COMPOSING: u8 = 0xcc;

/// Unicode's normalization forms, as far as tokenizers use them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    AsIs,
    Nfc,
    Nfkc,
}

/// Where a space is put in front: of each part between added tokens, of those that have none, or of
/// the first part if it has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefixSpace {
    Never,
    Always,
    WhereMissing,
    First,
}

/// A token that any text may have.
pub struct AddedToken {
    pub id: u32,
    pub text: String,
    /// Found in the normalized text.
    pub normalized: bool,
}

/// As a tokenizer's file has them.
pub struct InputRules {
    pub form: Form,
    /// U+2581 stands for a space.
    pub spaces: bool,
    pub prefix_space: PrefixSpace,
    pub added: Vec<AddedToken>,
}

/// A part of a text.
pub enum Part<'a> {
    /// The text of an added token.
    Added { id: u32, text: &'a str },
    /// To be split; `is_changed` from the `original`.
    Text { text: &'a Text, original: &'a str, is_changed: bool },
}

/// The rules, ready to be followed.
pub struct Input {
    form: Form,
    spaces: bool,
    prefix_space: PrefixSpace,
    added: Option<Matcher>,
    normalized: Option<Matcher>,
    /// No added token goes on behind a space that follows another character.
    ends_at_spaces: bool,
}

struct Matcher {
    texts: AhoCorasick,
    ids: Vec<u32>,
    /// By byte: whether a text starts with it. Most of what is searched has none.
    starts: Box<[bool; 256]>,
    /// The same bytes, some of them again, if they are few.
    few_starts: Option<[u8; FEW]>,
}

/// So many bytes are compared with many of a text at once.
const FEW: usize = 4;
/// Those of a text that are.
const CHUNK: usize = 64;

impl Matcher {
    fn new<'a>(tokens: impl Iterator<Item = &'a AddedToken>) -> Option<Self> {
        let (texts, ids): (Vec<&str>, Vec<u32>) = tokens.map(|token| (token.text.as_str(), token.id)).unzip();
        if texts.is_empty() {
            return None;
        }
        let mut starts = Box::new([false; 256]);
        texts.iter().filter_map(|text| text.bytes().next()).for_each(|first| starts[usize::from(first)] = true);
        let firsts: Vec<u8> = (0..=u8::MAX).filter(|first| starts[usize::from(*first)]).collect();
        let few_starts = (firsts.len() <= FEW).then(|| std::array::from_fn(|i| firsts[i % firsts.len()]));
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).start_kind(StartKind::Anchored).build(texts);
        Some(Self { texts: automaton.ok()?, ids, starts, few_starts })
    }

    /// The longest of the leftmost ones.
    fn find(&self, text: &str, mut from: usize) -> Option<(u32, Range<usize>)> {
        let bytes = text.as_bytes();
        loop {
            from += self.without_start(bytes.get(from..)?);
            from += bytes.get(from..)?.iter().position(|byte| self.starts[usize::from(*byte)])?;
            if let Some(found) = self.texts.find(aho_corasick::Input::new(bytes).range(from..).anchored(Anchored::Yes)) {
                return Some((self.ids[found.pattern().as_usize()], found.range()));
            }
            from += 1;
        }
    }

    /// How many of the first bytes no text starts with, or fewer. 64 at a time become vector
    /// instructions.
    #[inline(always)]
    fn without_start(&self, bytes: &[u8]) -> usize {
        let has_none = |few: &[u8; FEW], chunk: &[u8; CHUNK]| !chunk.iter().fold(false, |found, byte| found | few.contains(byte));
        let chunks = bytes.as_chunks::<CHUNK>().0.iter();
        self.few_starts.map_or(0, |few| CHUNK * chunks.take_while(|chunk| has_none(&few, chunk)).count())
    }
}

impl Input {
    /// `None` if texts are split as they are.
    pub fn new(rules: &InputRules) -> Option<Self> {
        let is_plain = rules.form == Form::AsIs && !rules.spaces && rules.prefix_space == PrefixSpace::Never && rules.added.is_empty();
        (!is_plain).then(|| Self {
            form: rules.form,
            spaces: rules.spaces,
            prefix_space: rules.prefix_space,
            added: Matcher::new(rules.added.iter().filter(|token| !token.normalized)),
            normalized: Matcher::new(rules.added.iter().filter(|token| token.normalized)),
            ends_at_spaces: !rules.added.iter().any(|token| token.text.trim_start_matches(' ').contains(' ')),
        })
    }

    /// Whether a text is the same in two parts, cut before a space that follows another character.
    pub fn is_cut_at_spaces(&self) -> bool {
        self.ends_at_spaces && self.prefix_space == PrefixSpace::Never
    }

    /// Shows the parts of a text in order, until `show` breaks off.
    pub fn each(&self, text: &Text, mut show: impl FnMut(Part) -> ControlFlow<()>) -> ControlFlow<()> {
        let Ok(whole) = std::str::from_utf8(text.as_bytes()) else {
            // Not valid UTF-8: no caller has such a text.
            return ControlFlow::Continue(());
        };
        let mut scratch = Text::EMPTY;
        let mut at = 0;
        if let Some(added) = &self.added {
            while let Some((id, found)) = added.find(whole, at) {
                self.between(&whole[at..found.start], at == 0, &mut scratch, &mut show)?;
                show(Part::Added { id, text: &whole[found.clone()] })?;
                at = found.end;
            }
        }
        if at == 0 && self.normalized.is_none() && self.is_unchanged(whole) {
            return show(Part::Text { text, original: whole, is_changed: false });
        }
        self.between(&whole[at..], at == 0, &mut scratch, &mut show)
    }

    /// What is between two added tokens.
    fn between(
        &self,
        original: &str,
        is_first: bool,
        scratch: &mut Text,
        show: &mut impl FnMut(Part) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if original.is_empty() {
            return ControlFlow::Continue(());
        }
        let changed = self.changed(original, is_first);
        let is_changed = matches!(changed, Cow::Owned(_));
        let mut at = 0;
        // Found in the changed text: where that has changed, the originals of the parts are not
        // known.
        if let Some(normalized) = &self.normalized {
            while let Some((id, found)) = normalized.find(&changed, at) {
                show_text(&changed[at..found.start], scratch, show)?;
                show(Part::Added { id, text: &changed[found.clone()] })?;
                at = found.end;
            }
            if at > 0 {
                return show_text(&changed[at..], scratch, show);
            }
        }
        scratch.set(&changed);
        show(Part::Text { text: scratch, original, is_changed })
    }

    fn is_unchanged(&self, text: &str) -> bool {
        !text.is_empty() && self.prefix_space == PrefixSpace::Never && self.is_normalized(text) && !(self.spaces && has_metaspace(text))
    }

    fn changed<'a>(&self, text: &'a str, is_first: bool) -> Cow<'a, str> {
        let mut changed = self.normalize(text);
        if self.spaces && has_metaspace(&changed) {
            changed = Cow::Owned(changed.replace(METASPACE, " "));
        }
        let is_missing = !changed.starts_with(' ');
        let is_prefixed = match self.prefix_space {
            PrefixSpace::Never => false,
            PrefixSpace::Always => true,
            PrefixSpace::WhereMissing => is_missing,
            PrefixSpace::First => is_missing && is_first,
        };
        if is_prefixed { Cow::Owned(format!(" {changed}")) } else { changed }
    }

    fn is_normalized(&self, text: &str) -> bool {
        match self.form {
            Form::AsIs => true,
            Form::Nfc => {
                !has_byte_from(text, FIRST_COMPOSING) || !text.chars().any(may_compose) || is_nfc_quick(text.chars()) == IsNormalized::Yes
            }
            Form::Nfkc => text.is_ascii(),
        }
    }

    fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_normalized(text) {
            return Cow::Borrowed(text);
        }
        let normalized: String = if self.form == Form::Nfc { characters(text.nfc()) } else { characters(text.nfkc()) };
        if normalized == text { Cow::Borrowed(text) } else { Cow::Owned(normalized) }
    }

    /// UTF-16 units of the whole characters of `original` whose changed form has at most `bytes`
    /// bytes.
    pub fn original_units(&self, original: &str, bytes: usize) -> usize {
        let first = self.changed(original, true).len() - self.changed_within(original).len();
        let mut left = bytes.saturating_sub(first);
        let mut units = 0;
        for group in groups(original, self.form != Form::AsIs) {
            let length = self.changed_within(group).len();
            if length > left {
                break;
            }
            left -= length;
            units += group.encode_utf16().count();
        }
        units
    }

    /// Without a prefix.
    fn changed_within<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let normalized = self.normalize(text);
        if self.spaces && has_metaspace(&normalized) { Cow::Owned(normalized.replace(METASPACE, " ")) } else { normalized }
    }
}

fn show_text(part: &str, scratch: &mut Text, show: &mut impl FnMut(Part) -> ControlFlow<()>) -> ControlFlow<()> {
    if part.is_empty() {
        return ControlFlow::Continue(());
    }
    scratch.set(part);
    show(Part::Text { text: scratch, original: part, is_changed: false })
}

/// Without what the crate tells of their places in the original.
fn characters(placed: impl Iterator<Item = (char, isize)>) -> String {
    placed.map(|(character, _)| character).collect()
}

/// A character with the marks, and Hangul vowels and finals, that may compose with it.
fn groups(text: &str, may_compose: bool) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.len_utf8();
        let mut behind = rest[first..].char_indices();
        let end = behind.find(|(_, point)| !(may_compose && goes_on(*point))).map_or(rest.len(), |(at, _)| first + at);
        let (group, behind) = rest.split_at(end);
        rest = behind;
        Some(group)
    })
}

fn goes_on(point: char) -> bool {
    // SAFETY: a code point.
    matches!(point, '\u{1160}'..='\u{11ff}') || unsafe { class_of(point as u32) } == MARK
}

/// To begin a search for a string takes longer than to look at most parts of a text.
fn has_metaspace(text: &str) -> bool {
    has_byte_from(text, METASPACE.as_bytes()[0]) && text.contains(METASPACE)
}

/// Looks at 64 bytes at a time, which become vector instructions.
fn has_byte_from(text: &str, least: u8) -> bool {
    text.as_bytes().chunks(64).any(|chunk| chunk.iter().fold(0, |most, byte| most.max(*byte)) >= least)
}

/// Whether form C may change a character, alone or with those before it.
fn may_compose(point: char) -> bool {
    static TABLE: LazyLock<Vec<u64>> = LazyLock::new(|| {
        let mut table = vec![0; 0x11_0000 / 64];
        for point in '\0'..=char::MAX {
            if canonical_combining_class(point) != 0 || is_nfc_quick(std::iter::once(point)) != IsNormalized::Yes {
                table[point as usize / 64] |= 1u64 << (point as u32 % 64);
            }
        }
        table
    });
    TABLE[point as usize / 64] >> (point as u32 % 64) & 1 != 0
}
