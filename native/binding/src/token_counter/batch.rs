//! Batches: the calling thread reads texts in portions, and all cores count them while it reads on.

use crate::environment::Stop;
use crate::error::{Error, Result, from_core};
use crate::js_text::JsTexts;
use crate::token_counter::{count_each, vocabulary};
use fast_litellm_core::CoreError;
use napi::bindgen_prelude::{Object, Uint32Array, Uint32ArraySlice};
use napi::{Env, JsDeferred};
use napi_derive::napi;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A batch below this many units is counted by the calling thread alone: waking others costs more.
const ALONE_BELOW: u32 = 16 << 10;
/// Texts are handed to threads in portions of about this many units.
const PORTION: usize = 8 << 10;
/// Portions that wait before a calling thread that waits for the batch counts one itself.
const MOST_WAITING: usize = 64;
/// Buffers that are kept, and their size in units: fresh memory costs more than counting what is read into it.
const KEEP_BUFFERS: usize = 64;
const KEEP_UNITS: usize = 4 * PORTION;

static BUFFERS: Mutex<Vec<Vec<u16>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole texts, one behind the other: those of the batch from `first` to `end`.
struct Portion {
    units: Vec<u16>,
    len: usize,
    first: usize,
    end: usize,
}

impl Drop for Portion {
    fn drop(&mut self) {
        let mut buffers = lock(&BUFFERS);
        if self.units.len() <= KEEP_UNITS && buffers.len() < KEEP_BUFFERS {
            buffers.push(std::mem::take(&mut self.units));
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Portion>,
    /// Threads that take from it, beside the calling one.
    takers: usize,
}

type Resolve = Box<dyn FnOnce(Env) -> napi::Result<Uint32Array> + Send>;
type Deferred = JsDeferred<Uint32Array, Resolve>;

/// A batch while it is counted.
struct Batch {
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
    fn new(lengths: &[u32], encoding: u32, stop: Stop) -> Result<Self> {
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

    /// Reads all texts. Calls `start` for each further thread that is to take portions, `most_takers` at the most, and `ahead` when many wait.
    fn read(&self, strings: &JsTexts, most_takers: usize, start: impl Fn(), ahead: impl Fn() -> bool) -> Result<()> {
        let mut first = 0;
        let mut next = 0;
        while next < strings.len() {
            let mut portion = Portion { units: lock(&BUFFERS).pop().unwrap_or_default(), len: 0, first, end: first };
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
    fn count_next(&self) -> bool {
        let portion = lock(&self.queue).waiting.pop_front();
        portion.map(|portion| self.count(&portion)).is_some()
    }

    /// Counts portions until none waits: the work of a taker.
    fn take(&self) {
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

    fn counted(&self) -> Result<Vec<u32>> {
        if self.panicked.load(Ordering::Relaxed) {
            return Err(Error::new("PANIC", "a panic while counting a batch".to_owned()));
        }
        Ok(std::mem::take(&mut *lock(&self.counts)))
    }
}

/// Counts many texts on all cores; the calling thread takes part. Each of `strings` is a text, or several joined; `lengths` has the UTF-16 length of each text.
#[napi(catch_unwind, ts_args_type = "strings: readonly string[], lengths: Uint32Array, encoding: number")]
pub fn count_tokens_batch(strings: JsTexts, lengths: Uint32ArraySlice, encoding: u32) -> Result<Uint32Array> {
    let batch = Batch::new(&lengths, encoding, Stop::default())?;
    if lengths.iter().fold(0u32, |sum, length| sum.saturating_add(*length)) < ALONE_BELOW {
        batch.read(&strings, 0, || {}, || false)?;
        while batch.count_next() {}
        return Ok(batch.counted()?.into());
    }
    let threads = threads()?;
    threads.in_place_scope(|scope| {
        let start = || scope.spawn(|_| batch.take());
        batch.read(&strings, threads.current_num_threads() - 1, start, || batch.count_next())?;
        while batch.count_next() {}
        Ok::<(), Error>(())
    })?;
    Ok(batch.counted()?.into())
}

/// The same beside the calling thread, which only reads, and beside Node's own pool, which files and name look-ups need.
#[napi(
    catch_unwind,
    ts_args_type = "strings: readonly string[], lengths: Uint32Array, encoding: number",
    ts_return_type = "Promise<Uint32Array>"
)]
pub fn count_tokens_batch_async<'env>(env: &'env Env, strings: JsTexts, lengths: Uint32ArraySlice, encoding: u32) -> Result<Object<'env>> {
    let batch = Arc::new(Batch::new(&lengths, encoding, Stop::of(env)?)?);
    let threads = threads()?;
    let start = || {
        let batch = Arc::clone(&batch);
        threads.spawn(move || batch.take());
    };
    batch.read(&strings, threads.current_num_threads(), start, || false)?;
    let (deferred, promise) =
        env.create_deferred::<Uint32Array, Resolve>().map_err(|error| Error::new("PROMISE_UNAVAILABLE", error.reason.clone()))?;
    *lock(&batch.deferred) = Some(deferred);
    batch.finish_one();
    Ok(promise)
}

/// One thread a core, started by the first batch that needs them.
pub fn threads() -> Result<&'static rayon::ThreadPool> {
    static THREADS: OnceLock<std::result::Result<rayon::ThreadPool, String>> = OnceLock::new();
    THREADS
        .get_or_init(|| {
            let threads =
                rayon::ThreadPoolBuilder::new().thread_name(|i| format!("token-counter-{i}")).start_handler(|_| yield_to_others());
            threads.build().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|error| Error::new("THREADS_UNAVAILABLE", error.clone()))
}

/// On a machine without a core to spare, the event loop wakes beside these threads: a tenth of its weight each, and it need not wait for their turns to end.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    // SAFETY: on Linux this sets the calling thread alone. A refusal changes nothing but who waits.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}
