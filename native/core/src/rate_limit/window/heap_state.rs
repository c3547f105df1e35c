//! What was taken under a key, where it is more than a slot holds.

use super::bucket::Bucket;
use super::log::Log;
use crate::rate_limit::policy::{Ask, Code, Policy};
use smallvec::SmallVec;

/// A log for each window of the key, and a bucket.
#[derive(Debug)]
pub struct HeapState {
    logs: SmallVec<[Log; 1]>,
    bucket: Option<Bucket>,
}

impl HeapState {
    pub fn new(policy: &Policy) -> Self {
        Self {
            logs: policy.windows.iter().map(|window| Log::new(window.length_ms, window.code == Code::Minute)).collect(),
            bucket: policy.has_bucket.then(|| Bucket::full(policy)),
        }
    }

    pub fn of(bucket: Option<Bucket>, log: Option<Log>) -> Self {
        Self { logs: log.into_iter().collect(), bucket }
    }

    pub fn bucket(&self) -> Bucket {
        self.bucket.unwrap_or_default()
    }

    /// The log of the window with this index.
    pub fn log(&self, window: usize) -> &Log {
        &self.logs[window]
    }

    pub fn prune(&mut self, at: u64) {
        self.logs.iter_mut().for_each(|log| log.prune(at));
    }

    pub fn is_empty(&self) -> bool {
        self.bucket.is_none() && self.logs.iter().all(Log::is_empty)
    }

    /// From when on it tells no more than a key never seen, unless a request is in flight.
    pub fn idle_at(&self) -> u64 {
        self.logs.iter().map(Log::empty_at).fold(self.bucket().full_at, u64::max)
    }

    pub fn take(&mut self, policy: &Policy, ask: Ask, at: u64) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(policy, at, ask.cost);
        }
        for (window, log) in policy.windows.iter().zip(&mut self.logs) {
            if policy.is_logged(window, ask) {
                log.add(at, ask.cost, policy.tokens_in(window, ask));
            }
        }
    }

    /// Adds `tokens`, which may be negative, to what was taken at `since` in the minute.
    pub fn adjust(&mut self, since: u64, tokens: i64) {
        if let Some(log) = self.logs.first_mut() {
            log.adjust(since, tokens);
        }
    }
}
