//! A space of keys that the threads of the process share.

use super::key::{Key, Scope};
use super::reset_tombstones::ResetTombstones;
use super::shard::Shard;
use crate::rate_limit::decide::decision::{Decision, Standing};
use crate::rate_limit::policy::{Ask, Code, LATEST_MS, MINUTE_MS, UNLIMITED};
use crate::rate_limit::window::state::State;
use crossbeam_utils::CachePadded;
use spin::mutex::{SpinMutex, SpinMutexGuard};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Up to so many keys the least recently used one is found exactly.
const EXACT_LRU_KEYS: usize = 1024;
/// Keys of a shard: few enough that a rebuild of its index takes a fraction of a millisecond.
const KEYS_PER_SHARD: usize = 8192;
/// Enough shards that threads hardly ever wait for one another, if there are enough keys.
const USUAL_SHARDS: usize = 64;
const SHARD_BITS_AT_MOST: u32 = 12;

/// A shard is locked for less time than it takes to put a thread to sleep; a thread that was
/// interrupted meanwhile gets the processor.
type Locked = SpinMutex<Shard, spin::Yield>;
pub type Guard<'a> = SpinMutexGuard<'a, Shard>;

/// What a space has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stats {
    pub keys: u64,
    pub allowed: u64,
    pub denied: u64,
    pub evicted: u64,
}

/// By how much the tokens that a decision took at `taken_at_ms` are to change.
#[derive(Clone, Copy, Debug)]
pub struct Correction {
    pub tokens: i64,
    pub taken_at_ms: f64,
}

#[derive(Debug)]
pub struct Space {
    shards: Box<[CachePadded<Locked>]>,
    shard_shift: u32,
    max_keys: AtomicUsize,
    len: CachePadded<AtomicUsize>,
    evicted: AtomicU64,
    resets: ResetTombstones,
    /// The space's time, which never runs back.
    latest: CachePadded<AtomicU64>,
}

impl Space {
    pub fn new(max_keys: usize) -> Self {
        let is_exact = max_keys <= EXACT_LRU_KEYS;
        let wanted = (max_keys / KEYS_PER_SHARD).max(USUAL_SHARDS.min(max_keys / 256));
        let bits = if is_exact { 0 } else { wanted.next_power_of_two().trailing_zeros().min(SHARD_BITS_AT_MOST) };
        Self {
            shards: (0..1usize << bits).map(|_| CachePadded::new(Locked::new(Shard::new(is_exact)))).collect(),
            shard_shift: 64 - bits,
            max_keys: AtomicUsize::new(max_keys),
            len: CachePadded::default(),
            evicted: AtomicU64::new(0),
            resets: ResetTombstones::default(),
            latest: CachePadded::default(),
        }
    }

    pub fn set_max_keys(&self, max_keys: usize) {
        self.max_keys.store(max_keys, Relaxed);
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats { evicted: self.evicted.load(Relaxed), ..Stats::default() };
        for shard in &self.shards {
            let shard = shard.lock();
            stats.keys += shard.len() as u64;
            stats.allowed += shard.allowed;
            stats.denied += shard.denied;
        }
        stats
    }

    /// Decides and, if allowed, takes.
    #[inline]
    pub fn check(&self, scope: Scope<'_>, ask: Ask, now_ms: f64) -> Decision {
        let now = self.at(now_ms);
        let policy = scope.policy;
        let shard = &mut *self.lock(self.shard_of(scope.key));
        let decision = if let Some(number) = shard.find(scope) {
            shard.update(number, now, |state, at| {
                let decision = Standing { policy, state: Some(state), at }.decide(ask);
                if decision.is_allowed() {
                    state.take(policy, ask, at);
                }
                decision
            })
        } else {
            let decision = Standing { policy, state: None, at: now }.decide(ask);
            if decision.is_allowed() {
                self.insert(shard, scope, ask, now);
            }
            decision
        };
        shard.count(decision.is_allowed());
        decision
    }

