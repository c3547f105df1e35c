//! What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.

use std::collections::VecDeque;

/// As long as so many instants are remembered, each is kept by itself.
pub const EXACT_INSTANTS: usize = 4;
/// A window is this many times as long as the span whose takings may be counted together.
const MERGES_PER_WINDOW: u64 = 60;
/// What one instant holds at most, of requests and of tokens.
pub const LARGEST_COUNT: u64 = u32::MAX as u64;
/// Instants that a log has room for at first, and at last: it never needs more, and sizes in between would leave holes in memory.
const LITTLE_ROOM: usize = 8;
const FULL_ROOM: usize = 64;

/// What was taken at one instant, the last taking of which was at `at`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Instant {
    pub at: u64,
    pub requests: u64,
    pub tokens: u64,
}

impl Instant {
    pub fn has_room_for(&self, requests: u64, tokens: u64) -> bool {
        self.requests + requests <= LARGEST_COUNT && self.tokens + tokens <= LARGEST_COUNT
    }

    /// Adds `tokens`, which may be negative, and returns by how much they changed.
    pub fn adjust(&mut self, tokens: i64) -> i64 {
        let before = self.tokens as i64;
        self.tokens = (before + tokens).clamp(0, LARGEST_COUNT as i64) as u64;
        self.tokens as i64 - before
    }
}

/// Whether `instant` is the one that holds `since`, if none before it does: the instant of a key that was forgotten meanwhile is not among those kept.
pub fn holds(instant: &Instant, since: u64, window_ms: u64) -> bool {
    (instant.at - since) * MERGES_PER_WINDOW < window_ms
}

/// Instants as they are kept: times are the lower bits of milliseconds, made whole by the newest one's.
#[derive(Debug)]
enum Ring {
    /// Of a minute: 16 bits of time, 16 of requests, 32 of tokens.
    Compact(VecDeque<(u16, u16, u32)>),
    /// Without tokens.
    Plain(VecDeque<(u32, u32)>),
    /// For a minute with more than 65,535 requests at an instant.
    Wide(VecDeque<(u32, u32, u32)>),
}

/// The log of a busy key, with at most 64 instants.
#[derive(Debug)]
pub struct Log {
    ring: Ring,
    window_ms: u64,
    newest: u64,
    /// When the newest instant began.
    start: u64,
    pub requests: u64,
    pub tokens: u64,
}

impl Log {
    pub fn new(window_ms: u64, with_tokens: bool) -> Self {
        let ring = if with_tokens { Ring::Compact(VecDeque::new()) } else { Ring::Plain(VecDeque::new()) };
        Self { ring, window_ms, newest: 0, start: 0, requests: 0, tokens: 0 }
    }

    pub fn len(&self) -> usize {
        match &self.ring {
            Ring::Compact(ring) => ring.len(),
            Ring::Plain(ring) => ring.len(),
            Ring::Wide(ring) => ring.len(),
        }
    }

    fn get(&self, index: usize) -> Instant {
        // All that are kept are less than a window older than the newest, which the lower bits tell.
        let newest = self.newest;
        match &self.ring {
            Ring::Compact(ring) => {
                let (time, requests, tokens) = ring[index];
                let age = (newest as u16).wrapping_sub(time);
                Instant { at: newest - u64::from(age), requests: requests.into(), tokens: tokens.into() }
            }
            Ring::Plain(ring) => {
                let (time, requests) = ring[index];
                let age = (newest as u32).wrapping_sub(time);
                Instant { at: newest - u64::from(age), requests: requests.into(), tokens: 0 }
            }
            Ring::Wide(ring) => {
                let (time, requests, tokens) = ring[index];
                let age = (newest as u32).wrapping_sub(time);
                Instant { at: newest - u64::from(age), requests: requests.into(), tokens: tokens.into() }
            }
        }
    }

