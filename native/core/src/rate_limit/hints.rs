//! Hints: where the sums of busy keys are, beside their entries in the index. What a slot leads to is then one load away from the index, where it was two, each of which waits for the one before.

use super::busy::Busy;
use super::shard::Shard;
use std::ptr::with_exposed_provenance_mut;

/// With more places than that busy keys have hints: fewer are in the caches anyway.
const MOST_WITHOUT_HINTS: u32 = 64;
const CACHE_LINE_SHIFT: u32 = 6;
/// No key is where the index is.
const NONE: u32 = 0;

/// A key has a hint as long as its state is in its slot, and was last used by a taking that was counted with its newest instant: `load` takes it away, and so do
/// `leave` and `rebuild`.
impl Shard {
    #[inline(always)]
    pub(super) fn has_hints(&self) -> bool {
        self.until_hints == 0
    }

    /// The state of a busy key, and when the key was last used.
    #[inline(always)]
    pub fn busy(&mut self, place: usize, number: usize) -> Option<(&mut Busy, u64)> {
        if self.has_hints()
            && let Some(busy) = self.hinted(place)
        {
            // SAFETY: a box of a slot of this shard, which is borrowed for as long as this is.
            let busy = unsafe { &mut *busy };
            let used_at = busy.first.newest_at();
            return Some((busy, used_at));
        }
        let slot = self.slot(number);
        let used_at = slot.used_at();
        slot.busy().map(|busy| (busy, used_at))
    }

    /// The hash of a key that has a hint. It tells the family, too, with whose salt it was mixed.
    #[inline(always)]
    pub(super) fn hinted_hash<const WIDTH: usize>(&self, place: usize) -> Option<u64> {
        if WIDTH == 1 {
            return None;
        }
        // SAFETY: a box of a slot of this shard, of which nobody has a mutable borrow.
        self.hinted(place).map(|busy| unsafe { (*busy).hash })
    }

    #[inline(always)]
    fn hinted(&self, place: usize) -> Option<*mut Busy> {
        let hint = self.index[2 * place + 1];
        let line = self.hint_origin().wrapping_add_signed((hint as i32) as isize);
        (hint != NONE).then(|| with_exposed_provenance_mut(line << CACHE_LINE_SHIFT))
    }

    /// To be called after a taking that was counted with the newest instant of a busy key.
    #[inline(always)]
    pub fn hint(&mut self, place: usize, number: usize) {
        if self.places > MOST_WITHOUT_HINTS && !(self.has_hints() && self.index[2 * place + 1] != NONE) {
            self.make_hint(place, number);
        }
    }

    #[inline(never)]
    fn make_hint(&mut self, place: usize, number: usize) {
        if !self.has_hints() {
            self.until_hints -= 1;
            if !self.has_hints() {
                return;
            }
            self.index = self.index.iter().flat_map(|&entry| [entry, NONE]).collect();
        }
        let Some(address) = self.at(number).heap_address() else {
            return;
        };
        if let Some(hint) = self.hint_to(address) {
            self.index[2 * place + 1] = hint;
        }
    }

    /// In cache lines from the index, which 32 bits reach 128 GB around; `None` beyond that, as some allocators place small boxes (AddressSanitizer's does).
    #[inline(always)]
    fn hint_to(&self, address: usize) -> Option<u32> {
        let distance = (address >> CACHE_LINE_SHIFT).wrapping_sub(self.hint_origin()) as isize;
        i32::try_from(distance).ok().map(|distance| distance as u32)
    }

    /// Takes a key's hint away, if it has one.
    #[inline(always)]
    pub(super) fn unhint(&mut self, number: usize) {
        if self.has_hints() && self.at(number).heap_address().is_some() {
            let place = self.place_of(number);
            let hint = &mut self.index[2 * place + 1];
            // Most have none, and a line that is not written need not go back to memory.
            if *hint != NONE {
                *hint = NONE;
            }
        }
    }

