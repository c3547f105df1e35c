//! Walks a text piece by piece: by windows, and by the exact matcher where a window tells nothing.

#[cfg(target_arch = "x86_64")]
use crate::token_counter::cpu_features::{Vectors, vectors};
use crate::token_counter::simd::Simd;
use crate::token_counter::split::block::WINDOW;
use crate::token_counter::split::cuts::Cuts;
use crate::token_counter::split::midpoint::split_of;
use crate::token_counter::split::pattern::{Pattern, pattern_of, piece_end, rules};
use crate::token_counter::split::window::piece_starts;
use crate::token_counter::text::Text;
use std::ops::ControlFlow;

/// What is done with the pieces.
pub trait Pieces {
    /// Whether they may be shown in any order.
    const IN_ANY_ORDER: bool = false;

    /// Pieces of one window: bit i of `starts` set, a piece starts at `base + i`; the last one ends
    /// at `base + end`, at most 64 bytes on.
    ///
    /// # Safety
    /// The machine must have `C`'s instructions.
    unsafe fn window<C: Simd>(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()>;
    /// One piece of any length.
    fn piece(&mut self, start: usize, end: usize) -> ControlFlow<()>;
}

/// Shows all pieces of `text` to `pieces`, some of them in parts, in order, until it breaks off.
pub fn scan<P: Pieces>(pattern: Pattern, text: &Text, cuts: Cuts, pieces: &mut P) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: just asked; SSE2 is part of x86-64.
    unsafe {
        match vectors() {
            Vectors::Avx512 => scan_avx512(pattern, text, cuts, pieces),
            Vectors::Avx2 => scan_avx2(pattern, text, cuts, pieces),
            Vectors::Plain => _ = dispatch::<P, crate::token_counter::avx2::Sse2>(pattern, text, cuts, pieces),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: needs no instructions of its own.
    let _ = unsafe { dispatch::<P, crate::token_counter::portable::Portable>(pattern, text, cuts, pieces) };
}

/// # Safety
/// The machine must have these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn scan_avx2<P: Pieces>(pattern: Pattern, text: &Text, cuts: Cuts, pieces: &mut P) {
    // SAFETY: the caller's.
    let _ = unsafe { dispatch::<P, crate::token_counter::avx2::Avx2>(pattern, text, cuts, pieces) };
}

/// # Safety
/// The machine must have these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn scan_avx512<P: Pieces>(pattern: Pattern, text: &Text, cuts: Cuts, pieces: &mut P) {
    // SAFETY: the caller's.
    let _ = unsafe { dispatch::<P, crate::token_counter::avx512::Avx512>(pattern, text, cuts, pieces) };
}

/// # Safety
/// The machine must have `C`'s instructions.
#[inline(always)]
unsafe fn dispatch<P: Pieces, C: Simd>(pattern: Pattern, text: &Text, cuts: Cuts, pieces: &mut P) -> ControlFlow<()> {
    // SAFETY: the caller's.
    unsafe {
        match pattern {
            Pattern::Cl100k => by_window::<P, C, { rules::CL100K }>(text, cuts, pieces),
            Pattern::O200k => by_window::<P, C, { rules::O200K }>(text, cuts, pieces),
            Pattern::Cl100kDigits => by_window::<P, C, { rules::CL100K_DIGITS }>(text, cuts, pieces),
            Pattern::O200kDigits => by_window::<P, C, { rules::O200K_DIGITS }>(text, cuts, pieces),
            Pattern::DeepSeek => by_window::<P, C, { rules::DEEPSEEK }>(text, cuts, pieces),
            Pattern::Gpt2 => by_window::<P, C, { rules::GPT2_ALONE }>(text, cuts, pieces),
            Pattern::Gpt2Digits => by_window::<P, C, { rules::GPT2_DIGITS }>(text, cuts, pieces),
            Pattern::Characters => by_characters::<P, C>(text, cuts, pieces),
            _ => by_piece(pattern, text, pieces),
        }
    }
}

fn by_piece<P: Pieces>(pattern: Pattern, text: &Text, pieces: &mut P) -> ControlFlow<()> {
    let bytes = text.as_bytes();
    let mut position = 0;
    while position < bytes.len() {
        let end = piece_end(pattern, bytes, position);
        pieces.piece(position, end)?;
        position = end;
    }
    ControlFlow::Continue(())
}

