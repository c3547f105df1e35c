//! What was taken within one sliding window: a queue of instants that are counted until the window's length after their last taking.

use super::ring::Ring;

/// As long as so many instants are remembered, each is kept by itself.
pub const EXACT_INSTANTS: usize = 4;
/// A window is this many times as long as the span whose takings may be counted together.
const MERGES_PER_WINDOW: u64 = 60;
/// What one instant holds at most, of requests and of tokens.
pub const LARGEST_COUNT: u64 = u32::MAX as u64;

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
        self.tokens = before.saturating_add(tokens).clamp(0, LARGEST_COUNT as i64) as u64;
        self.tokens as i64 - before
    }
}

/// Whether `instant` is the one that holds `since`, if none before it does: the instant of a key that was forgotten meanwhile is not among those kept.
pub fn holds(instant: &Instant, since: u64, window_ms: u64) -> bool {
    (instant.at - since) * MERGES_PER_WINDOW < window_ms
}

/// The log of a busy key, with at most 64 instants. All but `older` is what most decisions read and write: `HOT_BYTES` that are in one cache line of a `Busy`.
#[derive(Debug)]
#[repr(C)]
pub struct Log {
    pub requests: u64,
    pub tokens: u64,
    /// When the oldest instant is out of the window; never, if there is none.
    expires_at: u64,
    newest_at: u64,
    newest_requests: u32,
    newest_tokens: u32,
    /// When the newest instant began.
    start: u64,
    window_ms: u32,
    /// How many instants are in `older`.
    older_len: u32,
    /// Those before the newest, less than a window older than it.
    older: Ring,
}

pub const HOT_BYTES: usize = std::mem::offset_of!(Log, older);

const NEVER: u64 = u64::MAX;

impl Log {
    pub fn new(window_ms: u64, with_tokens: bool) -> Self {
        Self {
            requests: 0,
            tokens: 0,
            expires_at: NEVER,
            newest_at: 0,
            newest_requests: 0,
            newest_tokens: 0,
            start: 0,
            // 30 days are the longest.
            window_ms: window_ms as u32,
            older_len: 0,
            older: Ring::new(with_tokens),
        }
    }

    fn newest(&self) -> Instant {
        Instant { at: self.newest_at, requests: self.newest_requests.into(), tokens: self.newest_tokens.into() }
    }

    #[inline(always)]
    fn window_ms(&self) -> u64 {
        self.window_ms.into()
    }

    /// What was kept elsewhere, the oldest first, with the time when the newest began.
    pub fn restored(window_ms: u64, with_tokens: bool, instants: impl Iterator<Item = Instant>, start: u64) -> Self {
        let mut log = Self::new(window_ms, with_tokens);
        for instant in instants {
            log.requests += instant.requests;
            log.tokens += instant.tokens;
            log.begin(instant);
        }
        log.start = start;
        log
    }

    /// All instants, the oldest first.
    pub fn instants(&self) -> impl Iterator<Item = Instant> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Requests and tokens in the window.
    pub fn taken(&self) -> (u64, u64) {
        (self.requests, self.tokens)
    }

    /// When the newest instant began.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// When something was last taken, also if that is out of the window.
    #[inline(always)]
    pub fn newest_at(&self) -> u64 {
        self.newest_at
    }

    pub fn is_empty(&self) -> bool {
        self.expires_at == NEVER
    }

    pub fn len(&self) -> usize {
        if self.is_empty() { 0 } else { self.older_len as usize + 1 }
    }

    fn get(&self, index: usize) -> Instant {
        if index < self.older_len as usize { self.older.get(index, self.newest_at) } else { self.newest() }
    }

    /// Forgets what is out of the window at `at`.
    #[inline(always)]
    pub fn prune(&mut self, at: u64) {
        if at >= self.expires_at && !self.is_empty() {
            self.forget(at);
        }
    }

    fn forget(&mut self, at: u64) {
        while self.older_len > 0 {
            let oldest = self.older.get(0, self.newest_at);
            if at - oldest.at < self.window_ms() {
                self.expires_at = oldest.at + self.window_ms();
                return;
            }
            self.requests -= oldest.requests;
            self.tokens -= oldest.tokens;
            self.older.pop();
            self.older_len -= 1;
        }
        self.expires_at = self.newest_at + self.window_ms();
        if at >= self.expires_at {
            (self.requests, self.tokens, self.expires_at) = (0, 0, NEVER);
        }
    }

    /// Counts a taking at `at`, which is not before the last one. Pruned before.
    #[inline(always)]
    pub fn add(&mut self, at: u64, requests: u64, tokens: u64) {
        self.requests += requests;
        self.tokens += tokens;
        let together = !self.is_empty() && (self.newest_at == at || self.may_merge(at));
        if together && self.newest().has_room_for(requests, tokens) {
            self.newest_at = at;
            self.newest_requests += requests as u32;
            self.newest_tokens += tokens as u32;
        } else {
            self.begin(Instant { at, requests, tokens });
        }
    }

    /// The same, if it may be counted with the newest instant and both sums stay within what is given. Whether it was.
    #[inline(always)]
    pub fn add_to_newest(&mut self, at: u64, requests: u64, tokens: u64, most_requests: u64, most_tokens: u64) -> bool {
        let together = at < self.expires_at && !self.is_empty() && (self.newest_at == at || self.may_merge(at));
        let fits = self.requests + requests <= most_requests && self.tokens + tokens <= most_tokens;
        if !together || !fits || !self.newest().has_room_for(requests, tokens) {
            return false;
        }
        self.requests += requests;
        self.tokens += tokens;
        self.newest_at = at;
        self.newest_requests += requests as u32;
        self.newest_tokens += tokens as u32;
        true
    }

    fn may_merge(&self, at: u64) -> bool {
        self.older_len as usize + 1 >= EXACT_INSTANTS && (at - self.start) * MERGES_PER_WINDOW < self.window_ms()
    }

    fn begin(&mut self, instant: Instant) {
        if self.is_empty() {
            self.expires_at = instant.at + self.window_ms();
        } else {
            self.older.push(self.newest());
            self.older_len += 1;
        }
        self.newest_at = instant.at;
        self.newest_requests = instant.requests as u32;
        self.newest_tokens = instant.tokens as u32;
        self.start = instant.at;
    }

    /// Adds `tokens`, which may be negative, to the instant that holds `since`, a time within the window.
    pub fn adjust(&mut self, since: u64, tokens: i64) {
        let Some(index) = (0..self.len()).find(|&index| self.get(index).at >= since) else {
            return;
        };
        let mut instant = self.get(index);
        if !holds(&instant, since, self.window_ms()) {
            return;
        }
        self.tokens = (self.tokens as i64 + instant.adjust(tokens)) as u64;
        if index < self.older_len as usize {
            self.older.set_tokens(index, instant.tokens);
        } else {
            self.newest_tokens = instant.tokens as u32;
        }
    }

    /// Time from `at` until so much of what `count` counts is out: `None` if there is not so much.
    pub fn wait_for(&self, amount: u64, at: u64, count: fn(&Instant) -> u64) -> Option<u64> {
        wait_for((0..self.len()).map(|index| self.get(index)), self.window_ms(), amount, at, count)
    }

    /// When nothing is counted any more.
    pub fn empty_at(&self) -> u64 {
        if self.is_empty() { 0 } else { self.newest_at + self.window_ms() }
    }
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
