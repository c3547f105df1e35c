//! The counts of texts that were counted before, so that the history of a conversation is counted
//! once. Shared by all threads of the process.

use highway::{HighwayHash, HighwayHasher, Key};
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// 65,536 texts in 1.5 MiB, which the system provides as they are used.
const SET_BITS: u32 = 14;
/// Texts of a set, the last used first.
const WAYS: usize = 4;
const LOCKS: usize = 64;

/// What a text counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextCount {
    pub tokens: u32,
    /// UTF-16 units of the unescaped text.
    pub units: u32,
}

/// Stands for a text and a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextHash([u64; 2]);

/// Hash, tokens and units; all zero if free. An array, because the system zeroes large ones lazily.
type Entry = [u64; 3];
type Set = [Entry; WAYS];

/// The sets, by the hash:
///
/// ```text
/// hash.0  | set within its lock | lock (6 bits) |
/// ```
pub struct CountMemory {
    key: Key,
    locks: Vec<Mutex<Vec<Set>>>,
}

impl CountMemory {
    /// That of the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<CountMemory> = OnceLock::new();
        SHARED.get_or_init(|| Self::new(1 << SET_BITS))
    }

    /// With random keys, so a client cannot make two texts that collide. `sets`: a power of two,
    /// 64 or more.
    #[must_use]
    pub fn new(sets: usize) -> Self {
        // The standard library's keys are random; what it hashes with them is, too.
        let random = RandomState::new();
        let key = Key(std::array::from_fn(|i| random.hash_one(i)));
        Self { key, locks: (0..LOCKS).map(|_| Mutex::new(vec![[[0; 3]; WAYS]; sets / LOCKS])).collect() }
    }

    /// The hash of a text. HighwayHash is a keyed function without known collisions; 128 bits of it
    /// do not collide by chance.
    #[must_use]
    pub fn hash(&self, text: &[u8], vocabulary: usize) -> TextHash {
        let mut hasher = HighwayHasher::new(self.key);
        hasher.append(text);
        hasher.append(&[vocabulary as u8]);
        TextHash(hasher.finalize128())
    }

    /// The count, if the text is known.
    #[must_use]
    pub fn find(&self, hash: TextHash) -> Option<TextCount> {
        self.with_set(hash, |set| {
            let way = set.iter().position(|entry| entry[..2] == hash.0 && entry[2] != 0)?;
            set[..=way].rotate_right(1);
            Some(TextCount { tokens: (set[0][2] >> 32) as u32, units: set[0][2] as u32 })
        })
    }

    /// Remembers a count in the place of the one that was not used for longest. An empty text is
    /// not remembered.
    pub fn remember(&self, hash: TextHash, count: TextCount) {
        self.with_set(hash, |set| {
            let way = set.iter().position(|entry| entry[..2] == hash.0).unwrap_or(WAYS - 1);
            set[..=way].rotate_right(1);
            set[0] = [hash.0[0], hash.0[1], u64::from(count.tokens) << 32 | u64::from(count.units)];
        });
    }

    fn with_set<R>(&self, TextHash([place, _]): TextHash, work: impl FnOnce(&mut Set) -> R) -> R {
        let place = place as usize;
        let mut sets = self.locks[place % LOCKS].lock();
        let count = sets.len();
        work(&mut sets[(place / LOCKS) & (count - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_of(text: usize) -> TextCount {
        TextCount { tokens: text as u32 + 1, units: text as u32 + 7 }
    }

    #[test]
    fn what_is_found_was_remembered_for_this_text_and_vocabulary() {
        let memory = CountMemory::new(LOCKS);
        let hash = memory.hash(b"text", 0);
        assert_eq!(memory.find(hash), None);
        memory.remember(hash, count_of(1));
        memory.remember(hash, count_of(2));
        assert_eq!(memory.find(hash), Some(count_of(2)));
        assert_eq!(memory.find(memory.hash(b"text", 1)), None);
        assert_eq!(memory.find(memory.hash(b"texu", 0)), None);
        assert_ne!(CountMemory::new(LOCKS).hash(b"text", 0), hash);
    }

    #[test]
    fn the_text_that_was_not_used_for_longest_goes() {
        let memory = CountMemory::new(LOCKS);
        let hashes: Vec<_> = (0..=WAYS as u64).map(|i| TextHash([64, i + 1])).collect();
        for (i, hash) in hashes[..WAYS].iter().enumerate() {
            memory.remember(*hash, count_of(i));
        }
        assert_eq!(memory.find(hashes[0]), Some(count_of(0)));
        memory.remember(hashes[WAYS], count_of(WAYS));
        let known: Vec<_> = hashes.iter().map(|hash| memory.find(*hash).is_some()).collect();
        assert_eq!(known, [true, false, true, true, true]);
    }

    #[test]
    fn many_texts_and_threads_get_right_counts_or_none() {
        let memory = CountMemory::new(LOCKS);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let memory = &memory;
                scope.spawn(move || {
                    for round in 0..4_000 {
                        let text = (round * 7 + thread * 13) % 1_000;
                        let hash = memory.hash(format!("text {text}").as_bytes(), thread % 2);
                        if let Some(count) = memory.find(hash) {
                            assert_eq!(count, count_of(text));
                        }
                        memory.remember(hash, count_of(text));
                    }
                });
            }
        });
        // The texts of the thread that ended last are there, of either vocabulary.
        let is_known = |text: usize, vocabulary| memory.find(memory.hash(format!("text {text}").as_bytes(), vocabulary)).is_some();
        let found = (0..1_000).map(|text| usize::from(is_known(text, 0)) + usize::from(is_known(text, 1))).sum::<usize>();
        assert!(found > 0 && found <= LOCKS * WAYS);
    }
}
