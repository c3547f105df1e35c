//! Batches: the calling thread reads texts in portions, and all cores count them while it reads on.

use super::portions::{MOST_WAITING, PORTION, Portion, Queue, lock};
use super::thread_buffers::{count_each, vocabulary};
use crate::environment::Stop;
use crate::error::{Error, Result, from_core};
use crate::js_text::JsTexts;
use fast_litellm_core::CoreError;
use napi::bindgen_prelude::Uint32Array;
use napi::{Env, JsDeferred};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub type Resolve = Box<dyn FnOnce(Env) -> napi::Result<Uint32Array> + Send>;
type Deferred = JsDeferred<Uint32Array, Resolve>;

/// A batch while it is counted.
pub struct Batch {
    lengths: Vec<u32>,
    vocabulary: usize,
    queue: Mutex<Queue>,
    counts: Mutex<Vec<u32>>,
    /// Portions not counted yet, and one more until all are read.
    left: AtomicUsize,
    panicked: AtomicBool,
    /// What is left is not counted then.
    stop: Stop,
    deferred: Mutex<Option<Deferred>>,
}

impl Batch {
    pub fn new(lengths: &[u32], encoding: u32, stop: Stop) -> Result<Self> {
        Ok(Self {
            vocabulary: vocabulary(encoding)?,
            lengths: lengths.to_vec(),
            queue: Mutex::default(),
            counts: Mutex::new(vec![0; lengths.len()]),
            left: AtomicUsize::new(1),
            panicked: AtomicBool::new(false),
            stop,
            deferred: Mutex::new(None),
        })
    }

    /// Reads all texts. Calls `start` for each further thread that is to take portions,
    /// `most_takers` at the most, and `ahead` when many wait.
    pub fn read(&self, strings: &JsTexts, most_takers: usize, start: impl Fn(), ahead: impl Fn() -> bool) -> Result<()> {
        let mut first = 0;
        let mut next = 0;
        while next < strings.len() {
            let mut portion = Portion::from(first);
            while portion.len < PORTION && next < strings.len() {
                self.read_one(&mut portion, strings, next)?;
                next += 1;
            }
            first = portion.end;
            self.left.fetch_add(1, Ordering::Relaxed);
            let mut queue = lock(&self.queue);
            queue.waiting.push_back(portion);
            let is_ahead = queue.waiting.len() > MOST_WAITING;
            let wanted = queue.takers < most_takers;
            queue.takers += usize::from(wanted);
            drop(queue);
            if wanted {
                start();
            } else if is_ahead {
                ahead();
            }
        }
        if first == self.lengths.len() { Ok(()) } else { Err(self.wrong_lengths(0)) }
    }

    /// Reads a string, which holds whole texts.
    fn read_one(&self, portion: &mut Portion, strings: &JsTexts, index: usize) -> Result<()> {
        let start = portion.len;
        portion.len = strings.get(index)?.read_behind(&mut portion.units, start)?;
        let expected = portion.len - start;
        let mut got = 0;
        while let Some(length) = self.lengths.get(portion.end).filter(|length| got < expected || **length == 0) {
            got += *length as usize;
            portion.end += 1;
        }
        if got == expected { Ok(()) } else { Err(self.wrong_lengths(expected)) }
    }

    fn wrong_lengths(&self, expected: usize) -> Error {
        from_core(&CoreError::BatchLengths { expected, got: self.lengths.iter().map(|length| *length as usize).sum() })
    }

    /// Counts a portion, if one waits.
    pub fn count_next(&self) -> bool {
        let portion = lock(&self.queue).waiting.pop_front();
        portion.map(|portion| self.count(&portion)).is_some()
    }

    /// Counts portions until none waits: the work of a taker.
    pub fn take(&self) {
        loop {
            let mut queue = lock(&self.queue);
            let Some(portion) = queue.waiting.pop_front() else {
                queue.takers -= 1;
                return;
            };
            drop(queue);
            self.count(&portion);
        }
    }

    fn count(&self, portion: &Portion) {
        let Portion { units, len, first, end } = portion;
        if self.stop.is_set() {
            return self.finish_one();
        }
        let count = || count_each(&units[..*len], &self.lengths[*first..*end], self.vocabulary, &self.stop);
        match catch_unwind(AssertUnwindSafe(count)) {
            _ if self.stop.is_set() => {}
            Ok(found) => lock(&self.counts)[*first..*end].copy_from_slice(&found),
            Err(_) => self.panicked.store(true, Ordering::Relaxed),
        }
        self.finish_one();
    }

    /// Resolves with the counts once all portions are counted. All have to be read.
    pub fn resolve_by(&self, deferred: Deferred) {
        *lock(&self.deferred) = Some(deferred);
        self.finish_one();
    }

    fn finish_one(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if let Some(deferred) = lock(&self.deferred).take() {
            match self.counted() {
                Ok(counts) => deferred.resolve(Box::new(move |_| Ok(counts.into()))),
                Err(error) => deferred.reject(napi::Error::from_reason(error.reason.clone())),
            }
        }
    }

    pub fn counted(&self) -> Result<Vec<u32>> {
        if self.panicked.load(Ordering::Relaxed) {
            return Err(Error::new("PANIC", "a panic while counting a batch".to_owned()));
        }
        Ok(std::mem::take(&mut *lock(&self.counts)))
    }
}
