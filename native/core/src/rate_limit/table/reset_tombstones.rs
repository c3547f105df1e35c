//! Keys that were reset while their requests were in flight. What those give back later must not
//! free what was taken since.

use super::key::Scope;
use crate::rate_limit::policy::MINUTE_MS;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// So many are remembered. With more, the oldest is forgotten, and its key counts as never reset.
pub const MOST: usize = 4096;

type Id = (u64, u16);

#[derive(Debug)]
struct Reset {
    /// The last one of the key.
    at: u64,
    /// Requests that were in flight at a reset and have not ended.
    in_flight: u64,
}

impl Reset {
    /// Whether the tombstone has expired: takings before the reset can no longer be given back.
    fn is_over(&self, now: u64) -> bool {
        self.in_flight == 0 && now.saturating_sub(self.at) >= MINUTE_MS
    }
}

#[derive(Debug, Default)]
struct Resets {
    by_key: HashMap<Id, Reset>,
    /// From the first to the last that was made.
    order: VecDeque<Id>,
}

/// Called while the key's shard is locked, so the key cannot be reset in between.
#[derive(Debug, Default)]
pub struct ResetTombstones {
    /// Hardly ever written, so a release pays no more than a load for it.
    len: AtomicUsize,
    resets: Mutex<Resets>,
}

fn id_of(scope: Scope<'_>) -> Id {
    (scope.key.0, scope.policy.family.0)
}

impl ResetTombstones {
    /// Remembers that a key with so many requests in flight was reset at `at`.
    pub fn add(&self, scope: Scope<'_>, at: u64, in_flight: u64) {
        let mut resets = self.resets.lock();
        let Resets { by_key, order } = &mut *resets;
        while let Some(first) = order.front()
            && (by_key.len() >= MOST || by_key.get(first).is_none_or(|reset| reset.is_over(at)))
        {
            by_key.remove(first);
            order.pop_front();
        }
        let id = id_of(scope);
        let reset = by_key.entry(id).or_insert_with(|| {
            order.push_back(id);
            Reset { at, in_flight: 0 }
        });
        reset.at = at;
        reset.in_flight += in_flight;
        self.len.store(by_key.len(), Relaxed);
    }

    /// Whether the request that was allowed at `taken_at` was in flight at a reset; if so it has
    /// ended now. At the very instant of the reset that cannot be told: then it counts as such
    /// while some have not ended, so that requests in flight are never counted as fewer than they
    /// are.
    #[inline(always)]
    pub fn end(&self, scope: Scope<'_>, taken_at: u64) -> bool {
        self.len.load(Relaxed) > 0 && self.end_known(scope, taken_at)
    }

    /// Whether a reset has forgotten what was taken at `taken_at`.
    #[inline(always)]
    pub fn covers(&self, scope: Scope<'_>, taken_at: u64) -> bool {
        self.len.load(Relaxed) > 0 && self.resets.lock().by_key.get(&id_of(scope)).is_some_and(|reset| taken_at <= reset.at)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.resets.lock().order.len()
    }

    #[cold]
    fn end_known(&self, scope: Scope<'_>, taken_at: u64) -> bool {
        match self.resets.lock().by_key.get_mut(&id_of(scope)) {
            Some(reset) if taken_at <= reset.at && reset.in_flight > 0 => {
                reset.in_flight -= 1;
                true
            }
            _ => false,
        }
    }
}
