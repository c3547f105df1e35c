//! tiktoken as it is defined: the pattern cuts a text into pieces, and of each piece's neighbours
//! those of the lowest rank are merged, the leftmost first.

use base64::Engine as _;
use fancy_regex::Regex;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::OnceLock;

/// Names of the vocabularies, by their numbers in the core.
pub const VOCABULARIES: [&str; 4] = ["cl100k_base", "o200k_base", "p50k_base", "r50k_base"];

#[derive(serde::Deserialize)]
struct Encoder {
    pat_str: String,
    bpe_ranks: String,
}

pub struct Tokenizer {
    pattern: Regex,
    ranks: HashMap<Vec<u8>, u32>,
}

impl Tokenizer {
    /// The tokenizer of a vocabulary, read from the npm package tiktoken at the first call.
    pub fn of(vocabulary: usize) -> &'static Self {
        static TOKENIZERS: [OnceLock<Tokenizer>; 4] = [const { OnceLock::new() }; 4];
        TOKENIZERS[vocabulary].get_or_init(|| Self::read(VOCABULARIES[vocabulary]))
    }

    fn read(name: &str) -> Self {
        let path = format!("{}/../../node_modules/tiktoken/encoders/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; run `npm ci` first"));
        let encoder: Encoder = serde_json::from_str(&text).expect("an encoder of tiktoken");
        let mut ranks = HashMap::new();
        for line in encoder.bpe_ranks.lines().filter(|line| !line.is_empty()) {
            let mut fields = line.split(' ').skip(1);
            let first: u32 = fields.next().and_then(|id| id.parse().ok()).expect("the first id of a line");
            for (token, id) in fields.zip(first..) {
                ranks.insert(base64::engine::general_purpose::STANDARD.decode(token).expect("base64"), id);
            }
        }
        Self { pattern: Regex::new(&encoder.pat_str).expect("a pattern of tiktoken"), ranks }
    }

    /// The ids of a text; `None` where the expression gives up.
    pub fn encode(&self, text: &str) -> Option<Vec<u32>> {
        let mut ids = Vec::new();
        for piece in self.pattern.find_iter(text) {
            self.merge(piece.ok()?.as_str().as_bytes(), &mut ids);
        }
        Some(ids)
    }

    fn merge(&self, piece: &[u8], ids: &mut Vec<u32>) {
        if let Some(id) = self.ranks.get(piece) {
            ids.push(*id);
            return;
        }
        // `next[i]` is where the part that begins at `i` ends; `before[i]` where the one before it
        // begins. A part that was merged away has no end.
        let len = piece.len();
        let mut next: Vec<usize> = (1..=len).collect();
        let mut before: Vec<usize> = (0..len).map(|at| at.wrapping_sub(1)).collect();
        let mut pairs = BinaryHeap::new();
        let push = |pairs: &mut BinaryHeap<_>, next: &[usize], at: usize| {
            if next[at] < len
                && let end = next[next[at]]
                && let Some(rank) = self.ranks.get(&piece[at..end])
            {
                pairs.push(Reverse((*rank, at, end)));
            }
        };
        (0..len).for_each(|at| push(&mut pairs, &next, at));
        while let Some(Reverse((_, at, end))) = pairs.pop() {
            let middle = next[at];
            if middle == 0 || middle >= len || next[middle] != end {
                continue;
            }
            next[at] = end;
            next[middle] = 0;
            if end < len {
                before[end] = at;
            }
            push(&mut pairs, &next, at);
            if at > 0 {
                push(&mut pairs, &next, before[at]);
            }
        }
        let mut at = 0;
        while at < len {
            ids.push(self.ranks[&piece[at..next[at]]]);
            at = next[at];
        }
    }

    /// The bytes of an id.
    pub fn has(&self, token: &[u8]) -> bool {
        self.ranks.contains_key(token)
    }
}
