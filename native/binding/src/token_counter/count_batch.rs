//! Batches, as JavaScript asks for them.

use super::batch::{Batch, Resolve};
use crate::environment::Stop;
use crate::error::{Error, Result};
use crate::js_text::JsTexts;
use crate::threads::threads;
use napi::Env;
use napi::bindgen_prelude::{Object, Uint32Array, Uint32ArraySlice};
use napi_derive::napi;
use std::sync::Arc;

/// A batch below this many units is counted by the calling thread alone: waking others costs more.
const ALONE_BELOW: u32 = 16 << 10;

/// Counts many texts on all cores; the calling thread takes part. Each of `strings` is a text, or
/// several joined; `lengths` has the UTF-16 length of each text.
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

/// The same beside the calling thread, which only reads, and beside Node's own pool, which files
/// and name look-ups need.
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
    batch.resolve_by(deferred);
    Ok(promise)
}
