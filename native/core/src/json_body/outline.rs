//! The JSON with a mark in the place of each long text.

/// U+F8FF, the first character of a mark.
pub const MARK: &[u8] = "\u{f8ff}".as_bytes();
const ESCAPED_MARK: &[u8] = b"\\uf8ff";
/// Texts with more bytes than this are replaced.
const LONGEST_SHORT_TEXT: usize = 256;

/// Whether the text between these quotes is to be replaced: one that looks like a mark is, too.
#[inline]
pub fn is_long(raw: &[u8]) -> bool {
    let is_escaped_mark = || raw.get(..ESCAPED_MARK.len()).is_some_and(|start| start.eq_ignore_ascii_case(ESCAPED_MARK));
    raw.len() > LONGEST_SHORT_TEXT || raw.starts_with(MARK) || is_escaped_mark()
}

/// The bytes from `start` on with marks for `texts`, starts and ends in order.
#[must_use]
pub fn outline(bytes: &[u8], start: usize, texts: &[u32]) -> Vec<u8> {
    let long: usize = texts.chunks_exact(2).map(|text| (text[1] - text[0]) as usize).sum();
    let mut out = Vec::with_capacity(bytes.len() - start - long + texts.len() * 6);
    let mut from = start;
    for (index, text) in texts.chunks_exact(2).enumerate() {
        out.extend_from_slice(&bytes[from..text[0] as usize]);
        out.extend_from_slice(MARK);
        out.extend_from_slice(index.to_string().as_bytes());
        from = text[1] as usize;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}
