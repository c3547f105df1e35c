//! DeepSeek's three passes as one: what the first two take ends the text for the third.

use crate::token_counter::split::classes::{LOWER, MARK, NUMBER, SPACE, UPPER, is_letter};
use crate::token_counter::split::cursor::{Char, END, Scan, is_line_end, numbers};
use crate::token_counter::split::sets::is_punctuation;

/// `\p{N}{1,3}`, then `[一-龥\u3040-ゟ゠-ヿ]+`, then
/// `[ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
/// \s*[\r\n]+|\s+(?!\S)|\s+`; what none of them takes is a piece as long as it goes on.
pub fn deepseek(scan: Scan, at: usize) -> usize {
    let first = scan.at(at);
    if first.class == NUMBER {
        return numbers::<3>(scan, at);
    }
    if is_east_asian(first.point) {
        return scan.run_of(at, |c| c.class != END && is_east_asian(c.point));
    }
    if let Some(end) = third_pass(scan, at, first) {
        return end;
    }
    let mut end = first.next;
    loop {
        let c = scan.at(end);
        if ends_part(c) || third_pass(scan, end, c).is_some() {
            return end;
        }
        end = c.next;
    }
}

#[inline(always)]
fn is_east_asian(point: u32) -> bool {
    matches!(point, 0x4e00..=0x9fa5 | 0x3040..=0x30ff)
}

/// Whether the part that the third pass splits ends before `c`.
#[inline(always)]
fn ends_part(c: Char) -> bool {
    c.class == END || c.class == NUMBER || is_east_asian(c.point)
}

#[inline(always)]
fn is_word(c: Char) -> bool {
    (is_letter(c.class) || c.class == MARK) && !is_east_asian(c.point)
}

#[inline(always)]
fn is_symbol(c: Char) -> bool {
    !is_letter(c.class) && !matches!(c.class, MARK | NUMBER | SPACE | END) && is_punctuation(c.point) && !is_east_asian(c.point)
}

#[inline(always)]
fn third_pass(scan: Scan, at: usize, first: Char) -> Option<usize> {
    let second = scan.at(first.next);
    let is_ascii_letter = |c: Char| c.point < 0x80 && matches!(c.class, UPPER | LOWER);
    if first.point < 0x80 && is_symbol(first) && is_ascii_letter(second) {
        return Some(scan.run_of(second.next, is_ascii_letter));
    }
    if is_word(first) {
        return Some(scan.run_of(first.next, is_word));
    }
    if !is_symbol(first) && !is_line_end(scan.byte(at)) && is_word(second) {
        return Some(scan.run_of(second.next, is_word));
    }
    let start = if scan.byte(at) == b' ' { first.next } else { at };
    let mut end = scan.run_of(start, is_symbol);
    if end > start {
        while is_line_end(scan.byte(end)) {
            end += 1;
        }
        return Some(end);
    }
    (first.class == SPACE).then(|| scan.white_space(at, true, ends_part))
}
