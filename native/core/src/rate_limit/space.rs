//! A space of keys that the threads of the process share.

use super::policy::{Code, Policy};
use super::shard::Shard;
use super::state::{LATEST_MS, State};
use super::verdict::{Ask, Decision, decide};
use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Up to so many keys the least recently used one is found exactly.
const EXACT_LRU_KEYS: usize = 1024;
/// Keys of a shard: few enough that to build its index anew takes a fraction of a millisecond.
const KEYS_PER_SHARD: usize = 8192;
/// As many shards as threads hardly ever wait for one another in, if there are enough keys.
const USUAL_SHARDS: usize = 64;
const SHARD_BITS_AT_MOST: u32 = 12;
const MINUTE_MS: u64 = 60_000;

/// One for the process: keys come from clients, who must not be able to choose where they fall.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A key of a policy's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// Of a text's UTF-16 units.
    #[inline]
    pub fn new(policy: &Policy, units: &[u16]) -> Self {
        let mut hasher = HASHER.build_hasher();
        // SAFETY: any two bytes are a unit, and units have no padding.
        let bytes = unsafe { std::slice::from_raw_parts(units.as_ptr().cast::<u8>(), size_of_val(units)) };
        hasher.write(bytes);
        hasher.write_u16(policy.family.0);
        Self(hasher.finish())
    }
}

/// What a space has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stats {
    pub keys: u64,
    pub allowed: u64,
    pub denied: u64,
    pub evicted: u64,
}

/// One of several keys that are decided together.
pub struct Scope<'a> {
    pub policy: &'a Policy,
    pub key: Key,
}

#[derive(Debug)]
pub struct Space {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    shard_shift: u32,
    max_keys: AtomicUsize,
    len: CachePadded<AtomicUsize>,
    evicted: AtomicU64,
    /// The space's time, which never runs back.
    latest: CachePadded<AtomicU64>,
}

