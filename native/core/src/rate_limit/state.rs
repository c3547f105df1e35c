//! What was taken under one key.

use super::busy::Busy;
use super::log::{Instant, Log, holds, wait_for};
use super::policy::{Code, Kind, PARTS, Policy, UNLIMITED};
use super::verdict::Ask;
use std::iter;

/// So many instants are kept in a key's slot.
pub const FEW: usize = 3;
/// The latest time there is, in the year 2109.
pub const LATEST_MS: u64 = (1 << 42) - 1;

/// A key, taken out of its slot.
#[derive(Debug, Default)]
pub struct State {
    pub in_flight: u64,
    pub held: Held,
}

#[derive(Debug)]
pub enum Held {
    /// Of a key with one window, or none.
    Few(Few),
    /// Of a key with a bucket only.
    Bucket(Bucket),
    Busy(Box<Busy>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Few(Few::default())
    }
}

/// A log of up to three instants.
#[derive(Debug, Default)]
pub struct Few {
    pub instants: [Instant; FEW],
    pub len: usize,
    pub window_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bucket {
    /// In thousandths, at `level_at`.
    pub level: f64,
    pub level_at: u64,
    /// When it is full again.
    pub full_at: u64,
}

impl Few {
    pub fn kept(&self) -> &[Instant] {
        &self.instants[..self.len]
    }

    fn prune(&mut self, at: u64) {
        let gone = self.kept().iter().take_while(|instant| at - instant.at >= self.window_ms).count();
        if gone > 0 {
            self.instants.copy_within(gone..self.len, 0);
            self.len -= gone;
        }
    }

    /// Whether there was room.
    fn add(&mut self, at: u64, requests: u64, tokens: u64) -> bool {
        if let Some(newest) = self.instants[..self.len].last_mut()
            && newest.at == at
            && newest.has_room_for(requests, tokens)
        {
            newest.requests += requests;
            newest.tokens += tokens;
            return true;
        }
        if self.len == FEW {
            return false;
        }
        self.instants[self.len] = Instant { at, requests, tokens };
        self.len += 1;
        true
    }
}

impl Bucket {
    pub fn full(policy: &Policy) -> Self {
        Self { level: policy.burst * PARTS, level_at: 0, full_at: 0 }
    }

    fn level(&self, policy: &Policy, at: u64) -> f64 {
        (policy.burst * PARTS).min(self.level + (at - self.level_at) as f64 * policy.rate)
    }

    pub fn take(&mut self, policy: &Policy, at: u64, cost: u64) {
        self.level = self.level(policy, at) - cost as f64 * PARTS;
        self.level_at = at;
        let wait = wait_for_level(self.level, policy.burst * PARTS, policy.rate);
        let full_at = wait.map_or(LATEST_MS, |wait| at.saturating_add(wait).min(LATEST_MS));
        self.full_at = self.full_at.max(full_at);
    }
}

/// Whole milliseconds until a bucket at `level` holds `wanted`; `None` is never.
pub fn wait_for_level(level: f64, wanted: f64, rate: f64) -> Option<u64> {
    /// Above it, not every number is one.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if level >= wanted {
        return Some(0);
    }
    let mut ms = ((wanted - level) / rate).ceil();
    // The division was rounded, the flow is not. One step will do, but where the rate is lost beside the level: then steps of 1 would take years.
    let mut step = 1.0;
    while ms <= LARGEST && level + ms * rate < wanted {
        ms += step;
        step *= 2.0;
    }
    (ms <= LARGEST).then_some(ms as u64)
}

impl State {
    /// A key that nothing was taken under.
    pub fn new(policy: &Policy) -> Self {
        let held = match policy.family.kind() {
            Kind::Bucket => Held::Bucket(Bucket::full(policy)),
            Kind::Heap => Held::Busy(Box::new(Busy::new(policy))),
            kind => Held::Few(Few { window_ms: kind.window_ms(), ..Few::default() }),
        };
        Self { in_flight: 0, held }
    }

    /// Forgets what is over at `at`.
    pub fn prune(&mut self, at: u64) {
        match &mut self.held {
            Held::Few(few) => few.prune(at),
            Held::Bucket(_) => {}
            Held::Busy(busy) => busy.prune(at),
        }
    }

    pub fn is_idle(&self, at: u64) -> bool {
        self.in_flight == 0
            && match &self.held {
                Held::Few(few) => few.kept().last().is_none_or(|newest| at >= newest.at + few.window_ms),
                Held::Bucket(bucket) => at >= bucket.full_at,
                Held::Busy(busy) => at >= busy.idle_at(),
            }
    }

