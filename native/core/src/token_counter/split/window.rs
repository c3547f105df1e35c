//! Finds all piece starts of 64 bytes at once: one bit mask per class, then bit operations.
//! The patterns never look behind, so a window may begin at any known start: the last one that the
//! window before found. See docs/design/tokenizer.md.

use crate::token_counter::simd::Simd;
use crate::token_counter::split::block::{Masks, WINDOW, Wide};
use crate::token_counter::split::cursor::contraction_at;
use crate::token_counter::split::cuts::Cuts;
use crate::token_counter::split::pattern::rules;
use crate::token_counter::split::wide_characters;

/// Piece starts of one window.
#[derive(Debug, PartialEq, Eq)]
pub struct Starts {
    /// Bit i: a piece, or a part of one, starts at byte i; bit 0 always, and none at or behind
    /// `end`.
    pub starts: u64,
    /// Where the last of these pieces ends; 0 when the window tells nothing and the exact matcher
    /// has to take the next piece.
    pub end: usize,
}

/// A window that ends at a cut before this many bytes is not worth what it takes: a long run of
/// letters would be walked two by two.
const LEAST_CUT: u32 = 16;

/// A window that tells nothing.
pub const NOTHING: Starts = Starts { starts: 0, end: 0 };

/// Finds the piece starts in the `len` bytes (at most 64) from `at` on, where a piece starts;
/// `last`: the text ends behind them. For the patterns that `RULES` stand for.
///
/// # Safety
/// 64 bytes and some more must be readable at `at`, and the machine must have `C`'s instructions.
#[inline(always)]
pub unsafe fn piece_starts<C: Simd, const RULES: u8>(at: *const u8, len: usize, last: bool, cuts: Cuts) -> Starts {
    // SAFETY: the caller's.
    let mut masks = unsafe { C::classify(at) };
    let high = masks.high & u64::MAX >> (WINDOW - len);
    let (len, last, wide) = if high == 0 {
        (len, last, Wide::default())
    } else if RULES & rules::ASCII != 0 {
        (high.trailing_zeros() as usize, false, Wide::default())
    } else {
        // SAFETY: the caller's.
        let (before, wide) = unsafe { wide_characters::classify::<C>(at, len, high, cuts.spanned, &mut masks) };
        (before, last && before == len, wide)
    };
    // SAFETY: the caller's.
    unsafe {
        if len == 0 || RULES & rules::NO_CONTROLS != 0 && has_control(std::slice::from_raw_parts(at, WINDOW), len) {
            return NOTHING;
        }
        starts_of::<RULES>(at, masks, wide, len, last, cuts)
    }
}

/// Whether one of the first `len` bytes is a control character that is no white space. All are
/// looked at, which becomes vector instructions.
#[inline(always)]
fn has_control(bytes: &[u8], len: usize) -> bool {
    let is_control = |byte: u8| byte < 0x09 || (0x0e..0x20).contains(&byte) || byte == 0x7f;
    bytes.iter().enumerate().fold(false, |found, (at, byte)| found | (is_control(*byte) & (at < len)))
}

