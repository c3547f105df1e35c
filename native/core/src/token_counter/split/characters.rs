//! Where a text whose merges start from characters may be cut: between two that are neighbours in
//! no token. Pieces of prose are words. A character that is no token is its bytes, each a piece.
//! A run of a character that is an added token is a piece whatever stands around it, see `runs.rs`.

use crate::token_counter::bpe::vocabulary::Vocabulary;
use crate::token_counter::split::block::WINDOW;
use crate::token_counter::split::runs::Runs;
use crate::token_counter::split::spanned::{character, is_spanned};

const POINTS: usize = 0x11_0000;

/// What is known of the characters of a vocabulary.
pub struct Characters {
    /// Those that are tokens.
    known: Box<[u64]>,
    /// The neighbours of each ASCII character within ASCII, which are most: two words of bits.
    ascii: Box<[u64; 256]>,
    runs: Runs,
}

#[inline(always)]
fn word_of(left: u8, right: u8) -> usize {
    usize::from(left & 0x7f) << 1 | usize::from(right >> 6 & 1)
}

impl Characters {
    pub fn new(vocabulary: &Vocabulary, runs: Runs) -> Self {
        let mut known = vec![0u64; POINTS / 64].into_boxed_slice();
        let mut ascii = Box::new([0u64; 256]);
        for token in (0..vocabulary.len() as u32).filter_map(|id| vocabulary.token(id)) {
            for pair in token.windows(2).filter(|pair| pair.is_ascii()) {
                ascii[word_of(pair[0], pair[1])] |= 1 << (pair[1] & 63);
            }
            // Longer ones are no character: to look at them all takes a tenth of the load.
            let text = if token.len() <= 4 { std::str::from_utf8(token).unwrap_or_default() } else { "" };
            let mut points = text.chars();
            if let (Some(point), None) = (points.next(), points.next()) {
                known[point as usize / 64] |= 1 << (point as u32 % 64);
            }
        }
        // A run ends the piece before it, and none goes on behind it.
        for (left, right) in (0..0x80).flat_map(|left| (0..0x80).map(move |right| (left, right))) {
            if left != right && runs.longest(left.into()).or(runs.longest(right.into())).is_some() {
                ascii[word_of(left, right)] &= !(1 << (right & 63));
            }
        }
        Self { known, ascii, runs }
    }

    #[inline(always)]
    fn is_known(&self, key: u32, length: usize) -> bool {
        if length == 1 {
            // Of ASCII even what is no token is one piece.
            return true;
        }
        let byte = |i: u32| key >> (8 * i) & 0x3f;
        let point = match length {
            2 => (key & 0x1f) << 6 | byte(1),
            3 => (key & 0x0f) << 12 | byte(1) << 6 | byte(2),
            _ => (key & 0x07) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3),
        } as usize;
        self.known.get(point / 64).is_some_and(|word| word >> (point % 64) & 1 != 0)
    }

    /// The pieces in the first `rest` of 64 bytes of ASCII, which start with one. Bit i: a piece
    /// starts at byte i. The second number is where the last of them ends, or 0 where only
    /// [`Self::piece_end`] can tell. Without a branch for each, as none could be foreseen.
    ///
    /// # Safety
    /// 64 bytes are readable at `text`.
    #[inline(always)]
    pub unsafe fn ascii_pieces(&self, text: *const u8, rest: usize) -> (u64, usize) {
        // SAFETY: the caller's.
        let bytes = unsafe { &*text.cast::<[u8; WINDOW]>() };
        if !bytes.is_ascii() {
            return (0, 0);
        }
        let starts = bytes.windows(2).enumerate().fold(1, |starts, (at, pair)| {
            let is_inside = self.ascii[word_of(pair[0], pair[1])] >> (pair[1] & 63) & 1;
            starts | (is_inside ^ 1) << (at + 1)
        });
        // The last piece may go on behind the window.
        let end = if rest <= WINDOW { rest } else { starts.ilog2() as usize };
        let inside = !starts & u64::MAX >> (WINDOW - rest.min(WINDOW));
        match self.runs.first_long(inside).map_or(end, |long| end.min(long)) {
            0 => (0, 0),
            end => (starts & u64::MAX >> (WINDOW - end), end),
        }
    }

    /// Where the piece that starts at `at` ends.
    ///
    /// # Safety
    /// `at < len`, `len` bytes of UTF-8 and four more are readable at `text`, and `spanned` is a
    /// vocabulary's bitmap.
    #[inline(always)]
    pub unsafe fn piece_end(&self, spanned: &[u8], text: *const u8, at: usize, len: usize) -> usize {
        // SAFETY: the caller's; positions stay below `len`.
        unsafe {
            // Behind the first byte of a character that is no token.
            if *text.add(at) & 0xc0 == 0x80 {
                return at + 1;
            }
            let (mut left, length) = character(text.add(at));
            if !self.is_known(left, length) {
                return at + 1;
            }
            let mut end = at + length;
            let len = self.runs.longest(left).map_or(len, |longest| len.min(at + longest));
            while end < len {
                let (right, length) = character(text.add(end));
                if !self.is_inside(spanned, left, right) || !self.is_known(right, length) {
                    break;
                }
                left = right;
                end += length;
            }
            end
        }
    }

    /// Whether some token has both characters, as neighbours.
    ///
    /// # Safety
    /// `spanned` is a vocabulary's bitmap.
    #[inline(always)]
    pub unsafe fn is_inside(&self, spanned: &[u8], left: u32, right: u32) -> bool {
        if (left | right) < 0x80 {
            return self.ascii[word_of(left as u8, right as u8)] >> (right & 63) & 1 != 0;
        }
        // SAFETY: the caller's.
        self.runs.longest(left).or(self.runs.longest(right)).is_none() && unsafe { is_spanned(spanned, left, right) }
    }
}
