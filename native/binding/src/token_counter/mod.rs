//! Counts, encodes and decodes a text at a time.

mod batch;
mod count_batch;
mod json_texts;
mod long_count;
mod portions;
mod thread_buffers;
mod tokenizers;

use crate::error::{Checked, Failure, Result, from_core};
use crate::js_text::JsText;
use fast_litellm_core::token_counter;
use napi::bindgen_prelude::{Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use thread_buffers::{vocabulary, with_text};

/// `countTokensUpTo`.
#[inline(always)]
pub fn count(text: JsText, handle: impl FnOnce() -> Checked<u32>, limit: u32) -> Checked<u32> {
    with_text(text, handle, |encoding, cache, text, _| encoding.count_utf16(cache, text.text, text.units, text.len, limit))
}

/// `prefixLength`.
#[inline(always)]
pub fn prefix(text: JsText, handle: impl FnOnce() -> Checked<u32>, max_tokens: u32) -> Checked<u32> {
    with_text(text, handle, |encoding, cache, text, ids| encoding.prefix_len(cache, text.narrowed(), max_tokens as usize, ids) as u32)
}

/// The handle of an encoding, whose tables are built at the first call of the process. Throws
/// `UNKNOWN_ENCODING`.
#[napi(catch_unwind)]
pub fn load_encoding(name: String) -> Result<u32> {
    let handle = token_counter::handle_of(&name).ok_or(Failure::UnknownEncoding)?;
    token_counter::encoding(vocabulary(handle as u32)?);
    Ok(handle as u32)
}

/// Number of tokens of `text`.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number")]
pub fn count_tokens(text: JsText, encoding: u32) -> Result<u32> {
    Ok(count(text, || Ok(encoding), u32::MAX)?)
}

/// Like `countTokens`, but stops once more than `limit` are certain and then returns some number
/// above it.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number, limit: number")]
pub fn count_tokens_up_to(text: JsText, encoding: u32, limit: u32) -> Result<u32> {
    Ok(count(text, || Ok(encoding), limit)?)
}

/// Writes the ids of `text` into `ids`, as many as fit, and returns how many there are.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number, ids: Uint32Array")]
pub fn encode(text: JsText, encoding: u32, mut ids: Uint32ArraySlice) -> Result<u32> {
    let count = with_text(
        text,
        || Ok(encoding),
        |encoding, cache, text, found| {
            found.clear();
            encoding.encode(cache, text.narrowed(), usize::MAX, found);
            // SAFETY: nothing else runs on the JavaScript thread during this call.
            let target = unsafe { ids.as_mut() };
            let fitting = found.len().min(target.len());
            target[..fitting].copy_from_slice(&found[..fitting]);
            found.len() as u32
        },
    )?;
    Ok(count)
}

/// Writes the bytes of `ids`, which may not hold special tokens, to the start of `bytes`, if all
/// fit, and returns how many they are. Throws `UNKNOWN_TOKEN`.
#[napi(catch_unwind, ts_args_type = "ids: Uint32Array, encoding: number, bytes: Uint8Array")]
pub fn decode(ids: Uint32ArraySlice, encoding: u32, mut bytes: Uint8ArraySlice) -> Result<f64> {
    let encoding = token_counter::encoding(vocabulary(encoding)?);
    // SAFETY: nothing else runs on the JavaScript thread during this call.
    let len = encoding.decode(&ids, unsafe { bytes.as_mut() }).map_err(|error| from_core(&error))?;
    Ok(len as f64)
}

/// Length in UTF-16 units of the first `maxTokens` tokens of `text`, without a character cut in
/// half at the end.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number, maxTokens: number")]
pub fn prefix_length(text: JsText, encoding: u32, max_tokens: u32) -> Result<u32> {
    Ok(prefix(text, || Ok(encoding), max_tokens)?)
}