/// # Safety
/// `cuts` are those of a vocabulary, and the machine has `C`'s instructions.
#[inline(always)]
unsafe fn by_characters<P: Pieces, C: Simd>(text: &Text, cuts: Cuts, pieces: &mut P) -> ControlFlow<()> {
    let Some(characters) = cuts.characters else {
        return ControlFlow::Continue(());
    };
    let mut position = 0;
    while position < text.len() {
        let rest = text.len() - position;
        // SAFETY: the caller's; the padding makes a window readable from any position on.
        unsafe {
            let (starts, end) = characters.ascii_pieces(text.as_ptr().add(position), rest);
            if end > 0 {
                pieces.window::<C>(position, starts, end)?;
                position += end;
                continue;
            }
        }
        // SAFETY: the caller's; the text is padded.
        let end = unsafe { characters.piece_end(cuts.spanned, text.as_ptr(), position, text.len()) };
        pieces.piece(position, end)?;
        position = end;
    }
    ControlFlow::Continue(())
}

/// # Safety
/// The machine must have `C`'s instructions.
#[inline(always)]
unsafe fn by_window<P: Pieces, C: Simd, const RULES: u8>(text: &Text, cuts: Cuts, pieces: &mut P) -> ControlFlow<()> {
    let bytes = text.as_bytes();
    let split = if P::IN_ANY_ORDER { split_of(bytes) } else { 0 };
    // One call of `step` for both: it is thousands of bytes of code, which a text after a pause has
    // to fetch first.
    let (mut now, mut other) = (0..split, split..bytes.len());
    loop {
        if now.is_empty() {
            if other.is_empty() {
                return ControlFlow::Continue(());
            }
        } else {
            // SAFETY: the caller's; both parts begin where the text does, and their positions are
            // below their ends.
            unsafe { step::<P, C, RULES>(text, &bytes[..now.end], &mut now.start, cuts, pieces)? };
        }
        std::mem::swap(&mut now, &mut other);
    }
}

