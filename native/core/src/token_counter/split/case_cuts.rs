//! Finds where a word may be cut because a capital follows a small letter (`getUserName`). In three
//! of four such places no token of cl100k spans the letters around, so nothing merges across them,
//! and the parts are known more often than the whole word.

use crate::token_counter::bpe::vocabulary::Vocabulary;

/// Letters on either side of a border that are looked at.
const SIDE: usize = 3;
/// Bits that distinguish letters here: case does not matter, and characters that share
/// them only miss a cut.
const LETTER_BITS: u32 = 5;
const NEAR_BITS: u32 = 4 * LETTER_BITS;
const FAR_BITS: u32 = 16;

/// The borders inside tokens, as bitmaps.
pub struct CaseCuts {
    /// By two letters before and two behind: of the tokens that have fewer than three on a side,
    /// every letter in place of a missing one.
    near: Box<[u64]>,
    /// By the hash of three letters before and three behind.
    far: Box<[u64]>,
}

impl CaseCuts {
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let mut cuts = Self::everywhere();
        let tokens = (0..vocabulary.len() as u32).filter_map(|id| vocabulary.token(id));
        for token in tokens.chain(vocabulary.whole_tokens()) {
            // Nearly all have none.
            if !token[1..].iter().any(u8::is_ascii_uppercase) {
                continue;
            }
            for border in (1..token.len()).filter(|at| token[at - 1].is_ascii_lowercase() && token[*at].is_ascii_uppercase()) {
                cuts.insert(&token[..border], &token[border..]);
            }
        }
        // A part must not be taken for a piece that is a token as a whole.
        for token in vocabulary.whole_tokens() {
            for letter in b'a'..=b'z' {
                if token[token.len() - 1].is_ascii_lowercase() {
                    cuts.insert(token, &[letter.to_ascii_uppercase()]);
                }
                if token[0].is_ascii_uppercase() {
                    cuts.insert(&[letter], token);
                }
            }
        }
        cuts
    }

    /// Cuts at all borders.
    pub fn everywhere() -> Self {
        Self { near: vec![0; (1 << NEAR_BITS) / 64].into(), far: vec![0; (1 << FAR_BITS) / 64].into() }
    }

    fn insert(&mut self, before: &[u8], behind: &[u8]) {
        let mut around = [0; 8];
        for (i, byte) in before.iter().rev().take(SIDE).enumerate() {
            around[SIDE - 1 - i] = *byte;
        }
        for (i, byte) in behind.iter().take(SIDE).enumerate() {
            around[SIDE + i] = *byte;
        }
        if before.len() >= SIDE && behind.len() >= SIDE {
            set(&mut self.far, far_bit(u64::from_le_bytes(around)));
            return;
        }
        let any = |known: bool, at: usize| if known { around[at]..=around[at] } else { 0..=(1 << LETTER_BITS) - 1 };
        for first in any(before.len() > 1, SIDE - 2) {
            for last in any(behind.len() > 1, SIDE + 1) {
                let mut around = around;
                [around[SIDE - 2], around[SIDE + 1]] = [first, last];
                set(&mut self.near, near_bit(u64::from_le_bytes(around)));
            }
        }
    }

    /// Those of the `borders` of a window that no token crosses. A border's bit is that of the
    /// capital; none is the first.
    ///
    /// # Safety
    /// 64 bytes and eight more must be readable at `at`, which is where a piece starts.
    #[inline(never)]
    pub unsafe fn cut(&self, at: *const u8, mut borders: u64) -> u64 {
        let mut cut = 0;
        while borders != 0 {
            let border = borders.trailing_zeros() as usize;
            // SAFETY: the caller's. Before the piece nothing is read: no token of it reaches there,
            // and for letters that are missing all are set.
            let around = u64::from_le(unsafe { at.add(border.saturating_sub(SIDE)).cast::<u64>().read_unaligned() });
            let around = around << (8 * SIDE.saturating_sub(border));
            let crossed = is_set(&self.near, near_bit(around)) | is_set(&self.far, far_bit(around));
            cut |= u64::from(!crossed) << border;
            borders &= borders - 1;
        }
        cut
    }
}

#[inline(always)]
fn near_bit(around: u64) -> usize {
    let letter = |at: usize| (around >> (8 * at)) as usize & ((1 << LETTER_BITS) - 1);
    letter(SIDE - 2) | letter(SIDE - 1) << LETTER_BITS | letter(SIDE) << (2 * LETTER_BITS) | letter(SIDE + 1) << (3 * LETTER_BITS)
}

#[inline(always)]
fn far_bit(around: u64) -> usize {
    ((around << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FAR_BITS)) as usize
}

fn set(bitmap: &mut [u64], bit: usize) {
    bitmap[bit / 64] |= 1 << (bit % 64);
}

#[inline(always)]
fn is_set(bitmap: &[u64], bit: usize) -> bool {
    bitmap[bit / 64] >> (bit % 64) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_counter::PACKED;

    #[test]
    fn every_border_inside_a_token_is_left_alone_wherever_the_token_stands() {
        let vocabulary = Vocabulary::new(PACKED[0].1);
        let cuts = CaseCuts::new(&vocabulary);
        let mut borders = 0;
        for token in (0..vocabulary.len() as u32).filter_map(|id| vocabulary.token(id)).filter(|token| token.len() < 60) {
            for (before, behind) in [("", ""), ("x", ""), ("", "x"), ("Q", "Q"), ("zq", "qz"), ("Qzq", "QzqZ"), ("\u{7f}{[", "|}~")] {
                let text = [before.as_bytes(), token, behind.as_bytes(), &[0; 80]].concat();
                for border in 1..token.len() {
                    if token[border - 1].is_ascii_lowercase() && token[border].is_ascii_uppercase() {
                        borders += 1;
                        // SAFETY: padded.
                        let cut = unsafe { cuts.cut(text.as_ptr(), 1 << (before.len() + border)) };
                        assert_eq!(cut, 0, "{token:?} in {before:?} {behind:?}");
                    }
                }
            }
        }
        assert!(borders > 1000);
    }

    #[test]
    fn common_names_are_cut() {
        let cuts = CaseCuts::new(&Vocabulary::new(PACKED[0].1));
        let text = b"parseTokenCount\0\0\0\0\0\0\0\0";
        // SAFETY: no border is read beyond the text.
        assert_eq!(unsafe { cuts.cut(text.as_ptr(), 1 << 5 | 1 << 10) }, 1 << 5 | 1 << 10);
    }
}