    fn set(&mut self, index: usize, instant: Instant) {
        self.make_room_for(&instant);
        let Instant { at, requests, tokens } = instant;
        match &mut self.ring {
            Ring::Compact(ring) => ring[index] = (at as u16, requests as u16, tokens as u32),
            Ring::Plain(ring) => ring[index] = (at as u32, requests as u32),
            Ring::Wide(ring) => ring[index] = (at as u32, requests as u32, tokens as u32),
        }
    }

    fn make_room_for(&mut self, instant: &Instant) {
        if matches!(self.ring, Ring::Compact(_)) && instant.requests > u64::from(u16::MAX) {
            let wide = (0..self.len())
                .map(|index| self.get(index))
                .map(|kept| (kept.at as u32, kept.requests as u32, kept.tokens as u32))
                .collect();
            self.ring = Ring::Wide(wide);
        }
    }

    /// Forgets what is out of the window at `at`.
    pub fn prune(&mut self, at: u64) {
        while self.len() > 0 {
            let oldest = self.get(0);
            if at - oldest.at < self.window_ms {
                return;
            }
            self.requests -= oldest.requests;
            self.tokens -= oldest.tokens;
            match &mut self.ring {
                Ring::Compact(ring) => drop(ring.pop_front()),
                Ring::Plain(ring) => drop(ring.pop_front()),
                Ring::Wide(ring) => drop(ring.pop_front()),
            }
        }
    }

    /// Counts a taking at `at`, which is not before the last one. Pruned before.
    pub fn add(&mut self, at: u64, requests: u64, tokens: u64) {
        self.requests += requests;
        self.tokens += tokens;
        let len = self.len();
        if len > 0 {
            let newest = self.get(len - 1);
            let together = newest.at == at || (len >= EXACT_INSTANTS && (at - self.start) * MERGES_PER_WINDOW < self.window_ms);
            if together && newest.has_room_for(requests, tokens) {
                let instant = Instant { at, requests: newest.requests + requests, tokens: newest.tokens + tokens };
                self.set(len - 1, instant);
                self.newest = at;
                return;
            }
        }
        let instant = Instant { at, requests, tokens };
        self.make_room_for(&instant);
        match &mut self.ring {
            Ring::Compact(ring) => push(ring, (at as u16, requests as u16, tokens as u32)),
            Ring::Plain(ring) => push(ring, (at as u32, requests as u32)),
            Ring::Wide(ring) => push(ring, (at as u32, requests as u32, tokens as u32)),
        }
        self.newest = at;
        self.start = at;
    }

    /// Adds `tokens`, which may be negative, to the instant that holds `since`, a time within the window.
    pub fn adjust(&mut self, since: u64, tokens: i64) {
        let found = (0..self.len()).find(|&index| self.get(index).at >= since);
        if let Some(index) = found {
            let mut instant = self.get(index);
            if holds(&instant, since, self.window_ms) {
                self.tokens = (self.tokens as i64 + instant.adjust(tokens)) as u64;
                self.set(index, instant);
            }
        }
    }

    /// Time from `at` until so much of what `count` counts is out: `None` if there is not so much.
    pub fn wait_for(&self, amount: u64, at: u64, count: fn(&Instant) -> u64) -> Option<u64> {
        wait_for((0..self.len()).map(|index| self.get(index)), self.window_ms, amount, at, count)
    }

    /// When nothing is counted any more.
    pub fn empty_at(&self) -> u64 {
        if self.len() == 0 { 0 } else { self.newest + self.window_ms }
    }
}

fn push<T>(ring: &mut VecDeque<T>, instant: T) {
    if ring.len() == ring.capacity() {
        // More than full happens to instants that hold too much for one, and only then.
        let room = if ring.len() < LITTLE_ROOM { LITTLE_ROOM } else { FULL_ROOM.max(2 * ring.len()) };
        ring.reserve_exact(room - ring.len());
    }
    ring.push_back(instant);
}

pub fn wait_for(instants: impl Iterator<Item = Instant>, window_ms: u64, amount: u64, at: u64, count: fn(&Instant) -> u64) -> Option<u64> {
    let mut freed = 0;
    for instant in instants {
        freed += count(&instant);
        if freed >= amount {
            return Some(instant.at + window_ms - at);
        }
    }
    None
}
