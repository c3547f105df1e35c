//! The splitting patterns, as exact matchers of one piece. No regex: none of them looks behind, so
//! a piece depends only on what follows its start. `window.rs` finds most pieces of ASCII text
//! faster; this is what it falls back to.

use crate::token_counter::split::classes::{LOWER, MARK, NUMBER, OTHER_LETTER, UPPER, is_letter};
use crate::token_counter::split::cursor::{Char, END, OTHER, Scan, is_line_end, numbers};
use crate::token_counter::split::deepseek::deepseek;
use crate::token_counter::split::sets::is_han;

/// Which pattern an encoding splits by. The names are in the order of packed files; the TypeScript
/// engine has the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
    /// `(?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
    /// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    Cl100k,
    /// Words end where upper case follows lower case, and carry a contraction: see tiktoken's
    /// `o200k_base`.
    O200k,
    /// Each number alone, then GPT-2's: Command-R.
    Gpt2Digits,
    /// cl100k's with one number a piece: Qwen to 3, Grok 2.
    Cl100kDigits,
    /// The same, and marks are parts of words: Qwen 3.5.
    Cl100kMarks,
    /// o200k's without contractions, one number a piece: Mistral's Tekken.
    O200kDigits,
    /// Runs of Han, then o200k's without Han in its words: Kimi.
    Kimi,
    /// Numbers, runs of Han and kana, then words with marks, punctuation and white space.
    DeepSeek,
    /// No pattern, see `characters.rs`.
    Characters,
}

impl Pattern {
    /// In the order of packed files.
    pub const ALL: [Self; 10] = [
        Self::Gpt2,
        Self::Cl100k,
        Self::O200k,
        Self::Gpt2Digits,
        Self::Cl100kDigits,
        Self::Cl100kMarks,
        Self::O200kDigits,
        Self::Kimi,
        Self::DeepSeek,
        Self::Characters,
    ];
}

/// What windows have to know of a pattern, beside cl100k's: code is compiled for each set of bits.
pub mod rules {
    pub const CL100K: u8 = 0;
    /// Words end where upper case follows lower case, tails have slashes.
    pub const O200K: u8 = 1;
    /// Only a space is the first character of a word or of punctuation; line ends are white space.
    pub const GPT2: u8 = 2;
    /// Each digit is a piece.
    pub const DIGITS: u8 = 4;
    pub const NO_CONTRACTIONS: u8 = 8;
    /// A number ends the part that is split.
    pub const PARTS: u8 = 16;
    /// Windows end before what is beyond ASCII.
    pub const ASCII: u8 = 32;
    /// Control characters are no punctuation: the exact matcher takes them.
    pub const NO_CONTROLS: u8 = 64;
    pub const CL100K_DIGITS: u8 = DIGITS;
    pub const O200K_DIGITS: u8 = O200K | DIGITS | NO_CONTRACTIONS;
    pub const DEEPSEEK: u8 = NO_CONTRACTIONS | PARTS | ASCII | NO_CONTROLS;
    pub const GPT2_ALONE: u8 = GPT2 | ASCII;
    pub const GPT2_DIGITS: u8 = GPT2 | ASCII | DIGITS | PARTS;
}

/// The pattern of some rules.
pub const fn pattern_of(rules: u8) -> Pattern {
    match rules {
        rules::O200K => Pattern::O200k,
        rules::CL100K_DIGITS => Pattern::Cl100kDigits,
        rules::O200K_DIGITS => Pattern::O200kDigits,
        rules::DEEPSEEK => Pattern::DeepSeek,
        rules::GPT2_ALONE => Pattern::Gpt2,
        rules::GPT2_DIGITS => Pattern::Gpt2Digits,
        _ => Pattern::Cl100k,
    }
}

#[inline(always)]
fn is_other(class: u8) -> bool {
    class == OTHER || class == MARK
}

#[inline(always)]
fn is_end(c: Char) -> bool {
    c.class == END
}

/// Where the piece that starts at `at` ends. `text` is valid UTF-8, `at` a character border before
/// its end. Not for [`Pattern::Characters`].
#[inline(always)]
pub fn piece_end(pattern: Pattern, text: &[u8], at: usize) -> usize {
    let scan = Scan(text);
    match pattern {
        Pattern::Gpt2 => gpt2::<false>(scan, at),
        Pattern::Cl100k => cl100k::<3, false>(scan, at),
        Pattern::O200k => o200k::<3, true>(scan, at),
        Pattern::Gpt2Digits => gpt2::<true>(scan, at),
        Pattern::Cl100kDigits => cl100k::<1, false>(scan, at),
        Pattern::Cl100kMarks => cl100k::<1, true>(scan, at),
        Pattern::O200kDigits => o200k::<1, false>(scan, at),
        Pattern::Kimi => kimi(scan, at),
        Pattern::DeepSeek => deepseek(scan, at),
        Pattern::Characters => text.len(),
    }
}

