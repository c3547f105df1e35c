//! Texts as they stand in a JSON body, counted from its bytes.

use super::thread_buffers::{vocabulary, with_json_counter};
use crate::environment::Stop;
use crate::error::{Error, Failure, Result};
use crate::lent_bytes::LentBytes;
use crate::threads::threads;
use fast_litellm_core::token_counter::{CountMemory, JsonTexts, TextCount};
use napi::bindgen_prelude::{Object, Uint8Array, Uint8ArraySlice, Uint32Array, Uint32ArraySlice};
use napi::{Env, JsDeferred};
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// So many unknown bytes are counted by the calling thread: 30 us, where another takes as long to
/// wake.
const AT_ONCE: usize = 32 << 10;

/// Texts that stand in bytes between the places `texts`.
#[napi(object, object_to_js = false)]
pub struct JsonSlices {
    pub bytes: Uint8Array,
    pub texts: Uint32Array,
    /// Whether nothing else reads or writes the bytes until the count has ended.
    pub is_own: bool,
}

type Resolve = Box<dyn FnOnce(Env) -> napi::Result<Uint32Array> + Send>;

/// Counts texts that stand in `bytes` between the places `texts`, as JSON strings do between their
/// quotes. Writes tokens, then UTF-16 units, into the two halves of `counts`, and returns how many
/// texts were counted: not all of them if there are more than `limit` tokens.
#[napi(catch_unwind, ts_args_type = "bytes: Uint8Array, texts: Uint32Array, encoding: number, limit: number, counts: Uint32Array")]
pub fn count_slices(
    bytes: Uint8ArraySlice,
    texts: Uint32ArraySlice,
    encoding: u32,
    limit: u32,
    mut counts: Uint32ArraySlice,
) -> Result<u32> {
    let texts = recall(&bytes, &texts, encoding)?;
    // SAFETY: nothing else runs on the JavaScript thread during this call.
    count_now(&texts, &bytes, limit, unsafe { counts.as_mut() })
}

/// The same on another thread if that is worth it: then the promise has tokens and units of those
/// that were counted; otherwise a number is returned. Bytes that are the caller's own are read
/// where they are, of others the texts to count are copied.
#[napi(
    catch_unwind,
    ts_args_type = "slices: JsonSlices, encoding: number, limit: number, counts: Uint32Array",
    ts_return_type = "number | Promise<Uint32Array>"
)]
pub fn count_slices_async<'env>(
    env: &'env Env,
    slices: JsonSlices,
    encoding: u32,
    limit: u32,
    mut counts: Uint32ArraySlice,
) -> Result<napi::Either<u32, Object<'env>>> {
    let JsonSlices { bytes, texts, is_own } = slices;
    let mut texts = recall(&bytes, &texts, encoding)?;
    if texts.unknown_bytes() <= AT_ONCE {
        // SAFETY: as above.
        return Ok(napi::Either::A(count_now(&texts, &bytes, limit, unsafe { counts.as_mut() })?));
    }
    let bytes = if is_own { LentBytes::of(bytes, true) } else { LentBytes::Copied(texts.copy_unknown(&bytes)) };
    let stop = Stop::of(env)?;
    let threads = threads()?;
    let (deferred, promise): (JsDeferred<Uint32Array, Resolve>, _) =
        env.create_deferred().map_err(|error| Error::new("PROMISE_UNAVAILABLE", error.reason.clone()))?;
    threads.spawn(move || {
        let counted = catch_unwind(AssertUnwindSafe(|| bytes.read(&stop, |bytes| count(&texts, bytes, limit, Some(&stop)))));
        match counted {
            Ok(Some(counts)) => deferred.resolve(Box::new(move |_| {
                drop(bytes);
                let (tokens, units) = (counts.iter().map(|count| count.tokens), counts.iter().map(|count| count.units));
                Ok(tokens.chain(units).collect::<Vec<u32>>().into())
            })),
            Ok(None) => deferred.reject(napi::Error::from_reason("the thread has ended")),
            Err(_) => deferred.reject(napi::Error::from_reason("a panic while counting texts")),
        }
    });
    Ok(napi::Either::B(promise))
}

fn recall(bytes: &[u8], places: &[u32], encoding: u32) -> Result<JsonTexts> {
    let texts = JsonTexts::recall(bytes, places, vocabulary(encoding)?, CountMemory::shared());
    texts.ok_or_else(|| Error::new("INVALID_ARGUMENT", "texts: must be places in bytes".to_owned()))
}

fn count_now(texts: &JsonTexts, bytes: &[u8], limit: u32, counts: &mut [u32]) -> Result<u32> {
    if counts.len() != 2 * texts.len() {
        return Err(Failure::NotAnArray.into());
    }
    let (tokens, units) = counts.split_at_mut(texts.len());
    let found = count(texts, bytes, limit, None);
    for (index, count) in found.iter().enumerate() {
        (tokens[index], units[index]) = (count.tokens, count.units);
    }
    Ok(found.len() as u32)
}

fn count(texts: &JsonTexts, bytes: &[u8], limit: u32, stop: Option<&Stop>) -> Vec<TextCount> {
    let mut found = Vec::with_capacity(texts.len());
    with_json_counter(texts.vocabulary(), stop, |mut counter| {
        texts.count(bytes, limit, CountMemory::shared(), &mut counter, |count| found.push(count));
    });
    found
}
