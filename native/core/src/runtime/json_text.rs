//! What stands between the quotes of a JSON string.

/// Whether a string ends at this byte, or has to escape it.
fn is_end(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Bytes of a block: what one vector of every x86-64 holds.
const BLOCK: usize = 16;

/// From `at` on, the first quote, backslash or control character, or the length.
#[inline]
pub fn run_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let end = first_end(block);
        if end < BLOCK {
            return at + end;
        }
        at += BLOCK;
    }
    while bytes.get(at).is_some_and(|byte| !is_end(*byte)) {
        at += 1;
    }
    at
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first_end(block: &[u8; BLOCK]) -> usize {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    // SAFETY: the block has 16 bytes, and every x86-64 has the instructions.
    let ends = unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
    };
    // A bit behind the others, so that there is one.
    (ends | 1 << BLOCK).trailing_zeros() as usize
}

/// The high bit of a byte of the words below is set for the first byte that ends a run; bytes
/// behind it may be wrong, because a subtraction borrows from them.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn first_end(block: &[u8; BLOCK]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES << 7);
    for part in 0..2 {
        let word = u64::from_le_bytes(std::array::from_fn(|i| block[part * 8 + i]));
        let ends = below(word, 0x20) | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
        if ends != 0 {
            return part * 8 + ends.trailing_zeros() as usize / 8;
        }
    }
    BLOCK
}

/// What becomes of half a surrogate pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lone {
    /// Three bytes of its own, so that different strings stay different.
    Kept,
    /// U+FFFD, as in a JavaScript string that is written as UTF-8.
    Replaced,
}

/// A text that is unescaped piece by piece.
pub struct Unescape<'a> {
    rest: &'a [u8],
    lone: Lone,
}

impl<'a> Unescape<'a> {
    pub fn new(raw: &'a [u8], lone: Lone) -> Self {
        Self { rest: raw, lone }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Appends whole characters to `out` until it has `enough` bytes or some more. Escapes that are
    /// none, which a scan has refused, give anything.
    pub fn append(&mut self, enough: usize, out: &mut Vec<u8>) {
        while out.len() < enough && !self.rest.is_empty() {
            let window = self.window(enough - out.len());
            let run = run_end(window, 0);
            out.extend_from_slice(&window[..run]);
            let has_more = run < window.len();
            self.rest = &self.rest[run..];
            match self.rest.first() {
                Some(b'\\') if has_more => self.escape(out),
                Some(other) if has_more => {
                    out.push(*other);
                    self.rest = &self.rest[1..];
                }
                _ => {}
            }
        }
    }

    /// The next `most` bytes or some more, which end with a character.
    fn window(&self, most: usize) -> &'a [u8] {
        let behind = self.rest.get(most..).unwrap_or_default();
        let end = self.rest.len() - behind.len() + behind.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
        &self.rest[..end]
    }

    /// Takes the escape in front.
    fn escape(&mut self, out: &mut Vec<u8>) {
        let escape = self.rest.get(1).copied();
        self.rest = self.rest.get(2..).unwrap_or_default();
        match escape {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => self.unit(out),
            Some(other) => out.push(other),
            None => {}
        }
    }

    /// Takes the digits of `\u`, and the second half of a pair.
    fn unit(&mut self, out: &mut Vec<u8>) {
        let unit = unit_of(self.rest);
        self.rest = self.rest.get(4..).unwrap_or_default();
        let low = if is_high(unit) && self.rest.starts_with(b"\\u") { unit_of(&self.rest[2..]) } else { 0 };
        if (0xdc00..0xe000).contains(&low) {
            self.rest = self.rest.get(6..).unwrap_or_default();
            push_point(0x1_0000 + ((unit & 0x3ff) << 10 | (low & 0x3ff)), out);
        } else if (0xd800..0xe000).contains(&unit) && self.lone == Lone::Replaced {
            push_point(0xfffd, out);
        } else {
            push_point(unit, out);
        }
    }
}

fn is_high(unit: u32) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