    /// What `check` would answer. Takes nothing and is not counted.
    pub fn peek(&self, scope: Scope<'_>, ask: Ask, now_ms: f64) -> Decision {
        let now = self.at(now_ms);
        let mut shard = self.lock(self.shard_of(scope.key));
        look(&mut shard, scope, now, |standing| standing.decide(ask))
    }

    /// Corrects what a decision took from the tokens of a minute.
    pub fn settle(&self, scope: Scope<'_>, correction: Correction, now_ms: f64) {
        let now = self.at(now_ms);
        if scope.policy.windows.first().is_none_or(|window| window.code != Code::Minute) {
            return;
        }
        let taken_at = (correction.taken_at_ms as u64).min(LATEST_MS);
        let mut shard = self.lock(self.shard_of(scope.key));
        if let Some(number) = shard.find(scope)
            && !self.resets.covers(scope, taken_at)
        {
            shard.update(number, now, |state, at| {
                if at.saturating_sub(taken_at) < MINUTE_MS {
                    state.adjust(taken_at, correction.tokens);
                }
            });
        }
    }

    /// Ends a request in flight: the one that was allowed at `taken_at_ms`, or any if that is
    /// infinite.
    pub fn release(&self, scope: Scope<'_>, taken_at_ms: f64) {
        let mut shard = self.lock(self.shard_of(scope.key));
        if self.resets.end(scope, taken_at_ms as u64) {
            return;
        }
        if let Some(number) = shard.find(scope) {
            shard.update(number, 0, |state, _| state.in_flight = state.in_flight.saturating_sub(1));
        }
    }

    /// Forgets a key, and that its requests in flight have taken anything.
    pub fn reset(&self, scope: Scope<'_>) {
        let mut shard = self.lock(self.shard_of(scope.key));
        let Some(number) = shard.find(scope) else {
            return;
        };
        let slot = shard.slot(number);
        let at = self.latest.load(Relaxed).max(slot.used_at());
        let in_flight = slot.in_flight();
        if in_flight > 0 || scope.policy.tokens_per_minute != UNLIMITED {
            self.resets.add(scope, at, in_flight);
        }
        shard.remove(number);
        self.len.fetch_sub(1, Relaxed);
    }

    #[inline(always)]
    pub fn at(&self, now_ms: f64) -> u64 {
        // A conversion of a float saturates, and is 0 for what is no number.
        let now = (now_ms as u64).min(LATEST_MS);
        let latest = self.latest.load(Relaxed);
        if now <= latest {
            return latest;
        }
        self.latest.fetch_max(now, Relaxed).max(now)
    }

    #[inline(always)]
    pub fn shard_of(&self, key: Key) -> usize {
        key.0.checked_shr(self.shard_shift).unwrap_or(0) as usize
    }

    #[inline(always)]
    pub fn lock(&self, shard: usize) -> Guard<'_> {
        self.shards[shard].lock()
    }

    /// Takes what a key that is not held may take, and makes room for it.
    #[inline(never)]
    pub fn insert(&self, shard: &mut Shard, scope: Scope<'_>, ask: Ask, at: u64) {
        let max_keys = self.max_keys.load(Relaxed);
        while self.len.load(Relaxed) >= max_keys {
            match shard.evict(at) {
                None => break,
                Some(was_idle) => {
                    self.len.fetch_sub(1, Relaxed);
                    self.evicted.fetch_add(u64::from(!was_idle), Relaxed);
                }
            }
        }
        let (number, swept) = shard.insert(scope.key.0, scope.policy.family, at);
        // One came: the counter is unsigned.
        self.len.fetch_add(1, Relaxed);
        self.len.fetch_sub(swept, Relaxed);
        let mut state = State::new(scope.policy);
        state.take(scope.policy, ask, at);
        shard.store(number, state, at);
    }
}

/// Shows how a key stands at `now`, also one that is not held.
pub fn look<R>(shard: &mut Shard, scope: Scope<'_>, now: u64, work: impl FnOnce(Standing<'_>) -> R) -> R {
    let policy = scope.policy;
    match shard.find(scope) {
        Some(number) => shard.update(number, now, |state, at| work(Standing { policy, state: Some(state), at })),
        None => work(Standing { policy, state: None, at: now }),
    }
}