    /// What the bucket holds at `at`, in thousandths.
    pub fn level(&self, policy: &Policy, at: u64) -> f64 {
        match &self.held {
            Held::Few(_) => policy.burst * PARTS,
            Held::Bucket(bucket) => bucket.level(policy, at),
            Held::Busy(busy) => busy.bucket().level(policy, at),
        }
    }

    /// Requests and tokens in the window with this index.
    pub fn taken(&self, window: usize) -> (u64, u64) {
        match &self.held {
            Held::Few(few) => few.kept().iter().fold((0, 0), |(requests, tokens), one| (requests + one.requests, tokens + one.tokens)),
            Held::Bucket(_) => (0, 0),
            Held::Busy(busy) => busy.log(window).taken(),
        }
    }

    /// Time from `at` until so much of what `count` counts is out of the window.
    pub fn wait_for(&self, window: usize, amount: u64, at: u64, count: fn(&Instant) -> u64) -> Option<u64> {
        match &self.held {
            Held::Few(few) => wait_for(few.kept().iter().copied(), few.window_ms, amount, at, count),
            Held::Bucket(_) => None,
            Held::Busy(busy) => busy.log(window).wait_for(amount, at, count),
        }
    }

    /// When the window counts nothing any more.
    pub fn empty_at(&self, window: usize) -> u64 {
        match &self.held {
            Held::Few(few) => few.kept().last().map_or(0, |newest| newest.at + few.window_ms),
            Held::Bucket(_) => 0,
            Held::Busy(busy) => busy.log(window).empty_at(),
        }
    }

    /// Takes what was decided at `at`, for which it was pruned.
    pub fn take(&mut self, policy: &Policy, ask: Ask, at: u64) {
        let Ask { cost, tokens, places } = ask;
        if policy.max_concurrent != UNLIMITED {
            self.in_flight += places;
        }
        match &mut self.held {
            Held::Few(few) => {
                let Some(window) = policy.windows().first() else {
                    return;
                };
                let tokens_taken = if window.code == Code::Minute { tokens } else { 0 };
                if policy.is_logged(window, cost, tokens) && !few.add(at, cost, tokens_taken) {
                    let mut busy = few.spilled(policy.family.kind() == Kind::Minute);
                    busy.take(policy, cost, tokens, at);
                    self.held = Held::Busy(Box::new(busy));
                }
            }
            Held::Bucket(bucket) => bucket.take(policy, at, cost),
            Held::Busy(busy) => busy.take(policy, cost, tokens, at),
        }
    }

    /// Adds `tokens`, which may be negative, to what was taken at `since`, less than a minute ago.
    pub fn adjust(&mut self, since: u64, tokens: i64) {
        match &mut self.held {
            Held::Few(few) => {
                let window_ms = few.window_ms;
                let found = few.instants[..few.len].iter_mut().find(|instant| instant.at >= since);
                if let Some(instant) = found
                    && holds(instant, since, window_ms)
                {
                    instant.adjust(tokens);
                }
            }
            Held::Bucket(_) => {}
            Held::Busy(busy) => busy.first.adjust(since, tokens),
        }
    }

    /// The same on the heap, where there is room for everything.
    pub fn into_busy(self, kind: Kind) -> Box<Busy> {
        match self.held {
            Held::Busy(busy) => busy,
            Held::Few(few) => Box::new(few.spilled(kind == Kind::Minute)),
            Held::Bucket(bucket) => Box::new(Busy::of(Some(bucket), iter::empty())),
        }
    }
}

impl Few {
    fn spilled(&self, with_tokens: bool) -> Busy {
        let mut log = Log::new(self.window_ms, with_tokens);
        for instant in self.kept() {
            log.add(instant.at, instant.requests, instant.tokens);
        }
        Busy::of(None, iter::once(log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_a_level_ends_where_the_rate_is_lost_beside_it() {
        assert_eq!(wait_for_level(0.0, 1000.0, 3.0), Some(334));
        assert_eq!(wait_for_level(1000.0, 1000.0, 0.0), Some(0));
        for (level, wanted) in [(0.0, f64::MAX), (-1e300, 1.0), (0.1, 1e22), (1e22, 1e22 + 2_097_152.0), (f64::NEG_INFINITY, 0.0)] {
            for rate in [1e-300, 1e-9, 1.0, 3.0, 1e300, f64::MIN_POSITIVE, 0.0, f64::NAN] {
                assert!(wait_for_level(level, wanted, rate).is_none_or(|wait| wait > 0));
            }
        }
    }
}