/// The same once the bytes are classified.
///
/// # Safety
/// As for `piece_starts`; `len` is not 0.
#[inline(always)]
pub unsafe fn starts_of<const RULES: u8>(at: *const u8, masks: Masks, wide: Wide, len: usize, last: bool, cuts: Cuts) -> Starts {
    if RULES & rules::GPT2 != 0 {
        // SAFETY: the caller's.
        return unsafe { gpt2_starts::<RULES>(at, masks, len, last) };
    }
    let is_o200k = RULES & rules::O200K != 0;
    let valid = u64::MAX >> (WINDOW - len);
    let upper = masks.upper & valid;
    let lower = masks.lower & valid;
    let digit = masks.digit & valid;
    let line = masks.line & valid;
    let blank = masks.blank & valid;
    let white = blank | line;
    let mut either = wide.either & valid;
    let mut other = valid & !(upper | lower | either | digit | white);
    if is_o200k && wide.marks != 0 {
        let marks = marks_of_words(other, wide.marks & valid, masks.space, wide);
        either |= marks;
        other &= !marks;
    }
    let letter = upper | lower | either;

    // `[\r\n]*` (o200k: `[\r\n/]*`) behind punctuation belongs to it. Adding a bit to a run of ones
    // clears it from there to its end.
    let tail_start = line & other << 1;
    let tail_set = if is_o200k { masks.line_or_slash & valid } else { line };
    let tail_sum = tail_set.wrapping_add(tail_start);
    if is_o200k && tail_sum & tail_start != 0 {
        // Two tails in one run of line ends and slashes.
        return NOTHING;
    }
    let tail = if tail_start == 0 { 0 } else { tail_set & !tail_sum };
    if is_o200k && wide.marks != 0 && tail & other != 0 {
        // `marks_of_words` took its slashes for punctuation.
        return NOTHING;
    }
    let other = other & !tail;

    let other_starts = other & !(other << 1) & !(masks.space << 1);
    let line_starts = line & !tail & !(white << 1);
    let part_ends = if RULES & rules::PARTS != 0 { digit } else { 0 };
    let white_next = (white | part_ends) >> 1 | if last { 1 << (len - 1) } else { 0 };
    let mut blank_starts = blank & (!(blank << 1) | !white_next);
    // Line end, blanks, line end: one piece, so the blanks start none.
    let after_line = blank & (line & !tail) << 1;
    let mut line_after = blank.wrapping_add(after_line) & !blank & line;
    if after_line != 0 {
        while line_after != 0 {
            let end = line_after.trailing_zeros();
            let start = 64 - (!blank & ((1 << end) - 1)).leading_zeros();
            if after_line >> start & 1 != 0 {
                blank_starts &= !((1 << end) - (1 << start));
            }
            line_after &= line_after - 1;
        }
    }
    // A blank, or punctuation that is a piece start, is the optional first character of the word
    // behind it.
    let mut letter_starts = letter & !(letter << 1) & !(blank << 1) & !wide.behind(other_starts);
    if is_o200k {
        if upper & either << 1 != 0 {
            // Whether the word ends there depends on what comes behind.
            return NOTHING;
        }
        letter_starts |= upper & lower << 1;
    }
    let digit_starts = if RULES & rules::DIGITS != 0 { digit } else { third_digits(digit) };
    let mut starts = other_starts | line_starts | blank_starts | letter_starts | digit_starts | 1;
    let mut case_cuts = 0;
    if let (false, Some(case)) = (is_o200k, cuts.case) {
        let borders = upper & lower << 1 & !(masks.high | masks.high << 1);
        if borders != 0 {
            // SAFETY: the caller's.
            case_cuts = unsafe { case.cut(at, borders) };
            starts |= case_cuts;
        }
    }

    let quotes = masks.quote & other_starts;
    let quotes = if is_o200k { quotes & letter << 1 } else { quotes };
    if RULES & rules::NO_CONTRACTIONS == 0 && quotes != 0 {
        // SAFETY: every quote lies inside the window, two more bytes are readable.
        starts = unsafe {
            if is_o200k {
                with_contractions::<true>(at, quotes, letter, starts, true)
            } else {
                with_contractions::<false>(at, quotes, letter, starts, true)
            }
        };
    }

    if last {
        return Starts { starts: starts | wide.cuts, end: len };
    }
    let certain = certain_len(valid & !white);
    if certain == 0 {
        return NOTHING;
    }
    // The next window may begin at a cut inside a word, which goes on as it would have: in o200k
    // only if nothing in it has a case. Elsewhere it may not: what is punctuation there could be
    // the first character of a word.
    let anchors = if !is_o200k || upper | lower == 0 { wide.cuts & letter } else { 0 };
    let end = ((starts | anchors) & u64::MAX >> (64 - certain)).ilog2();
    if end < LEAST_CUT && case_cuts != 0 {
        return NOTHING;
    }
    Starts { starts: (starts | wide.cuts) & ((1 << end) - 1), end: end as usize }
}

