//! A space of keys that the threads of the process share.

use super::busy::Busy;
use super::forgotten::Forgotten;
use super::key::Key;
use super::policy::{Code, MINUTE_MS, Policy, UNLIMITED};
use super::shard::Shard;
use super::state::{LATEST_MS, State};
use super::verdict::{Ask, Decision, decide};
use crossbeam_utils::CachePadded;
use spin::mutex::{SpinMutex, SpinMutexGuard};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Up to so many keys the least recently used one is found exactly.
const EXACT_LRU_KEYS: usize = 1024;
/// Keys of a shard: few enough that to build its index anew takes a fraction of a millisecond.
const KEYS_PER_SHARD: usize = 8192;
/// As many shards as threads hardly ever wait for one another in, if there are enough keys.
const USUAL_SHARDS: usize = 64;
const SHARD_BITS_AT_MOST: u32 = 12;

/// A shard is held for less time than it takes to put a thread to sleep; a thread that was interrupted meanwhile gets the processor.
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

#[derive(Debug)]
pub struct Space {
    pub(super) shards: Box<[CachePadded<Locked>]>,
    shard_shift: u32,
    pub(super) max_keys: AtomicUsize,
    pub(super) len: CachePadded<AtomicUsize>,
    evicted: AtomicU64,
    forgotten: Forgotten,
    /// The space's time, which never runs back.
    latest: CachePadded<AtomicU64>,
}

impl Space {
    pub fn new(max_keys: usize) -> Self {
        let wanted = (max_keys / KEYS_PER_SHARD).max(USUAL_SHARDS.min(max_keys / 256));
        let bits = if max_keys <= EXACT_LRU_KEYS { 0 } else { wanted.next_power_of_two().trailing_zeros().min(SHARD_BITS_AT_MOST) };
        let shards = (0..1usize << bits).map(|_| CachePadded::new(Locked::new(Shard::new(max_keys <= EXACT_LRU_KEYS)))).collect();
        Self {
            shards,
            shard_shift: 64 - bits,
            max_keys: AtomicUsize::new(max_keys),
            len: CachePadded::default(),
            evicted: AtomicU64::new(0),
            forgotten: Forgotten::default(),
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
            stats.denied += shard.denied();
        }
        stats
    }

    #[inline(always)]
    pub(super) fn at(&self, now_ms: f64) -> u64 {
        // A conversion of a float saturates, and is 0 for what is no number.
        let now = (now_ms as u64).min(LATEST_MS);
        let latest = self.latest.load(Relaxed);
        if now <= latest {
            return latest;
        }
        self.latest.fetch_max(now, Relaxed).max(now)
    }

    #[inline(always)]
    pub(super) fn shard_of(&self, key: Key) -> usize {
        key.0.checked_shr(self.shard_shift).unwrap_or(0) as usize
    }

