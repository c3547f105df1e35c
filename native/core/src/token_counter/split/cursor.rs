//! A cursor over text, and what the patterns have in common.

use crate::token_counter::split::classes::{NUMBER, SPACE, class_of};

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
    pub fn contraction(self, at: usize, any_case: bool) -> usize {
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

/// Length of the contraction whose apostrophe stands at `at`, or 0.
///
/// # Safety
/// Three bytes must be readable at `at`.
#[inline(always)]
pub unsafe fn contraction_at(at: *const u8, any_case: bool) -> usize {
    // SAFETY: the caller's.
    unsafe { contraction(*at.add(1), *at.add(2), any_case) }
}

#[inline(always)]
pub fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
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