/// Shows the pieces of one window, or one piece, as if the text ended where `bytes` do.
///
/// # Safety
/// The machine must have `C`'s instructions; `bytes` are the text's first ones, and `position` is
/// below their end.
#[inline(always)]
unsafe fn step<P: Pieces, C: Simd, const RULES: u8>(
    text: &Text,
    bytes: &[u8],
    position: &mut usize,
    cuts: Cuts,
    pieces: &mut P,
) -> ControlFlow<()> {
    let rest = bytes.len() - *position;
    // SAFETY: the caller's; the padding makes a window and more readable from any position on.
    let found = unsafe { piece_starts::<C, RULES>(text.as_ptr().add(*position), rest.min(WINDOW), rest <= WINDOW, cuts) };
    let start = *position;
    if found.end > 0 {
        *position += found.end;
        // SAFETY: the caller's.
        return unsafe { pieces.window::<C>(start, found.starts, found.end) };
    }
    *position = piece_end(const { pattern_of(RULES) }, bytes, start);
    pieces.piece(start, *position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_counter::bpe::vocabulary::Vocabulary;
    use crate::token_counter::lookup::counter::Counter;
    use crate::token_counter::portable::Portable;
    use crate::token_counter::split::case_cuts::CaseCuts;
    use crate::token_counter::split::spanned::SPANNED_BYTES;
    use crate::token_counter::{Cache, ENCODING_NAMES, PACKED, encoding};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    #[derive(Default)]
    struct Ends(Vec<usize>);

    impl Pieces for Ends {
        unsafe fn window<C: Simd>(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
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

    /// The ways that this machine has.
    fn ways() -> Vec<&'static str> {
        #[cfg(target_arch = "x86_64")]
        let wide = ["sse2", "avx2", "avx512"].into_iter().take(vectors() as usize);
        #[cfg(not(target_arch = "x86_64"))]
        let wide = std::iter::empty();
        std::iter::once("portable").chain(wide).collect()
    }

    fn scan_by<P: Pieces>(way: &str, pattern: Pattern, text: &Text, cuts: Cuts, pieces: &mut P) {
        // SAFETY: the way is one of `ways`.
        unsafe {
            match way {
                #[cfg(target_arch = "x86_64")]
                "sse2" => _ = dispatch::<P, crate::token_counter::avx2::Sse2>(pattern, text, cuts, pieces),
                #[cfg(target_arch = "x86_64")]
                "avx2" => scan_avx2(pattern, text, cuts, pieces),
                #[cfg(target_arch = "x86_64")]
                "avx512" => scan_avx512(pattern, text, cuts, pieces),
                _ => _ = dispatch::<P, Portable>(pattern, text, cuts, pieces),
            }
        }
    }

    fn check(string: &str) {
        static ALL_CASES: LazyLock<CaseCuts> = LazyLock::new(CaseCuts::everywhere);
        let mut text = Text::new();
        text.set(string);
        let nowhere = Cuts { spanned: &[0xff; SPANNED_BYTES], case: None, characters: None };
        for pattern in Pattern::ALL.into_iter().filter(|pattern| *pattern != Pattern::Characters) {
            let case = matches!(pattern, Pattern::Cl100k | Pattern::Cl100kDigits).then_some(&*ALL_CASES);
            let everywhere = Cuts { spanned: &[0; SPANNED_BYTES], case, characters: None };
            let expected = expected(pattern, &text);
            for way in ways() {
                let mut found = Ends::default();
                scan_by(way, pattern, &text, nowhere, &mut found);
                assert_eq!(found.0, expected, "{way} {pattern:?} of {string:?}");
                // A window that begins at a cut ends where the piece would have ended.
                let mut cut = Ends::default();
                scan_by(way, pattern, &text, everywhere, &mut cut);
                let missing: Vec<_> = expected.iter().filter(|end| cut.0.binary_search(end).is_err()).collect();
                assert!(missing.is_empty() && cut.0.is_sorted(), "{way} {pattern:?} of {string:?} loses {missing:?}: {:?}", cut.0);
            }
        }
    }

    /// Each text twice, so that its pieces are met unknown and known.
    fn check_counts(string: &str) {
        static VOCABULARIES: LazyLock<[(Vocabulary, CaseCuts); 2]> = LazyLock::new(|| {
            [0, 1].map(|i| {
                let vocabulary = Vocabulary::new(PACKED[i].1);
                let cuts = CaseCuts::new(&vocabulary);
                (vocabulary, cuts)
            })
        });
        let mut text = Text::new();
        text.set(string);
        for (i, (vocabulary, case)) in VOCABULARIES.iter().enumerate() {
            let mut ids = vec![];
            encoding(i).encode(&mut Cache::default(), &text, usize::MAX, &mut ids);
            for way in ways() {
                let mut cache = Cache::default();
                for _ in 0..2 {
                    let mut counter = Counter::new(vocabulary, &mut cache, &text, u32::MAX);
                    scan_by(
                        way,
                        PACKED[i].0,
                        &text,
                        Cuts { spanned: vocabulary.spanned, case: Some(case), characters: None },
                        &mut counter,
                    );
                    assert_eq!(counter.total() as usize, ids.len(), "{way} {} of {string:?}", ENCODING_NAMES[i]);
                }
            }
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-zA-Z]{1,9}",
            2 => "([a-z]{1,6}[A-Z]){1,4}[a-z]{0,5}",
            2 => "[一-鿿ぁ-んァ-ヶ가-힣、。「」，！]{1,12}",
            2 => "[\u{1f300}-\u{1f6ff}\u{200d}\u{fe0f}\u{1f3fb}-\u{1f3ff}☀-➿]{1,8}",
            1 => "[а-яЁЖ]{1,9}|[ก-๛]{1,9}|[ऀ-ॿ]{1,9}",
            1 => "([❤☀]\u{fe0f}?|[🏳👁]\u{fe0f}|🙂|[!-/]|[0-9]\u{fe0f}\u{20e3}|\u{301}| |[aA\n/]){1,8}",
            3 => "[ \t\r\n]{1,4}",
            3 => " {1,5}",
            4 => "[!-/:-@]{1,4}|[;/\r\n]{1,6}",
            2 => "[0-9]{1,8}",
            2 => "'(s|S|t|re|VE|m|ll|lL|d|x|ſ)?",
            2 => "[\u{0}-\u{7f}]{1,3}|(é|ß|Ж|漢|ǅ|ª|\u{301}|\u{85}|\u{a0}|\u{2028}|²|٣|🙂|\u{feff})",
        ];
        prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(crate::long::cases(20_000))]
        #[test]
        fn windows_find_what_the_matcher_finds(text in any_text()) {
            check(&text);
        }
    }

    proptest! {
        #![proptest_config(crate::long::cases(2_000))]
        #[test]
        fn every_way_counts_the_same(texts in prop::collection::vec(any_text(), 1..4)) {
            check_counts(&texts.concat());
        }
    }

    #[test]
    fn windows_of_any_number_of_pieces() {
        for ones in 0..=70 {
            check_counts(&format!("{} and a few words behind.\n", &"1.".repeat(35)[..ones]).repeat(3));
        }
    }

    /// Each with some fourth characters; with LONG, all of four.
    #[test]
    fn every_ascii_triple_at_the_border_of_a_window() {
        let samples = b"aA1 \t\n\r.'/sl";
        let every = if std::env::var_os("LONG").is_some() { 1 } else { 4 };
        for before in 58..66 {
            for tail in 0..samples.len().pow(4) {
                let places: [usize; 4] = std::array::from_fn(|at| tail / samples.len().pow(at as u32) % samples.len());
                if places.iter().sum::<usize>() % every == 0 {
                    let tail = String::from_utf8_lossy(&places.map(|place| samples[place])).into_owned();
                    check(&format!("{}{tail}{}", "x".repeat(before - 10) + " b.c\n d12", "e f"));
                }
            }
        }
    }
}
