//! Byte-pair merging of few runs of one byte each: equal parts side by side are merged at once.
//!
//! With tokens `aa` and `aaaa`: `(a, 7)`, `(aa, 3) (a, 1)`, `(aaaa, 1) (aa, 1) (a, 1)`.

use crate::token_counter::bpe::block_merge::Merged;
use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};

/// A token, so many times in a row.
#[derive(Clone, Copy)]
struct Run {
    token: u32,
    times: u32,
}

/// Working memory, kept between calls.
#[derive(Default)]
pub struct RunMerge {
    runs: Vec<Run>,
    /// Of each run: the token that two of its own make, and the one that its last makes with the
    /// next run's first.
    merges: Vec<[u32; 2]>,
    bounds: Vec<u64>,
    ids: Vec<u32>,
}

impl RunMerge {
    /// Merges the bytes of `text` from `start` to `end`.
    ///
    /// Merges of one rank are of the same pair of tokens, and a merge makes no pair of a lower rank
    /// than its own: so a run can be merged as a whole. `None` where one may.
    pub fn merge(&mut self, vocabulary: &Vocabulary, text: &[u8], start: usize, end: usize) -> Option<Merged<'_>> {
        let bytes = &text[start..end];
        self.runs.clear();
        self.runs.extend(runs_of(bytes).map(|run| Run { token: vocabulary.byte_ids[usize::from(run[0])], times: run.len() as u32 }));
        self.merges.clear();
        self.merges.resize(self.runs.len(), [NONE; 2]);
        self.look_up(vocabulary, 0, self.runs.len());
        loop {
            let merges = self.merges.as_flattened();
            let lowest = merges.iter().fold(NONE, |lowest, merge| lowest.min(*merge));
            if lowest == NONE {
                break;
            }
            if vocabulary.is_early(lowest) {
                return None;
            }
            let place = merges.iter().position(|merge| *merge == lowest).unwrap_or(0);
            let (at, is_with_next) = (place / 2, place % 2 != 0);
            let Run { token, times } = self.runs[at];
            if is_with_next {
                let next = self.runs[at + 1];
                let merged = [Run { token, times: times - 1 }, Run { token: lowest, times: 1 }, Run { times: next.times - 1, ..next }];
                self.replace(vocabulary, at, 2, &merged);
            } else {
                self.replace(vocabulary, at, 1, &[Run { token: lowest, times: times / 2 }, Run { token, times: times % 2 }]);
            }
        }
        self.write(vocabulary, bytes.len());
        Some(Merged { start, len: bytes.len(), bounds: &self.bounds, ids: &self.ids })
    }

    /// Puts runs, of which some may be empty, in the place of `count` others.
    fn replace(&mut self, vocabulary: &Vocabulary, at: usize, count: usize, runs: &[Run]) {
        let runs = runs.iter().copied().filter(|run| run.times > 0);
        let end = at + runs.clone().count();
        self.merges.splice(at..at + count, std::iter::repeat_n([NONE; 2], end - at));
        self.runs.splice(at..at + count, runs);
        self.look_up(vocabulary, at.saturating_sub(1), end);
    }

    fn look_up(&mut self, vocabulary: &Vocabulary, from: usize, to: usize) {
        for at in from..to {
            let Run { token, times } = self.runs[at];
            let own = if times > 1 { vocabulary.joined(token, token) } else { NONE };
            let with_next = self.runs.get(at + 1).map_or(NONE, |next| vocabulary.joined(token, next.token));
            self.merges[at] = [own, with_next];
        }
    }

    /// As `Merged` has it.
    fn write(&mut self, vocabulary: &Vocabulary, len: usize) {
        self.bounds.clear();
        self.bounds.resize(len / 64 + 1, 0);
        self.ids.resize(self.ids.len().max(len), 0);
        let mut at = 0;
        for Run { token, times } in &self.runs {
            for _ in 0..*times {
                self.bounds[at / 64] |= 1 << (at % 64);
                self.ids[at] = *token;
                at += vocabulary.token_len(*token);
            }
        }
        self.bounds[len / 64] |= 1 << (len % 64);
    }
}

/// The runs of equal bytes.
pub fn runs_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunk_by(|one, next| one == next)
}