    #[inline(always)]
    fn hint_origin(&self) -> usize {
        self.index.as_ptr().addr() >> CACHE_LINE_SHIFT
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::{Instant, Log};
    use super::super::policy::{Family, Kind, MINUTE_MS};
    use super::super::state::{Held, State};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::iter;

    const FAMILY: Family = Family(Kind::Minute as u16);

    fn hash_of(key: u64) -> u64 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn busy() -> State {
        let log = Log::restored(MINUTE_MS, true, iter::once(Instant { at: 1, requests: 1, tokens: 1 }), 1);
        State { in_flight: 0, held: Held::Busy(Box::new(Busy::of(None, iter::once(log)))) }
    }

    fn is_hinted(shard: &Shard, place: usize) -> bool {
        shard.has_hints() && shard.hinted(place).is_some()
    }

    /// Every hint leads to the state that the slot of its entry leads to.
    fn check(shard: &Shard) {
        for number in 0..shard.len() {
            let (slot, place) = (shard.at(number), shard.place_of(number));
            if is_hinted(shard, place) {
                assert_eq!(shard.hinted(place).map(|busy| busy.addr()), slot.heap_address());
                assert_eq!(shard.hinted_hash::<2>(place), Some(slot.hash));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn hints_lead_where_slots_lead(steps in prop::collection::vec((0u64..200, 0u8..16), 1..2000), spread in any::<bool>()) {
            let hash_by = |key| if spread { hash_of(key) } else { key << 32 };
            let mut shard = Shard::new(false);
            let mut known = HashSet::new();
            for (turn, (key, what)) in (0..).zip(steps) {
                let hash = hash_by(key);
                let found = shard.locate(hash, FAMILY);
                prop_assert_eq!(found.is_some(), known.contains(&key));
                match (found, what) {
                    (None, _) => {
                        let (number, _) = shard.insert(hash, FAMILY, 2);
                        shard.store(number, &mut busy(), 2);
                        known.insert(key);
                        // The sweep has taken some that were quiet.
                        known.retain(|&key| shard.find(hash_by(key), FAMILY).is_some());
                    }
                    (Some((_, number)), 0) => {
                        shard.remove(number);
                        known.remove(&key);
                    }
                    // Quiet again, busy again, and busy in another place.
                    (Some((_, number)), 1) => {
                        drop(shard.load(number));
                        shard.store(number, &mut State::default(), 2);
                    }
                    (Some((_, number)), 2 | 3) => {
                        drop(shard.load(number));
                        shard.store(number, &mut busy(), 2);
                    }
                    (Some((place, number)), _) => {
                        if let Some((busy, _)) = shard.busy(place, number) {
                            prop_assert_eq!(busy.hash, hash);
                            shard.hint(place, number);
                        }
                    }
                }
                if turn % 16 == 0 {
                    check(&shard);
                }
                prop_assert_eq!(shard.len(), known.len());
            }
        }
    }

    #[test]
    fn hints_come_with_use() {
        let mut shard = Shard::new(false);
        for turn in 0..2_000 {
            let hash = hash_of(turn % 200);
            match shard.locate(hash, FAMILY) {
                Some((place, number)) => shard.hint(place, number),
                None => {
                    let (number, _) = shard.insert(hash, FAMILY, 2);
                    shard.store(number, &mut busy(), 2);
                }
            }
        }
        check(&shard);
        let is_in_reach = |number: usize| shard.at(number).heap_address().is_some_and(|address| shard.hint_to(address).is_some());
        assert!((0..200).all(|number| is_hinted(&shard, shard.place_of(number)) == is_in_reach(number)));
        let index = shard.index.as_ptr().addr();
        assert!([index + (1 << 36), index - (1 << 36)].into_iter().all(|address| shard.hint_to(address).is_some()));
        assert_eq!(shard.hint_to(index + (1 << 38)), None);
    }

    #[test]
    fn a_small_shard_has_no_hints() {
        let mut shard = Shard::new(false);
        for turn in 0..10_000 {
            let hash = hash_of(turn % 8);
            match shard.locate(hash, FAMILY) {
                Some((place, number)) => shard.hint(place, number),
                None => {
                    shard.insert(hash, FAMILY, 2);
                }
            }
        }
        assert!(!shard.has_hints());
    }
}
