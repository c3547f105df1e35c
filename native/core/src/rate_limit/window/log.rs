//! What was taken within one sliding window: a queue of instants, each counted until a window's
//! length after its last taking.

use super::instant::{Instant, MERGES_PER_WINDOW, wait_for};
use super::ring::Ring;

/// Up to so many instants are kept one by one; with more, those within a 60th of the window are
/// merged. So there are 64 at most.
pub const EXACT_INSTANTS: usize = 4;

/// The log of a busy key.
#[derive(Debug)]
pub struct Log {
    requests: u64,
    tokens: u64,
    /// When the oldest instant is out of the window; never, if there is none.
    expires_at: u64,
    newest: Option<Instant>,
    /// When the newest instant began.
    start: u64,
    window_ms: u64,
    /// Those before the newest, less than a window older than it.
    older: Ring,
}

const NEVER: u64 = u64::MAX;

impl Log {
    pub fn new(window_ms: u64, with_tokens: bool) -> Self {
        Self { requests: 0, tokens: 0, expires_at: NEVER, newest: None, start: 0, window_ms, older: Ring::new(with_tokens) }
    }

    /// Requests and tokens in the window.
    pub fn taken(&self) -> (u64, u64) {
        (self.requests, self.tokens)
    }

    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    pub fn len(&self) -> usize {
        self.older.len() + usize::from(!self.is_empty())
    }

    /// All instants, the oldest first.
    fn instants(&self) -> impl Iterator<Item = Instant> {
        let newest = self.newest;
        let older = (0..self.older.len()).filter_map(move |index| Some(self.older.get(index, newest?.at)));
        older.chain(newest)
    }

    /// Forgets what is out of the window at `at`.
    #[inline(always)]
    pub fn prune(&mut self, at: u64) {
        while at >= self.expires_at && !self.is_empty() {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.instants().next() else {
            return;
        };
        self.requests -= oldest.requests;
        self.tokens -= oldest.tokens;
        if self.older.len() > 0 {
            self.older.pop();
        } else {
            self.newest = None;
        }
        let oldest = self.instants().next();
        self.expires_at = oldest.map_or(NEVER, |oldest| oldest.at + self.window_ms);
    }

    /// Counts a taking at `at`, which is not before the last one. Pruned before.
    pub fn add(&mut self, at: u64, requests: u64, tokens: u64) {
        self.requests += requests;
        self.tokens += tokens;
        let may_merge = self.len() >= EXACT_INSTANTS && (at - self.start) * MERGES_PER_WINDOW < self.window_ms;
        match &mut self.newest {
            Some(newest) if (newest.at == at || may_merge) && newest.has_room_for(requests, tokens) => newest.add(at, requests, tokens),
            newest => {
                match newest.replace(Instant { at, requests, tokens }) {
                    Some(before) => self.older.push(before),
                    None => self.expires_at = at + self.window_ms,
                }
                self.start = at;
            }
        }
    }

    /// Adds `tokens`, which may be negative, to the instant that counts `since`, a time within the
    /// window.
    pub fn adjust(&mut self, since: u64, tokens: i64) {
        let Some((index, mut instant)) = self.instants().enumerate().find(|(_, instant)| instant.at >= since) else {
            return;
        };
        if !instant.counts(since, self.window_ms) {
            return;
        }
        self.tokens = (self.tokens as i64 + instant.adjust(tokens)) as u64;
        if index < self.older.len() {
            self.older.set_tokens(index, instant.tokens);
        } else {
            self.newest = Some(instant);
        }
    }

    /// Time from `at` until so much of what `count` counts is out: `None` if there is not so much.
    pub fn wait_for(&self, amount: u64, at: u64, count: fn(&Instant) -> u64) -> Option<u64> {
        wait_for(self.instants(), self.window_ms, amount, at, count)
    }

    /// When nothing is counted any more.
    pub fn empty_at(&self) -> u64 {
        self.newest.map_or(0, |newest| newest.at + self.window_ms)
    }
}
