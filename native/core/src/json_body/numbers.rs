//! The numbers of RFC 8259.

/// Any number of so many characters, without an exponent, is written as it was.
const LONGEST_EXACT: usize = 15;

/// Where the number that begins at `at` ends, or the first byte with which it is none.
pub fn number_end(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    // Nothing may follow a leading zero but a fraction or an exponent.
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits_end(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits_end(bytes, at + 1 + sign)?;
    }
    Ok(at)
}

/// Whether JavaScript may write another number than this one, once it has parsed it: a long
/// integer, one beyond all doubles, or -0. True for some others, too.
pub fn may_change(number: &[u8]) -> bool {
    let is_negative_zero = || number.strip_prefix(b"-").is_some_and(|digits| digits.iter().all(|byte| matches!(byte, b'0' | b'.')));
    number.len() > LONGEST_EXACT || number.iter().any(|byte| matches!(byte, b'e' | b'E')) || is_negative_zero()
}

/// Behind one digit or more.
fn digits_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at > start { Ok(at) } else { Err(at) }
}
