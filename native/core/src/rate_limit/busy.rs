//! What was taken under a key, where it is more than a slot holds.

use super::log::Log;
use super::policy::{Code, Policy};
use super::state::Bucket;
use smallvec::SmallVec;
use std::iter;

/// A log for each window of the key, and a bucket. A decision under one window reads the first cache line alone.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Busy {
    /// The key's.
    pub hash: u64,
    /// Stays empty where there is no window.
    pub first: Log,
    /// Of more windows than one.
    others: Option<Box<SmallVec<[Log; 1]>>>,
    /// Of a key with a bucket.
    bucket: Option<Box<Bucket>>,
}

impl Busy {
    pub fn new(policy: &Policy) -> Self {
        let logs = policy.windows().iter().map(|window| Log::new(window.length_ms, window.code == Code::Minute));
        Self::of(policy.has_bucket.then(|| Bucket::full(policy)), logs)
    }

    pub fn of(bucket: Option<Bucket>, mut logs: impl Iterator<Item = Log>) -> Self {
        let first = logs.next().unwrap_or_else(|| Log::new(0, false));
        let others: SmallVec<_> = logs.collect();
        Self { hash: 0, first, others: (!others.is_empty()).then(|| Box::new(others)), bucket: bucket.map(Box::new) }
    }

    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        iter::once(&self.first).chain(self.others())
    }

    fn logs_mut(&mut self) -> impl Iterator<Item = &mut Log> {
        iter::once(&mut self.first).chain(self.others.iter_mut().flat_map(|others| others.iter_mut()))
    }

    fn others(&self) -> &[Log] {
        self.others.as_deref().map_or(&[], |others| others)
    }

    pub fn bucket(&self) -> Bucket {
        self.bucket.as_deref().copied().unwrap_or_default()
    }

    /// The log of the window with this index.
    pub fn log(&self, window: usize) -> &Log {
        if window == 0 { &self.first } else { &self.others()[window - 1] }
    }

    pub fn prune(&mut self, at: u64) {
        self.logs_mut().for_each(|log| log.prune(at));
    }

    /// From when on it tells no more than a key never seen, unless a request is under way.
    pub fn idle_at(&self) -> u64 {
        self.logs().map(Log::empty_at).fold(self.bucket().full_at, u64::max)
    }

    pub fn take(&mut self, policy: &Policy, cost: u64, tokens: u64, at: u64) {
        if policy.has_bucket {
            self.bucket.get_or_insert_default().take(policy, at, cost);
        }
        for (window, log) in policy.windows().iter().zip(self.logs_mut()) {
            if policy.is_logged(window, cost, tokens) {
                log.add(at, cost, if window.code == Code::Minute { tokens } else { 0 });
            }
        }
    }
}

const _: () = assert!(std::mem::offset_of!(Busy, first) + super::log::HOT_BYTES <= 64);
const _: () = assert!(size_of::<Busy>() <= 128);
