//! The three splitting patterns of the encodings, as exact matchers of one piece. No regex: none of
//! them looks behind, so a piece depends only on what follows its start. `window.rs` finds most
//! pieces of ASCII text faster; this is what it falls back to.

use crate::token_counter::split::classes::{LOWER, MARK, NUMBER, OTHER_LETTER, SPACE, UPPER, class_of, is_letter};

/// Which pattern an encoding splits by.
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
}

/// What `\s`, `\p{L}` and `\p{N}` do not take. Marks count as it in all patterns but o200k's words.
const OTHER: u8 = 0;
const END: u8 = 7;

/// One character: its class, and where the next one starts.
#[derive(Clone, Copy)]
struct Char {
    class: u8,
    next: usize,
}

/// A cursor over valid UTF-8.
#[derive(Clone, Copy)]
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    #[inline(always)]
    fn at(self, at: usize) -> Char {
        let Some(&lead) = self.0.get(at) else {
            return Char { class: END, next: at };
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
        Char { class, next: at + length }
    }

    #[inline(always)]
    fn byte(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Where the run of characters whose class `belongs` ends.
    #[inline(always)]
    fn run(self, mut at: usize, belongs: impl Fn(u8) -> bool) -> usize {
        loop {
            let c = self.at(at);
            if !belongs(c.class) {
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

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`, the first of them only `with_lines`; `at` is white space.
    #[inline(always)]
    fn white_space(self, at: usize, with_lines: bool) -> usize {
        let mut end = at;
        let mut last = at;
        let mut lines = at;
        loop {
            let c = self.at(end);
            if c.class != SPACE {
                break;
            }
            last = end;
            end = c.next;
            if is_line_end(self.byte(last)) {
                lines = end;
            }
        }
        if with_lines && lines > at {
            lines
        } else if end == self.0.len() || last == at {
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
fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

#[inline(always)]
fn is_other(class: u8) -> bool {
    class == OTHER || class == MARK
}

/// Where the piece that starts at `at` ends. `text` is valid UTF-8, `at` a character border before
/// its end.
#[inline(always)]
pub fn piece_end(pattern: Pattern, text: &[u8], at: usize) -> usize {
    let scan = Scan(text);
    match pattern {
        Pattern::Gpt2 => gpt2(scan, at),
        Pattern::Cl100k => cl100k(scan, at),
        Pattern::O200k => o200k(scan, at),
    }
}

fn gpt2(scan: Scan, at: usize) -> usize {
    let contraction = scan.contraction(at, false);
    if contraction > 0 {
        return at + contraction;
    }
    let first = scan.at(at);
    let (start, class) = if scan.byte(at) == b' ' { (first.next, scan.at(first.next).class) } else { (at, first.class) };
    match class {
        UPPER | LOWER | OTHER_LETTER => scan.run(start, is_letter),
        NUMBER => scan.run(start, |class| class == NUMBER),
        OTHER | MARK => scan.run(start, is_other),
        _ => scan.white_space(at, false),
    }
}

/// `\p{N}{1,3}`, `at` being a number.
#[inline(always)]
fn numbers(scan: Scan, at: usize) -> usize {
    let mut end = scan.at(at).next;
    for _ in 0..2 {
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
fn others_or_space(scan: Scan, at: usize, first: Char, slash: u8) -> usize {
    let start = if scan.byte(at) == b' ' { first.next } else { at };
    let mut end = scan.run(start, is_other);
    if end == start {
        return scan.white_space(at, true);
    }
    while is_line_end(scan.byte(end)) || scan.byte(end) == slash {
        end += 1;
    }
    end
}

fn cl100k(scan: Scan, at: usize) -> usize {
    let contraction = scan.contraction(at, true);
    if contraction > 0 {
        return at + contraction;
    }
    let first = scan.at(at);
    match first.class {
        NUMBER => return numbers(scan, at),
        UPPER | LOWER | OTHER_LETTER => return scan.run(first.next, is_letter),
        _ if is_line_end(scan.byte(at)) => {}
        _ => {
            let second = scan.at(first.next);
            if is_letter(second.class) {
                return scan.run(second.next, is_letter);
            }
        }
    }
    // No slash may follow: repeat a line end in its place.
    others_or_space(scan, at, first, b'\n')
}

fn o200k(scan: Scan, at: usize) -> usize {
    let first = scan.at(at);
    if first.class == NUMBER {
        return numbers(scan, at);
    }
    let letter = is_letter(first.class);
    let prefixed = !letter && !is_line_end(scan.byte(at));
    let bare = letter || first.class == MARK;
    // The order of the pattern's two word alternatives, each with its optional first character
    // tried first.
    let word = (prefixed.then(|| lower_word(scan, first.next)).flatten())
        .or_else(|| bare.then(|| lower_word(scan, at)).flatten())
        .or_else(|| prefixed.then(|| upper_word(scan, first.next)).flatten())
        .or_else(|| bare.then(|| upper_word(scan, at)).flatten());
    match word {
        Some(end) => end + scan.contraction(end, true),
        None => others_or_space(scan, at, first, b'/'),
    }
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
fn lower_word(scan: Scan, at: usize) -> Option<usize> {
    let mut end = at;
    // Behind the last character of the upper run that the second set takes as well: where
    // backtracking would stop.
    let mut last_of_both = None;
    loop {
        let c = scan.at(end);
        if !is_upperish(c.class) {
            break;
        }
        end = c.next;
        if c.class != UPPER {
            last_of_both = Some(end);
        }
    }
    let lower = scan.run(end, is_lowerish);
    if lower > end { Some(lower) } else { last_of_both }
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`, where `lower_word` has failed: no
/// lower-case letter can follow.
#[inline(always)]
fn upper_word(scan: Scan, at: usize) -> Option<usize> {
    let end = scan.run(at, is_upperish);
    (end > at).then_some(end)
}