    #[inline(always)]
    pub(super) fn shard(&self, key: Key) -> Guard<'_> {
        self.shards[self.shard_of(key)].lock()
    }

    /// Decides and, if allowed and `spends`, takes.
    #[inline]
    pub fn check(&self, policy: &Policy, key: Key, ask: Ask, now_ms: f64, spends: bool, decision: &mut Decision) -> Code {
        let now = self.at(now_ms);
        decision.index = 0.0;
        let mut shard = self.shard(key);
        let shard = &mut *shard;
        let code;
        if let Some((place, number)) = shard.locate(key.0, policy.family) {
            shard.touch(number);
            // Another thread may have come first with a later time.
            if spends
                && policy.is_plain
                && ask.cost > 0
                && let Some((busy, used_at)) = shard.busy(place, number)
                && take_with_newest(policy, busy, now.max(used_at), ask, decision)
            {
                shard.hint(place, number);
                shard.count(Code::Allowed);
                return Code::Allowed;
            }
            let at = now.max(shard.used_at(number));
            let mut state = shard.load(number);
            state.prune(at);
            code = decide(policy, Some(&state), at, ask, decision);
            if spends && code == Code::Allowed {
                state.take(policy, ask, at);
            }
            shard.store(number, &mut state, at);
        } else {
            code = decide(policy, None, now, ask, decision);
            if spends && code == Code::Allowed {
                let number = self.insert(shard, policy, key, now);
                let mut state = State::new(policy);
                state.take(policy, ask, now);
                shard.store(number, &mut state, now);
            }
        }
        if spends {
            shard.count(code);
        }
        code
    }

    /// Corrects what was taken at `at_ms`.
    pub fn settle(&self, policy: &Policy, key: Key, difference: i64, at_ms: f64, now_ms: f64) {
        let now = self.at(now_ms);
        if policy.windows().first().is_none_or(|window| window.code != Code::Minute) {
            return;
        }
        let mut shard = self.shard(key);
        let Some(number) = shard.find(key.0, policy.family) else {
            return;
        };
        shard.touch(number);
        let since = (at_ms as u64).min(LATEST_MS);
        if self.forgotten.has(key, policy.family, since) {
            return;
        }
        let at = now.max(shard.used_at(number));
        let mut state = shard.load(number);
        state.prune(at);
        if at.saturating_sub(since) < MINUTE_MS {
            state.adjust(since, difference);
        }
        shard.store(number, &mut state, at);
    }

    /// Gives back one of the requests under way: of one that was let pass at `at_ms`, or of any if that is infinite.
    pub fn release(&self, policy: &Policy, key: Key, at_ms: f64) {
        let mut shard = self.shard(key);
        if self.forgotten.has_place(key, policy.family, at_ms as u64) {
            return;
        }
        let Some(number) = shard.find(key.0, policy.family) else {
            return;
        };
        shard.touch(number);
        let used_at = shard.used_at(number);
        let mut state = shard.load(number);
        state.in_flight = state.in_flight.saturating_sub(1);
        shard.store(number, &mut state, used_at);
    }

    /// Forgets a key, and that what is under way of it has taken anything.
    pub fn reset(&self, policy: &Policy, key: Key) {
        let mut shard = self.shard(key);
        let Some(number) = shard.find(key.0, policy.family) else {
            return;
        };
        let at = self.latest.load(Relaxed).max(shard.used_at(number));
        let places = shard.in_flight(number);
        if places > 0 || policy.tokens_per_minute != UNLIMITED {
            self.forgotten.add(key, policy.family, at, places);
        }
        shard.remove(number);
        self.len.fetch_sub(1, Relaxed);
    }

    #[inline(never)]
    pub(super) fn insert(&self, shard: &mut Shard, policy: &Policy, key: Key, at: u64) -> usize {
        let max_keys = self.max_keys.load(Relaxed);
        while self.len.load(Relaxed) >= max_keys {
            match shard.evict(at) {
                None => break,
                Some(was_idle) => {
                    self.len.fetch_sub(1, Relaxed);
                    if !was_idle {
                        self.evicted.fetch_add(1, Relaxed);
                    }
                }
            }
        }
        let (number, swept) = shard.insert(key.0, policy.family, at);
        if swept == 0 {
            self.len.fetch_add(1, Relaxed);
        } else {
            self.len.fetch_sub(swept - 1, Relaxed);
        }
        number
    }
}

/// What most decisions on a busy key come to, in a straight line and as `decide` and `take` would have it: it passes, and counts with the newest instant. Whether it did.
#[inline(always)]
fn take_with_newest(policy: &Policy, Busy { first: log, .. }: &mut Busy, at: u64, ask: Ask, decision: &mut Decision) -> bool {
    let [window, ..] = policy.windows;
    let tokens = if window.code == Code::Minute { ask.tokens } else { 0 };
    if !log.add_to_newest(at, ask.cost, tokens, window.requests, policy.tokens_per_minute) {
        return false;
    }
    let (requests, tokens) = (log.requests, log.tokens);
    let length_ms = window.length_ms as f64;
    let limits_tokens = policy.tokens_per_minute != UNLIMITED;
    *decision = Decision {
        limit: window.requests as f64,
        remaining_requests: (window.requests - requests) as f64,
        remaining_tokens: if limits_tokens { (policy.tokens_per_minute - tokens) as f64 } else { f64::INFINITY },
        reset_ms: length_ms,
        tokens_reset_ms: if limits_tokens { length_ms } else { 0.0 },
        at_ms: at as f64,
        ..Decision::default()
    };
    true
}
