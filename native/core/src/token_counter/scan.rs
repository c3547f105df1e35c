//! Walks a text piece by piece: by windows where it is ASCII, by the exact matcher elsewhere.

#[cfg(target_arch = "x86_64")]
use super::machine::is_wide;
use super::pattern::{Pattern, piece_end};
use super::text::Text;
use super::wide_characters::is_unspaced;
use super::window::{Classify, NOTHING, WINDOW, piece_starts};
use std::ops::ControlFlow;

/// What is done with the pieces.
pub trait Pieces {
    /// Pieces of one window: bit i of `starts` set, a piece starts at `base + i`; the last one ends at `base + end`, at most 64 bytes on.
    fn window(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()>;
    /// One piece of any length.
    fn piece(&mut self, start: usize, end: usize) -> ControlFlow<()>;
}

/// Shows all pieces of `text` to `pieces`, in order, until it breaks off.
pub fn scan<P: Pieces>(pattern: Pattern, text: &Text, pieces: &mut P) {
    #[cfg(target_arch = "x86_64")]
    if is_wide() {
        // SAFETY: just asked.
        unsafe { scan_avx2(pattern, text, pieces) };
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    let _ = unsafe { dispatch::<P, super::window::Sse2>(pattern, text, pieces) };
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: needs no instructions of its own.
    let _ = unsafe { dispatch::<P, super::window::Portable>(pattern, text, pieces) };
}

/// # Safety
/// The machine must have these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn scan_avx2<P: Pieces>(pattern: Pattern, text: &Text, pieces: &mut P) {
    // SAFETY: the caller's.
    let _ = unsafe { dispatch::<P, super::window::Avx2>(pattern, text, pieces) };
}

/// # Safety
/// The machine must have `C`'s instructions.
#[inline(always)]
unsafe fn dispatch<P: Pieces, C: Classify>(pattern: Pattern, text: &Text, pieces: &mut P) -> ControlFlow<()> {
    // SAFETY: the caller's.
    unsafe {
        match pattern {
            Pattern::Gpt2 => by_piece(text, pieces),
            Pattern::Cl100k => by_window::<P, C, false>(text, pieces),
            Pattern::O200k => by_window::<P, C, true>(text, pieces),
        }
    }
}

fn by_piece<P: Pieces>(text: &Text, pieces: &mut P) -> ControlFlow<()> {
    let bytes = text.as_bytes();
    let mut position = 0;
    while position < bytes.len() {
        let end = piece_end(Pattern::Gpt2, bytes, position);
        pieces.piece(position, end)?;
        position = end;
    }
    ControlFlow::Continue(())
}

/// # Safety
/// The machine must have `C`'s instructions.
#[inline(always)]
unsafe fn by_window<P: Pieces, C: Classify, const O200K: bool>(text: &Text, pieces: &mut P) -> ControlFlow<()> {
    let bytes = text.as_bytes();
    let pattern = if O200K { Pattern::O200k } else { Pattern::Cl100k };
    let mut position = 0;
    while position < bytes.len() {
        let rest = bytes.len() - position;
        // SAFETY: the padding makes a window and more readable from any position on.
        let found = unsafe {
            let at = text.as_ptr().add(position);
            if is_unspaced(*at) || is_unspaced(*at.add(1)) {
                NOTHING
            } else {
                piece_starts::<C, O200K>(at, rest.min(WINDOW), rest <= WINDOW)
            }
        };
        if found.end > 0 {
            pieces.window(position, found.starts, found.end)?;
            position += found.end;
        } else {
            let end = piece_end(pattern, bytes, position);
            pieces.piece(position, end)?;
            position = end;
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_counter::window::Portable;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Ends(Vec<usize>);

    impl Pieces for Ends {
        fn window(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
            let mut rest = starts & (starts - 1);
            while rest != 0 {
                self.0.push(base + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
            self.0.push(base + end);
            ControlFlow::Continue(())
        }

        fn piece(&mut self, _start: usize, end: usize) -> ControlFlow<()> {
            self.0.push(end);
            ControlFlow::Continue(())
        }
    }

    fn expected(pattern: Pattern, text: &Text) -> Vec<usize> {
        let mut ends = vec![];
        while ends.last().copied().unwrap_or(0) < text.len() {
            ends.push(piece_end(pattern, text.as_bytes(), ends.last().copied().unwrap_or(0)));
        }
        ends
    }

    fn check(string: &str) {
        let mut text = Text::new();
        text.set(string);
        for pattern in [Pattern::Cl100k, Pattern::O200k] {
            let expected = expected(pattern, &text);
            let mut fast = Ends::default();
            scan(pattern, &text, &mut fast);
            assert_eq!(fast.0, expected, "{pattern:?} of {string:?}");
            let mut portable = Ends::default();
            // SAFETY: needs no instructions of its own.
            let _ = unsafe { dispatch::<_, Portable>(pattern, &text, &mut portable) };
            assert_eq!(portable.0, expected, "portable {pattern:?} of {string:?}");
            #[cfg(target_arch = "x86_64")]
            {
                let mut sse2 = Ends::default();
                // SAFETY: SSE2 is part of x86-64.
                let _ = unsafe { dispatch::<_, crate::token_counter::window::Sse2>(pattern, &text, &mut sse2) };
                assert_eq!(sse2.0, expected, "sse2 {pattern:?} of {string:?}");
            }
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-zA-Z]{1,9}",
            3 => "[ \t\r\n]{1,4}",
            3 => " {1,5}",
            2 => "[!-/:-@]{1,4}",
            2 => "[0-9]{1,8}",
            2 => "'(s|S|t|re|VE|m|ll|lL|d|x|ſ)?",
            2 => "[;/\r\n]{1,6}",
            1 => "[\u{0}-\u{7f}]{1,3}",
            1 => "(é|ß|Ж|漢|ǅ|ª|\u{301}|\u{85}|\u{a0}|\u{2028}|²|٣|🙂|\u{feff})",
        ];
        prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]
        #[test]
        fn windows_find_what_the_matcher_finds(text in any_text()) {
            check(&text);
        }
    }

    #[test]
    fn every_ascii_triple_at_the_border_of_a_window() {
        let samples = b"aA1 \t\n\r.'/sl";
        for before in 58..66 {
            for a in samples {
                for b in samples {
                    for c in samples {
                        for d in samples {
                            let tail = String::from_utf8_lossy(&[*a, *b, *c, *d]).into_owned();
                            check(&format!("{}{tail}{}", "x".repeat(before - 10) + " b.c\n d12", "e f"));
                        }
                    }
                }
            }
        }
    }
}