/// `DIGITS`: each number is a piece, and what is between two of them a text of its own.
fn gpt2<const DIGITS: bool>(scan: Scan, at: usize) -> usize {
    let contraction = scan.contraction(at, false);
    if contraction > 0 {
        return at + contraction;
    }
    let first = scan.at(at);
    let (start, class) = if scan.byte(at) == b' ' { (first.next, scan.at(first.next).class) } else { (at, first.class) };
    match class {
        UPPER | LOWER | OTHER_LETTER => scan.run(start, is_letter),
        NUMBER if DIGITS => first.next,
        NUMBER => scan.run(start, |class| class == NUMBER),
        OTHER | MARK => scan.run(start, is_other),
        _ => scan.white_space(at, false, |c| is_end(c) || DIGITS && c.class == NUMBER),
    }
}

/// ` ?[^\s\p{L}\p{N}]+` and the tail of line ends (and slashes) behind it, or white space.
#[inline(always)]
fn others_or_space(scan: Scan, at: usize, first: Char, slash: u8, is_other: impl Fn(u8) -> bool) -> usize {
    let start = if scan.byte(at) == b' ' { first.next } else { at };
    let mut end = scan.run(start, is_other);
    if end == start {
        return scan.white_space(at, true, is_end);
    }
    while is_line_end(scan.byte(end)) || scan.byte(end) == slash {
        end += 1;
    }
    end
}

/// `MARKS`: marks are parts of words.
fn cl100k<const NUMBERS: usize, const MARKS: bool>(scan: Scan, at: usize) -> usize {
    let contraction = scan.contraction(at, true);
    if contraction > 0 {
        return at + contraction;
    }
    let is_word = |class: u8| is_letter(class) || MARKS && class == MARK;
    let first = scan.at(at);
    match first.class {
        NUMBER => return numbers::<NUMBERS>(scan, at),
        class if is_word(class) => return scan.run(first.next, is_word),
        _ if is_line_end(scan.byte(at)) => {}
        _ => {
            let second = scan.at(first.next);
            if is_word(second.class) {
                return scan.run(second.next, is_word);
            }
        }
    }
    // No slash may follow: repeat a line end in its place.
    others_or_space(scan, at, first, b'\n', |class| is_other(class) && !is_word(class))
}

fn o200k<const NUMBERS: usize, const CONTRACTIONS: bool>(scan: Scan, at: usize) -> usize {
    let first = scan.at(at);
    if first.class == NUMBER {
        return numbers::<NUMBERS>(scan, at);
    }
    match case_word(scan, at, first, |c| c.class) {
        Some(end) if CONTRACTIONS => end + scan.contraction(end, true),
        Some(end) => end,
        None => others_or_space(scan, at, first, b'/', is_other),
    }
}

fn kimi(scan: Scan, at: usize) -> usize {
    let mut end = at;
    loop {
        let c = scan.at(end);
        if c.class == END || !is_han(c.point) {
            break;
        }
        end = c.next;
    }
    if end > at {
        return end;
    }
    let first = scan.at(at);
    if first.class == NUMBER {
        return numbers::<3>(scan, at);
    }
    // What no part of a word has: as the text's end.
    match case_word(scan, at, first, |c| if is_han(c.point) { END } else { c.class }) {
        Some(end) => end + scan.contraction(end, true),
        None => others_or_space(scan, at, first, b'\n', is_other),
    }
}

/// The pattern's two word alternatives, in their order, each with its optional first character
/// tried first. `class_of` is a character's class in words.
#[inline(always)]
fn case_word(scan: Scan, at: usize, first: Char, class_of: impl Fn(Char) -> u8 + Copy) -> Option<usize> {
    let letter = is_letter(first.class);
    let prefixed = !letter && !is_line_end(scan.byte(at));
    let bare = letter || first.class == MARK;
    (prefixed.then(|| lower_word(scan, first.next, class_of)).flatten())
        .or_else(|| bare.then(|| lower_word(scan, at, class_of)).flatten())
        .or_else(|| prefixed.then(|| upper_word(scan, first.next, class_of)).flatten())
        .or_else(|| bare.then(|| upper_word(scan, at, class_of)).flatten())
}

#[inline(always)]
fn is_upperish(class: u8) -> bool {
    matches!(class, UPPER | OTHER_LETTER | MARK)
}

#[inline(always)]
fn is_lowerish(class: u8) -> bool {
    matches!(class, LOWER | OTHER_LETTER | MARK)
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
#[inline(always)]
fn lower_word(scan: Scan, at: usize, class_of: impl Fn(Char) -> u8) -> Option<usize> {
    let mut end = at;
    // Behind the last character of the upper run that the second set takes as well: where
    // backtracking would stop.
    let mut last_of_both = None;
    loop {
        let c = scan.at(end);
        let class = class_of(c);
        if !is_upperish(class) {
            break;
        }
        end = c.next;
        if class != UPPER {
            last_of_both = Some(end);
        }
    }
    let lower = scan.run_of(end, |c| is_lowerish(class_of(c)));
    if lower > end { Some(lower) } else { last_of_both }
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`, where `lower_word` has failed: no
/// lower-case letter can follow.
#[inline(always)]
fn upper_word(scan: Scan, at: usize, class_of: impl Fn(Char) -> u8) -> Option<usize> {
    let end = scan.run_of(at, |c| is_upperish(class_of(c)));
    (end > at).then_some(end)
}