/// The four hexadecimal digits in front.
fn unit_of(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |unit, digit| unit << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
}

/// Appends a code point; half a surrogate pair in three bytes.
fn push_point(point: u32, out: &mut Vec<u8>) {
    let tail = |shift: u32| (point >> shift & 0x3f) as u8 | 0x80;
    match point {
        0..0x80 => out.push(point as u8),
        0x80..0x800 => out.extend([0xc0 | (point >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => out.extend([0xe0 | (point >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend([0xf0 | (point >> 18) as u8, tail(12), tail(6), tail(0)]),
    }
}

/// UTF-16 units of a text.
pub fn utf16_len(text: &str) -> usize {
    // Four-byte characters are two units.
    text.bytes().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(byte >= 0xf0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_ends_a_run_or_does_not() {
        for byte in 0..=u8::MAX {
            for len in [1, 7, 15, 16, 17, 40] {
                for at in 0..len {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    assert_eq!(run_end(&bytes, 0), if is_end(byte) { at } else { len }, "{byte} at {at} of {len}");
                    assert_eq!(run_end(&bytes, at + 1), len);
                }
            }
        }
        assert_eq!(run_end(b"aaaaaaaaaaaaaaaaaaaaaa\x1f\"\\", 3), 22);
    }

    fn unescaped(raw: &str, lone: Lone) -> Vec<u8> {
        let mut out = Vec::new();
        Unescape::new(raw.as_bytes(), lone).append(usize::MAX, &mut out);
        // Piece by piece it is the same, and each piece is whole characters.
        for enough in 1..4 {
            let mut text = Unescape::new(raw.as_bytes(), lone);
            let mut joined = Vec::new();
            while !text.is_empty() {
                let mut piece = Vec::new();
                text.append(enough, &mut piece);
                assert!(lone == Lone::Kept || std::str::from_utf8(&piece).is_ok());
                joined.extend(piece);
            }
            assert_eq!(joined, out);
        }
        out
    }

    #[test]
    fn every_unit_and_pair_is_what_the_standard_library_says() {
        for unit in 0..=u16::MAX {
            let expected = String::from_utf16_lossy(&[unit]);
            assert_eq!(unescaped(&format!("\\u{unit:04x}"), Lone::Replaced), expected.as_bytes());
            assert_eq!(unescaped(&format!("a\\u{unit:04X}\\\"é"), Lone::Replaced), format!("a{expected}\"é").as_bytes());
        }
        for pair in [[0xd800, 0xdc00], [0xdbff, 0xdfff], [0xd83e, 0xdd80], [0xd83e, 0xd83e], [0xdd80, 0xd83e], [0xd83e, 0x41]] {
            let raw = format!("\\u{:04x}\\u{:04x}", pair[0], pair[1]);
            assert_eq!(unescaped(&raw, Lone::Replaced), String::from_utf16_lossy(&pair).as_bytes(), "{raw}");
        }
        assert_eq!(unescaped("\\n\\t\\r\\b\\f\\/\\\\\\\"", Lone::Replaced), b"\n\t\r\x08\x0c/\\\"");
    }

    #[test]
    fn halves_stay_different_where_they_are_kept() {
        let kept = |raw: &str| unescaped(raw, Lone::Kept);
        assert_ne!(kept("\\ud83e"), kept("\\ud83f"));
        assert_ne!(kept("\\ud83e"), kept("\\ufffd"));
        assert_eq!(kept("\\ud83e\\udd80"), "🦀".as_bytes());
    }

    #[test]
    fn broken_escapes_are_no_panic() {
        for raw in ["\\", "\\u", "\\u12", "\\ud83e\\", "\\ud83e\\u", "\\ud83e\\udd8", "\\uzzzz", "\\x"] {
            unescaped(raw, Lone::Replaced);
        }
    }

    #[test]
    fn lengths_are_those_of_javascript() {
        for text in ["", "abc", "éß", "漢字", "🦀a🦀", "\u{fffd}"] {
            assert_eq!(utf16_len(text), text.encode_utf16().count());
        }
    }
}
