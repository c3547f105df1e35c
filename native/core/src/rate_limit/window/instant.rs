//! What was taken at one instant.

/// A window is this many times as long as the span whose takings may be counted together.
pub const MERGES_PER_WINDOW: u64 = 60;
/// What one instant holds at most, of requests and of tokens.
const LARGEST_COUNT: u64 = u32::MAX as u64;

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

    pub fn add(&mut self, at: u64, requests: u64, tokens: u64) {
        self.at = at;
        self.requests += requests;
        self.tokens += tokens;
    }

    /// Adds `tokens`, which may be negative, and returns by how much they changed.
    pub fn adjust(&mut self, tokens: i64) -> i64 {
        let before = self.tokens as i64;
        self.tokens = before.saturating_add(tokens).clamp(0, LARGEST_COUNT as i64) as u64;
        self.tokens as i64 - before
    }

    /// Whether this is the instant that counts `since`, if none before it does. It is not where the
    /// key was evicted meanwhile.
    pub fn counts(&self, since: u64, window_ms: u64) -> bool {
        (self.at - since) * MERGES_PER_WINDOW < window_ms
    }
}

/// Time from `at` until so much of what `count` counts is out of the window; `None` if there is not
/// so much.
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
