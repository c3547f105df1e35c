//! The splitting patterns, as exact matchers of one piece. No regex: none of them looks behind, so
//! a piece depends only on what follows its start. `window.rs` finds most pieces of ASCII text
//! faster; this is what it falls back to.

use crate::token_counter::split::classes::{LOWER, MARK, NUMBER, OTHER_LETTER, SPACE, UPPER, class_of, is_letter};
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

/// What `\s`, `\p{L}` and `\p{N}` do not take. Marks count as it in all patterns but o200k's words.
pub const OTHER: u8 = 0;
pub const END: u8 = 7;

/// One character: its class, and where the next one starts.
#[derive(Clone, Copy)]
pub struct Char {
    pub class: u8,
    pub point: u32,
    pub next: usize,
}

/// A cursor over valid UTF-8.
#[derive(Clone, Copy)]
pub struct Scan<'a>(pub &'a [u8]);

impl Scan<'_> {
    #[inline(always)]
    pub fn at(self, at: usize) -> Char {
        let Some(&lead) = self.0.get(at) else {
            return Char { class: END, point: 0, next: at };
        };
        let byte = |i: usize| u32::from(self.0.get(at + i).copied().unwrap_or(0)) & 0x3f;
        let first = u32::from(lead);
        let (point, length) = match lead {
            0..0x80 => (first, 1),
            0x80..0xe0 => ((first & 0x1f) << 6 | byte(1), 2),
            0xe0..0xf0 => ((first & 0x0f) << 12 | byte(1) << 6 | byte(2), 3),
            _ => ((first & 0x07) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3), 4),
        };
        // SAFETY: as large as a code point can be; text has no larger ones.
        let class = unsafe { class_of(point.min(0x10_ffff)) };
        Char { class, point, next: at + length }
    }

    #[inline(always)]
    pub fn byte(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Where the run of characters whose class `belongs` ends.
    #[inline(always)]
    pub fn run(self, at: usize, belongs: impl Fn(u8) -> bool) -> usize {
        self.run_of(at, |c| belongs(c.class))
    }

    /// The same by the whole character.
    #[inline(always)]
    pub fn run_of(self, mut at: usize, belongs: impl Fn(Char) -> bool) -> usize {
        loop {
            let c = self.at(at);
            if !belongs(c) {
                return at;
            }
            at = c.next;
        }
    }

    /// Length of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d` at `at`, or 0. In any case, U+017F is
    /// an `s` too.
    #[inline(always)]
    fn contraction(self, at: usize, any_case: bool) -> usize {
        if self.byte(at) != b'\'' {
            return 0;
        }
        contraction(self.byte(at + 1), self.byte(at + 2), any_case)
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`, the first of them only `with_lines`; `at` is white space, and
    /// the text ends where a character's `is_end`.
    #[inline(always)]
    pub fn white_space(self, at: usize, with_lines: bool, is_end: impl Fn(Char) -> bool) -> usize {
        let mut end = at;
        let mut last = at;
        let mut lines = at;
        let behind = loop {
            let c = self.at(end);
            if c.class != SPACE {
                break c;
            }
            last = end;
            end = c.next;
            if is_line_end(self.byte(last)) {
                lines = end;
            }
        };
        if with_lines && lines > at {
            lines
        } else if is_end(behind) || last == at {
            end
        } else {
            last
        }
    }
}

#[inline(always)]
fn contraction(first: u8, second: u8, any_case: bool) -> usize {
    let fold = if any_case { 0x20 } else { 0 };
    match (first | fold, second | fold) {
        (b's' | b't' | b'm' | b'd', _) => 2,
        (b'r' | b'v', b'e') | (b'l', b'l') => 3,
        _ if any_case && first == 0xc5 && second == 0xbf => 3,
        _ => 0,
    }
}

/// Length of the contraction (in any case) whose apostrophe stands at `at`, or 0.
///
/// # Safety
/// Three bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn contraction_at(at: *const u8) -> usize {
    // SAFETY: the caller's.
    unsafe { contraction(*at.add(1), *at.add(2), true) }
}

#[inline(always)]
pub fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
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

/// `\p{N}{1,MOST}`, `at` being a number.
#[inline(always)]
pub fn numbers<const MOST: usize>(scan: Scan, at: usize) -> usize {
    let mut end = scan.at(at).next;
    for _ in 1..MOST {
        let c = scan.at(end);
        if c.class != NUMBER {
            break;
        }
        end = c.next;
    }
    end
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
