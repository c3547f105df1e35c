//! Added tokens that are runs of one character: Gemma has one for each number of line feeds up to
//! 31, and of tabs. Looked for like other added tokens, they would cut code into parts of fifty
//! bytes. As pieces, which are tokens as a whole, they need no parts.

use crate::token_counter::input::{AddedToken, Form, InputRules, PrefixSpace};

const ASCII: usize = 0x80;
/// Where a character has fewer, its tokens are looked for like others: a window ends before a piece
/// that is longer, which words must not be.
const LEAST: usize = 16;

/// By character, how many of it its longest added token has; 0 where it has none.
///
/// ```text
/// longest['\n'] = 31:   a \n \n \n b   is   a | \n \n \n | b,   and 40 of them are 31 | 9
/// ```
pub struct Runs {
    longest: [u8; ASCII],
    /// The lowest of them but 0.
    least: u32,
}

impl Runs {
    /// Takes out the added tokens that are pieces as well. `is_token`: the vocabulary has it, too.
    pub fn take_from(rules: &mut InputRules, is_token: impl Fn(&AddedToken) -> bool) -> Self {
        // Otherwise the text on either side of an added token is normalized on its own.
        let is_alike = rules.form == Form::AsIs && rules.prefix_space == PrefixSpace::Never;
        let mut none = Vec::new();
        Self::take(if is_alike { &mut rules.added } else { &mut none }, is_token)
    }

    /// Takes from the added tokens those of a character that has one for each length up to some,
    /// and is in no other, so that nothing but the run's length decides on them.
    fn take(added: &mut Vec<AddedToken>, is_token: impl Fn(&AddedToken) -> bool) -> Self {
        let mut lengths = [const { Vec::new() }; ASCII];
        let mut is_mixed = [false; ASCII];
        for token in added.iter() {
            let bytes = token.text.as_bytes();
            let is_run = bytes.first().is_some_and(|first| first.is_ascii() && bytes.iter().all(|byte| byte == first));
            if is_run && !token.normalized && is_token(token) {
                lengths[usize::from(bytes[0])].push(bytes.len());
            } else {
                bytes.iter().filter(|byte| byte.is_ascii()).for_each(|byte| is_mixed[usize::from(*byte)] = true);
            }
        }
        let mut longest = [0; ASCII];
        for (character, lengths) in lengths.iter_mut().enumerate() {
            lengths.sort_unstable();
            if lengths.len() >= LEAST && !is_mixed[character] && lengths.iter().copied().eq(1..=lengths.len()) {
                longest[character] = u8::try_from(lengths.len()).unwrap_or_default();
            }
        }
        let runs = Self { longest, least: longest.into_iter().filter(|most| *most > 0).min().map_or(u32::MAX, u32::from) };
        added.retain(|token| token.text.bytes().next().is_none_or(|first| runs.longest(u32::from(first)).is_none()));
        runs
    }

    /// How many of a character a piece has at most; `None` where its runs are like other text.
    #[inline(always)]
    pub fn longest(&self, character: u32) -> Option<usize> {
        self.longest.get(character as usize).map(|most| usize::from(*most)).filter(|most| *most > 0)
    }

    /// Where the first piece starts that may be a longer run. Bit i of `inside`: byte i is in the
    /// piece of the byte before it.
    #[inline(always)]
    pub fn first_long(&self, mut inside: u64) -> Option<usize> {
        let mut ones = 1;
        while ones < self.least.min(u64::BITS) {
            let more = ones.min(self.least - ones);
            inside &= inside >> more;
            ones += more;
        }
        (inside != 0).then(|| inside.trailing_zeros() as usize - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(texts: impl IntoIterator<Item = String>) -> Vec<AddedToken> {
        texts.into_iter().map(|text| AddedToken { id: 0, text, normalized: false }).collect()
    }

    fn runs_of(characters: &str, most: usize) -> Vec<AddedToken> {
        added((1..=most).rev().flat_map(|length| characters.chars().map(move |character| character.to_string().repeat(length))))
    }

    fn texts(added: &[AddedToken]) -> Vec<&str> {
        added.iter().map(|token| token.text.as_str()).collect()
    }

    #[test]
    fn takes_runs_of_every_length() {
        let mut tokens = runs_of("\n\t", 31);
        tokens.extend(added(["<table>", "\u{2581}\u{2581}"].map(String::from)));
        let runs = Runs::take(&mut tokens, |_| true);
        assert_eq!(texts(&tokens), ["<table>", "\u{2581}\u{2581}"]);
        let longest = ['\n', '\t', '<', '\u{2581}'].map(|character| runs.longest(character as u32));
        assert_eq!(longest, [Some(31), Some(31), None, None]);
    }

    #[test]
    fn leaves_runs_whose_length_does_not_decide() {
        let is_taken = |tokens: &mut Vec<AddedToken>, is_token: fn(&AddedToken) -> bool| {
            let before = tokens.len();
            let runs = Runs::take(tokens, is_token);
            assert_eq!(runs.longest(u32::from(b'\n')).is_some(), tokens.len() < before);
            tokens.len() < before
        };
        let with = |other: &str| runs_of("\n", 20).into_iter().chain(added([other.to_owned()])).collect::<Vec<_>>();
        assert!(is_taken(&mut with("<a>"), |_| true));
        assert!(!is_taken(&mut with("<a\n>"), |_| true));
        assert!(!is_taken(&mut with("\n\n\u{2581}"), |_| true), "a text beyond ASCII");
        assert!(!is_taken(&mut with(&"\n".repeat(22)), |_| true), "21 are none");
        assert!(!is_taken(&mut runs_of("\n", LEAST - 1), |_| true));
        assert!(!is_taken(&mut runs_of("\n", 300), |_| true));
        assert!(!is_taken(&mut runs_of("\n", 20), |token| token.text.len() != 7), "not in the vocabulary");
        let mut normalized = runs_of("\n", 20);
        normalized[3].normalized = true;
        assert!(!is_taken(&mut normalized, |_| true));
    }

    #[test]
    fn finds_the_first_piece_that_is_longer() {
        let runs = Runs::take(&mut runs_of("\n", 31), |_| true);
        for start in 0..63 {
            for len in 1..=64 - start {
                let starts = 1 | 1 << start | 1u64.checked_shl((start + len) as u32).unwrap_or(0);
                let expected = if start > 31 { Some(0) } else { (len > 31).then_some(start) };
                // What is behind the piece is one, too.
                let expected = expected.or((64 - start - len > 31).then_some(start + len));
                assert_eq!(runs.first_long(!starts), expected, "{len} from {start}");
            }
        }
    }

    #[test]
    fn leaves_a_text_without_characters() {
        let mut tokens = added([String::new()]);
        assert_eq!(Runs::take(&mut tokens, |_| true).first_long(!1), None);
        assert_eq!(texts(&tokens), [""]);
    }

    #[test]
    fn finds_none_where_no_run_is_taken() {
        let runs = Runs::take(&mut Vec::new(), |_| true);
        assert_eq!(runs.first_long(!1), None);
    }
}
