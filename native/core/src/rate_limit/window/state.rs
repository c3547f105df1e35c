//! What was taken under one key, out of its slot.

use super::bucket::Bucket;
use super::heap_state::HeapState;
use super::instant::{Instant, wait_for};
use super::log::Log;
use crate::rate_limit::policy::{Ask, Kind, PARTS, Policy, UNLIMITED};

/// So many instants are kept in a key's slot.
pub const FEW: usize = 3;

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
    Heap(Box<HeapState>),
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

    /// Returns whether there was room.
    fn add(&mut self, at: u64, requests: u64, tokens: u64) -> bool {
        if let Some(newest) = self.instants[..self.len].last_mut()
            && newest.at == at
            && newest.has_room_for(requests, tokens)
        {
            newest.add(at, requests, tokens);
            return true;
        }
        if self.len == FEW {
            return false;
        }
        self.instants[self.len] = Instant { at, requests, tokens };
        self.len += 1;
        true
    }

    fn adjust(&mut self, since: u64, tokens: i64) {
        let window_ms = self.window_ms;
        let found = self.instants[..self.len].iter_mut().find(|instant| instant.at >= since);
        if let Some(instant) = found.filter(|instant| instant.counts(since, window_ms)) {
            instant.adjust(tokens);
        }
    }

    fn empty_at(&self) -> u64 {
        self.kept().last().map_or(0, |newest| newest.at + self.window_ms)
    }

    fn into_heap(self, kind: Kind) -> HeapState {
        if self.window_ms == 0 {
            return HeapState::of(None, None);
        }
        let mut log = Log::new(self.window_ms, kind == Kind::Minute);
        for instant in self.kept() {
            log.add(instant.at, instant.requests, instant.tokens);
        }
        HeapState::of(None, Some(log))
    }
}

impl State {
    /// A key that nothing was taken under.
    pub fn new(policy: &Policy) -> Self {
        let held = match policy.family.kind() {
            Kind::Bucket => Held::Bucket(Bucket::full(policy)),
            Kind::Heap => Held::Heap(Box::new(HeapState::new(policy))),
            kind => Held::Few(Few { window_ms: kind.window_ms(), ..Few::default() }),
        };
        Self { in_flight: 0, held }
    }

    /// Forgets what is over at `at`.
    pub fn prune(&mut self, at: u64) {
        match &mut self.held {
            Held::Few(few) => few.prune(at),
            Held::Bucket(_) => {}
            Held::Heap(heap) => heap.prune(at),
        }
    }

    /// Whether it tells no more than a key never seen.
    pub fn is_idle(&self, at: u64) -> bool {
        self.in_flight == 0
            && at
                >= match &self.held {
                    Held::Few(few) => few.empty_at(),
                    Held::Bucket(bucket) => bucket.full_at,
                    Held::Heap(heap) => heap.idle_at(),
                }
    }

    /// What the bucket holds at `at`, in thousandths.
    pub fn level(&self, policy: &Policy, at: u64) -> f64 {
        match &self.held {
            Held::Few(_) => policy.burst * PARTS,
            Held::Bucket(bucket) => bucket.level(policy, at),
            Held::Heap(heap) => heap.bucket().level(policy, at),
        }
    }

    /// Requests and tokens in the window with this index.
    pub fn taken(&self, window: usize) -> (u64, u64) {
        match &self.held {
            Held::Few(few) => few.kept().iter().fold((0, 0), |(requests, tokens), one| (requests + one.requests, tokens + one.tokens)),
            Held::Bucket(_) => (0, 0),
            Held::Heap(heap) => heap.log(window).taken(),
        }
    }

    /// Time from `at` until so much of what `count` counts is out of the window.
    pub fn wait_for(&self, window: usize, amount: u64, at: u64, count: fn(&Instant) -> u64) -> Option<u64> {
        match &self.held {
            Held::Few(few) => wait_for(few.kept().iter().copied(), few.window_ms, amount, at, count),
            Held::Bucket(_) => None,
            Held::Heap(heap) => heap.log(window).wait_for(amount, at, count),
        }
    }

    /// When the window counts nothing any more.
    pub fn empty_at(&self, window: usize) -> u64 {
        match &self.held {
            Held::Few(few) => few.empty_at(),
            Held::Bucket(_) => 0,
            Held::Heap(heap) => heap.log(window).empty_at(),
        }
    }

    /// Takes what was decided at `at`, for which it was pruned.
    pub fn take(&mut self, policy: &Policy, ask: Ask, at: u64) {
        if policy.max_concurrent != UNLIMITED {
            self.in_flight += ask.in_flight;
        }
        match &mut self.held {
            Held::Few(few) => {
                let Some(window) = policy.windows.first() else {
                    return;
                };
                if policy.is_logged(window, ask) && !few.add(at, ask.cost, policy.tokens_in(window, ask)) {
                    let mut heap = std::mem::take(few).into_heap(policy.family.kind());
                    heap.take(policy, ask, at);
                    self.held = Held::Heap(Box::new(heap));
                }
            }
            Held::Bucket(bucket) => bucket.take(policy, at, ask.cost),
            Held::Heap(heap) => heap.take(policy, ask, at),
        }
    }

    /// Adds `tokens`, which may be negative, to what was taken at `since`, less than a minute ago.
    pub fn adjust(&mut self, since: u64, tokens: i64) {
        match &mut self.held {
            Held::Few(few) => few.adjust(since, tokens),
            Held::Bucket(_) => {}
            Held::Heap(heap) => heap.adjust(since, tokens),
        }
    }

    /// The same on the heap, where there is room for everything.
    pub fn into_heap(self, kind: Kind) -> Box<HeapState> {
        match self.held {
            Held::Heap(heap) => heap,
            Held::Few(few) => Box::new(few.into_heap(kind)),
            Held::Bucket(bucket) => Box::new(HeapState::of(Some(bucket), None)),
        }
    }
}
