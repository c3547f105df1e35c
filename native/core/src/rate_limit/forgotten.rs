//! Keys that were reset while requests of theirs were under way: what these give back later is nobody's.

use super::key::Key;
use super::policy::{Family, MINUTE_MS};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// So many are remembered: with more, the first that was reset is as one never reset.
const MOST: usize = 4096;

type Id = (u64, u16);

/// When a key was reset last, and how many of the places that were taken before are still to be given back.
#[derive(Debug)]
struct Reset {
    at: u64,
    places: u64,
}

impl Reset {
    /// Whether nothing can come any more of what was taken before.
    fn is_over(&self, now: u64) -> bool {
        self.places == 0 && now.saturating_sub(self.at) >= MINUTE_MS
    }
}

#[derive(Debug, Default)]
struct Resets {
    by_key: HashMap<Id, Reset>,
    /// From the first to the last that was made.
    order: VecDeque<Id>,
}

/// To be asked while the key's shard is held: then nobody resets the key in between.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Hardly ever written, so that it costs a release no more than a load.
    len: AtomicUsize,
    resets: Mutex<Resets>,
}

fn id_of(key: Key, family: Family) -> Id {
    (key.0, family.0)
}

impl Forgotten {
    /// Remembers that a key with so many places taken was reset at `at`.
    pub fn add(&self, key: Key, family: Family, at: u64, places: u64) {
        let mut resets = self.resets.lock();
        let Resets { by_key, order } = &mut *resets;
        while let Some(first) = order.front()
            && (by_key.len() >= MOST || by_key.get(first).is_none_or(|reset| reset.is_over(at)))
        {
            by_key.remove(first);
            order.pop_front();
        }
        let id = id_of(key, family);
        let reset = by_key.entry(id).or_insert_with(|| {
            order.push_back(id);
            Reset { at, places: 0 }
        });
        reset.at = at;
        reset.places += places;
        self.len.store(by_key.len(), Relaxed);
    }

    /// Whether a place that was taken at `taken_at` went with its key. Of one taken at the very instant of the reset nobody knows: it counts as gone as long as
    /// some are to come, so that places are never fewer than requests under way.
    #[inline(always)]
    pub fn has_place(&self, key: Key, family: Family, taken_at: u64) -> bool {
        self.len.load(Relaxed) > 0 && self.give_back(key, family, taken_at)
    }

    /// Whether what was taken at `taken_at` went with its key.
    #[inline(always)]
    pub fn has(&self, key: Key, family: Family, taken_at: u64) -> bool {
        self.len.load(Relaxed) > 0 && self.resets.lock().by_key.get(&id_of(key, family)).is_some_and(|reset| taken_at <= reset.at)
    }

    #[cold]
    fn give_back(&self, key: Key, family: Family, taken_at: u64) -> bool {
        match self.resets.lock().by_key.get_mut(&id_of(key, family)) {
            Some(reset) if taken_at <= reset.at && reset.places > 0 => {
                reset.places -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: Family = Family(8);

    #[test]
    fn places_that_went_with_their_key_are_given_back_once() {
        let forgotten = Forgotten::default();
        assert!(!forgotten.has_place(Key(1), FAMILY, 5));
        forgotten.add(Key(1), FAMILY, 10, 2);
        assert!(!forgotten.has_place(Key(2), FAMILY, 5));
        assert!(!forgotten.has_place(Key(1), Family(16), 5));
        assert!(!forgotten.has_place(Key(1), FAMILY, 11));
        assert!(forgotten.has_place(Key(1), FAMILY, 10));
        assert!(forgotten.has_place(Key(1), FAMILY, 5));
        assert!(!forgotten.has_place(Key(1), FAMILY, 5));
        assert!(forgotten.has(Key(1), FAMILY, 5) && !forgotten.has(Key(1), FAMILY, 11));
    }

    #[test]
    fn as_many_are_remembered_as_may_still_be_asked_about_and_no_more_than_some_thousand() {
        let forgotten = Forgotten::default();
        for number in 0..10 * MOST as u64 {
            forgotten.add(Key(number), FAMILY, 10, 1);
        }
        assert_eq!(forgotten.len.load(Relaxed), MOST);
        assert!(forgotten.has_place(Key(10 * MOST as u64 - 1), FAMILY, 9));
        assert!(!forgotten.has_place(Key(0), FAMILY, 9));
        for number in 9 * MOST as u64..10 * MOST as u64 {
            forgotten.has_place(Key(number), FAMILY, 9);
        }
        forgotten.add(Key(0), FAMILY, 10 + MINUTE_MS, 1);
        assert_eq!((forgotten.len.load(Relaxed), forgotten.resets.lock().order.len()), (1, 1));
    }
}