/// What white space at the window's end starts depends on what follows it; all else is certain.
#[inline(always)]
fn certain_len(no_white: u64) -> u32 {
    64 - no_white.leading_zeros()
}

/// The same for GPT-2's pattern, in ASCII.
///
/// # Safety
/// As for `starts_of`.
#[inline(always)]
unsafe fn gpt2_starts<const RULES: u8>(at: *const u8, masks: Masks, len: usize, last: bool) -> Starts {
    let valid = u64::MAX >> (WINDOW - len);
    let letter = (masks.upper | masks.lower) & valid;
    let digit = masks.digit & valid;
    let white = (masks.blank | masks.line) & valid;
    let other = valid & !(letter | digit | white);
    let run_starts = |class: u64| class & !(class << 1) & !(masks.space << 1);
    let part_ends = if RULES & rules::PARTS != 0 { digit } else { 0 };
    let white_next = (white | part_ends) >> 1 | if last { 1 << (len - 1) } else { 0 };
    let white_starts = white & (!(white << 1) | !white_next);
    let digit_starts = if RULES & rules::DIGITS != 0 { digit } else { run_starts(digit) };
    let other_starts = run_starts(other);
    let mut starts = run_starts(letter) | other_starts | digit_starts | white_starts | 1;
    let quotes = masks.quote & other_starts;
    if quotes != 0 {
        // SAFETY: every quote lies inside the window, two more bytes are readable.
        starts = unsafe { with_contractions::<false>(at, quotes, letter, starts, false) };
    }
    if last {
        return Starts { starts, end: len };
    }
    let certain = certain_len(valid & !white);
    if certain == 0 {
        return NOTHING;
    }
    let end = (starts & u64::MAX >> (64 - certain)).ilog2();
    Starts { starts: starts & ((1 << end) - 1), end: end as usize }
}

/// The marks that are parts of words: o200k takes them for letters of either case, but not where
/// the punctuation before goes on with them, which is wherever that is not a word's optional first
/// character. `other` is punctuation and all marks.
#[inline(never)]
fn marks_of_words(other: u64, mut marks: u64, space: u64, wide: Wide) -> u64 {
    let mut other = other & !marks;
    loop {
        let starts = other & !(other << 1) & !(space << 1);
        let goes_on = marks & other << 1 & !wide.behind(starts);
        if goes_on == 0 {
            return marks;
        }
        let run = marks & !marks.wrapping_add(goes_on);
        marks ^= run;
        other |= run;
    }
}

/// `\p{N}{1,3}`: the first digit of each run and every third one behind it.
#[inline(always)]
fn third_digits(digit: u64) -> u64 {
    let mut starts = digit & !(digit << 1);
    let fourth = digit & digit << 1 & digit << 2 & digit << 3;
    // Numbers of four digits are common, and no branch could foresee them; those of seven are not.
    let mut next = starts << 3 & fourth;
    starts |= next;
    next = next << 3 & fourth;
    while next != 0 {
        starts |= next;
        next = next << 3 & fourth;
    }
    starts
}

/// Contractions: in cl100k a piece of their own, in o200k the end of the word before (one for each
/// word).
///
/// # Safety
/// Two bytes must be readable behind every quote.
#[inline(never)]
unsafe fn with_contractions<const O200K: bool>(at: *const u8, mut quotes: u64, letter: u64, mut starts: u64, any_case: bool) -> u64 {
    let mut suffix_end = WINDOW + 1;
    while quotes != 0 {
        let quote = quotes.trailing_zeros() as usize;
        quotes &= quotes - 1;
        // SAFETY: the caller's.
        let length = unsafe { contraction_at(at.add(quote), any_case) };
        if length == 0 || O200K && quote == suffix_end {
            continue;
        }
        suffix_end = quote + length;
        // In cl100k its letters may have been cut apart.
        let inside = if O200K { (1 << length) - 1 } else { (1 << length) - 2 };
        starts &= !(inside << quote);
        if suffix_end < WINDOW {
            starts |= letter & 1 << suffix_end;
        }
    }
    starts
}
