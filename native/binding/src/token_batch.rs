//! Batches: texts joined into one string cross the border once and are counted by all cores.

use crate::error::{Error, Result, from_core};
use crate::js_text::JsText;
use crate::token_counter::{count_each, vocabulary};
use fast_litellm_core::CoreError;
use napi::Env;
use napi::bindgen_prelude::{Object, Uint32Array, Uint32ArraySlice};
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A batch below this many units is counted by one thread: waking others costs more.
const ALONE_BELOW: usize = 16 << 10;
/// Texts are handed to threads in portions of about this many units.
const PORTION: usize = 8 << 10;
/// Buffers above this many units are not kept.
const KEEP_UNITS: usize = 1 << 20;
/// Buffers that are kept at the most: fresh memory costs more than counting what is read into it.
const KEEP_BUFFERS: usize = 8;

static BUFFERS: Mutex<Vec<Vec<u16>>> = Mutex::new(Vec::new());

/// Texts on their way to the threads.
struct Batch {
    units: Vec<u16>,
    len: usize,
    lengths: Vec<u32>,
    vocabulary: usize,
}

impl Batch {
    fn read(joined: JsText, lengths: &[u32], encoding: u32) -> Result<Self> {
        let vocabulary = vocabulary(encoding)?;
        let mut units = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let len = joined.read(&mut units)?;
        let batch = Self { units, len, lengths: lengths.to_vec(), vocabulary };
        let got = batch.lengths.iter().map(|length| *length as usize).sum();
        if got == len { Ok(batch) } else { Err(from_core(&CoreError::BatchLengths { expected: len, got })) }
    }

    /// Counts in portions, which this thread and those of the pool take one after the other.
    fn count(&self) -> Result<Vec<u32>> {
        let units = &self.units[..self.len];
        if self.len < ALONE_BELOW {
            return Ok(count_each(units, &self.lengths, self.vocabulary));
        }
        let portions = self.portions();
        let counts: Vec<OnceLock<Vec<u32>>> = portions.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((units, lengths)) = portions.get(at) else { return };
                let _ = counts[at].set(count_each(units, lengths, self.vocabulary));
            }
        };
        let threads = threads()?;
        threads.in_place_scope(|scope| {
            for _ in 1..threads.current_num_threads().min(portions.len()) {
                scope.spawn(|_| work());
            }
            work();
        });
        Ok(counts.into_iter().filter_map(OnceLock::into_inner).flatten().collect())
    }

    fn portions(&self) -> Vec<(&[u16], &[u32])> {
        let mut portions = Vec::with_capacity(self.len / PORTION + 1);
        let (mut first, mut start, mut size) = (0, 0, 0);
        for (i, length) in self.lengths.iter().enumerate() {
            size += *length as usize;
            if size >= PORTION || i + 1 == self.lengths.len() {
                portions.push((&self.units[start..start + size], &self.lengths[first..=i]));
                (first, start, size) = (i + 1, start + size, 0);
            }
        }
        portions
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut buffers = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        if self.units.len() <= KEEP_UNITS && buffers.len() < KEEP_BUFFERS {
            buffers.push(std::mem::take(&mut self.units));
        }
    }
}

/// Counts many texts on all cores; the calling thread waits. `joined` is all texts, `lengths` the UTF-16 length of each.
#[napi(catch_unwind, ts_args_type = "joined: string, lengths: Uint32Array, encoding: number")]
pub fn count_tokens_batch(joined: JsText, lengths: Uint32ArraySlice, encoding: u32) -> Result<Uint32Array> {
    Ok(Batch::read(joined, &lengths, encoding)?.count()?.into())
}

type Resolve = Box<dyn FnOnce(Env) -> napi::Result<Uint32Array> + Send>;

/// The same beside the calling thread, and beside Node's own pool, which files and name look-ups need.
#[napi(catch_unwind, ts_args_type = "joined: string, lengths: Uint32Array, encoding: number", ts_return_type = "Promise<Uint32Array>")]
pub fn count_tokens_batch_async<'env>(env: &'env Env, joined: JsText, lengths: Uint32ArraySlice, encoding: u32) -> Result<Object<'env>> {
    let batch = Batch::read(joined, &lengths, encoding)?;
    let threads = threads()?;
    let (deferred, promise) =
        env.create_deferred::<Uint32Array, Resolve>().map_err(|error| Error::new("PROMISE_UNAVAILABLE", error.reason.clone()))?;
    threads.spawn(move || {
        let counted = catch_unwind(AssertUnwindSafe(|| batch.count()));
        drop(batch);
        match counted {
            Ok(Ok(counts)) => deferred.resolve(Box::new(move |_| Ok(counts.into()))),
            Ok(Err(error)) => deferred.reject(napi::Error::from_reason(error.reason.clone())),
            Err(_) => deferred.reject(napi::Error::from_reason("a panic while counting a batch")),
        }
    });
    Ok(promise)
}

/// One thread a core, started by the first batch that needs them.
fn threads() -> Result<&'static rayon::ThreadPool> {
    static THREADS: OnceLock<std::result::Result<rayon::ThreadPool, String>> = OnceLock::new();
    THREADS
        .get_or_init(|| {
            let threads = rayon::ThreadPoolBuilder::new().thread_name(|i| format!("token-counter-{i}"));
            threads.build().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|error| Error::new("THREADS_UNAVAILABLE", error.clone()))
}