impl Space {
    pub fn new(max_keys: usize) -> Self {
        let wanted = (max_keys / KEYS_PER_SHARD).max(USUAL_SHARDS.min(max_keys / 256));
        let bits = if max_keys <= EXACT_LRU_KEYS { 0 } else { wanted.next_power_of_two().trailing_zeros().min(SHARD_BITS_AT_MOST) };
        let shards = (0..1usize << bits).map(|_| CachePadded::new(Mutex::new(Shard::new(max_keys <= EXACT_LRU_KEYS)))).collect();
        Self {
            shards,
            shard_shift: 64 - bits,
            max_keys: AtomicUsize::new(max_keys),
            len: CachePadded::default(),
            evicted: AtomicU64::new(0),
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

    #[inline(always)]
    fn at(&self, now_ms: f64) -> u64 {
        // A conversion of a float saturates, and is 0 for what is no number.
        let now = (now_ms as u64).min(LATEST_MS);
        let latest = self.latest.load(Relaxed);
        if now <= latest {
            return latest;
        }
        self.latest.fetch_max(now, Relaxed).max(now)
    }

    #[inline(always)]
    fn shard_of(&self, key: Key) -> usize {
        key.0.checked_shr(self.shard_shift).unwrap_or(0) as usize
    }

    #[inline(always)]
    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        self.shards[self.shard_of(key)].lock()
    }

    /// Decides and, if allowed and `spends`, takes.
    #[inline]
    pub fn check(&self, policy: &Policy, key: Key, cost: u64, tokens: u64, now_ms: f64, spends: bool) -> Decision {
        let now = self.at(now_ms);
        let ask = Ask { cost, tokens, places: 1 };
        let mut shard = self.shard(key);
        let shard = &mut *shard;
        let found = shard.find(key.0, policy.family);
        let decision = match found {
            None => {
                let decision = decide(policy, None, now, ask);
                if spends && decision.code == Code::Allowed {
                    let number = self.insert(shard, policy, key, now);
                    let mut state = State::new(policy);
                    state.take(policy, cost, tokens, now);
                    shard.slot(number).store(state, now);
                }
                decision
            }
            Some(number) => {
                shard.touch(number);
                let slot = shard.slot(number);
                // Another thread may have come first with a later time.
                let at = now.max(slot.used_at());
                let mut state = slot.load();
                state.prune(at);
                let decision = decide(policy, Some(&state), at, ask);
                if spends && decision.code == Code::Allowed {
                    state.take(policy, cost, tokens, at);
                }
                slot.store(state, at);
                decision
            }
        };
        if spends {
            if decision.code == Code::Allowed {
                shard.allowed += 1;
            } else {
                shard.denied += 1;
            }
        }
        decision
    }

    /// The same for several scopes, all or nothing.
    pub fn check_all(&self, scopes: &[Scope<'_>], cost: u64, tokens: u64, now_ms: f64) -> Decision {
        let mut at = self.at(now_ms);
        let mut numbers: Vec<usize> = scopes.iter().map(|scope| self.shard_of(scope.key)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        // In the order of their numbers, so that two threads never wait for each other.
        let mut guards: Vec<MutexGuard<'_, Shard>> = numbers.iter().map(|&number| self.shards[number].lock()).collect();
        let places: Vec<usize> = scopes.iter().map(|scope| numbers.partition_point(|&number| number < self.shard_of(scope.key))).collect();
        for (scope, &place) in scopes.iter().zip(&places) {
            if let Some(number) = guards[place].find(scope.key.0, scope.policy.family) {
                at = at.max(guards[place].slot(number).used_at());
            }
        }
        let mut chosen: Option<Decision> = None;
        let (mut requests, mut left, mut left_reset_ms) = (f64::INFINITY, f64::INFINITY, 0.0);
        for (index, (scope, &place)) in scopes.iter().zip(&places).enumerate() {
            let times =
                1 + scopes[..index].iter().filter(|other| other.key == scope.key && other.policy.family == scope.policy.family).count()
                    as u64;
            let ask = Ask { cost: cost * times, tokens: tokens * times, places: times };
            let shard = &mut *guards[place];
            let mut decision = match shard.find(scope.key.0, scope.policy.family) {
                None => decide(scope.policy, None, at, ask),
                Some(number) => {
                    shard.touch(number);
                    let slot = shard.slot(number);
                    let mut state = slot.load();
                    state.prune(at);
                    let decision = decide(scope.policy, Some(&state), at, ask);
                    slot.store(state, at);
                    decision
                }
            };
            decision.index = index as f64;
            if decision.remaining_tokens < left {
                (left, left_reset_ms) = (decision.remaining_tokens, decision.tokens_reset_ms);
            }
            let is_chosen = chosen.is_none_or(|chosen| match (decision.code, chosen.code) {
                (Code::Allowed, Code::Allowed) => decision.remaining_requests < requests,
                (Code::Allowed, _) => false,
                (_, Code::Allowed) => true,
                _ => decision.retry_after_ms > chosen.retry_after_ms,
            });
            requests = requests.min(decision.remaining_requests);
            if is_chosen {
                chosen = Some(decision);
            }
        }
        let mut decision = chosen.unwrap_or_default();
        decision.remaining_requests = requests;
        decision.remaining_tokens = left;
        decision.tokens_reset_ms = left_reset_ms;
        if decision.code == Code::Allowed {
            for (scope, &place) in scopes.iter().zip(&places) {
                self.take(&mut guards[place], scope, cost, tokens, at);
            }
        }
        if let Some(first) = guards.first_mut() {
            if decision.code == Code::Allowed {
                first.allowed += 1;
            } else {
                first.denied += 1;
            }
        }
        decision
    }

    fn take(&self, shard: &mut Shard, scope: &Scope<'_>, cost: u64, tokens: u64, at: u64) {
        let Scope { policy, key } = scope;
        let (number, mut state) = match shard.find(key.0, policy.family) {
            Some(number) => {
                let mut state = shard.slot(number).load();
                state.prune(at);
                (number, state)
            }
            None => (self.insert(shard, policy, *key, at), State::new(policy)),
        };
        state.take(policy, cost, tokens, at);
        shard.slot(number).store(state, at);
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
        let slot = shard.slot(number);
        let at = now.max(slot.used_at());
        let since = (at_ms as u64).min(LATEST_MS);
        let mut state = slot.load();
        state.prune(at);
        if at.saturating_sub(since) < MINUTE_MS {
            state.adjust(since, difference);
        }
        slot.store(state, at);
    }

    /// Gives back one of the requests under way.
    pub fn release(&self, policy: &Policy, key: Key) {
        let mut shard = self.shard(key);
        let Some(number) = shard.find(key.0, policy.family) else {
            return;
        };
        shard.touch(number);
        let slot = shard.slot(number);
        let used_at = slot.used_at();
        let mut state = slot.load();
        state.in_flight = state.in_flight.saturating_sub(1);
        slot.store(state, used_at);
    }

    /// Forgets a key.
    pub fn reset(&self, policy: &Policy, key: Key) {
        let mut shard = self.shard(key);
        if let Some(number) = shard.find(key.0, policy.family) {
            shard.remove(number);
            self.len.fetch_sub(1, Relaxed);
        }
    }

    #[inline(never)]
    fn insert(&self, shard: &mut Shard, policy: &Policy, key: Key, at: u64) -> usize {
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
