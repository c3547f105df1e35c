//! `cargo bench -p fast-litellm-core`: the core alone, without the border. For work on the core; the figures that count are `npm run bench`'s.
//!
//! Reads 4 KB slices of the files below the folders given (default: the repository's node_modules), each slice once per round. `FILES_ONLY=1` counts these and does no more, for a profiler.

#![allow(clippy::unwrap_used, reason = "a bench reports by stopping")]

use fast_litellm_core::token_counter::{Cache, ENCODING_NAMES, Text, encoding, vocabulary_of};
use std::path::Path;
use std::time::{Duration, Instant};

const SLICE: usize = 4096;
const ROUNDS: usize = 7;

fn collect(folder: &Path, ending: &str, slices: &mut Vec<Text>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        if slices.len() >= 4000 {
            return;
        }
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, ending, slices);
        } else if path.to_string_lossy().ends_with(ending) {
            let Ok(content) = std::fs::read_to_string(&path) else {
                continue;
            };
            let mut rest = content.as_str();
            for _ in 0..50 {
                let Some(end) = (SLICE..SLICE + 4).find(|end| rest.is_char_boundary(*end)) else {
                    break;
                };
                let mut text = Text::new();
                text.set(&rest[..end]);
                slices.push(text);
                rest = &rest[end..];
            }
        }
    }
}

fn report(name: &str, slices: &[Text]) {
    let bytes: usize = slices.iter().map(Text::len).sum();
    for handle in [0, 1] {
        let encoding = encoding(vocabulary_of(handle).unwrap());
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            let mut cache = Cache::default();
            let mut ids = vec![];
            let mut time = |slot: usize, work: &mut dyn FnMut(&mut Cache)| {
                let start = Instant::now();
                work(&mut cache);
                best[slot] = best[slot].min(start.elapsed());
            };
            let mut count = |cache: &mut Cache| {
                for text in slices {
                    std::hint::black_box(encoding.count(cache, text, u32::MAX));
                }
            };
            time(0, &mut count);
            time(1, &mut count);
            if std::env::var_os("FILES_ONLY").is_some() {
                continue;
            }
            time(2, &mut |cache| {
                for text in slices {
                    ids.clear();
                    encoding.encode(cache, text, usize::MAX, &mut ids);
                }
            });
        }
        let rate = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e6;
        println!(
            "{name:<18} {:<12} {:>5} slices   fresh {:>6.0} MB/s   again {:>6.0} MB/s   encode {:>6.0} MB/s",
            ENCODING_NAMES[handle],
            slices.len(),
            rate(best[0]),
            rate(best[1]),
            rate(best[2])
        );
    }
}

fn main() {
    let folders: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../node_modules").to_owned();
    for folder in if folders.is_empty() { vec![default] } else { folders } {
        for ending in [".md", ".js", ".d.ts", ".json"] {
            let mut slices = vec![];
            collect(Path::new(&folder), ending, &mut slices);
            report(ending, &slices);
        }
    }
    if std::env::var_os("FILES_ONLY").is_some() {
        return;
    }
    for (name, unit) in [("a", "a"), ("spaces", " "), ("line ends", "\n"), ("han", "漢"), ("quotes", "'")] {
        let mut text = Text::new();
        text.set(&unit.repeat(100_000 / unit.len()));
        report(name, &[text]);
    }
    let mut seed = 1u64;
    let letters: String = (0..100_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + ((seed >> 33) % 26) as u8)
        })
        .collect();
    let mut text = Text::new();
    text.set(&letters);
    report("random letters", &[text]);
}
