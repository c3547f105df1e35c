//! Frees memory of buffers at once, because the garbage collector frees it late.

use crate::lent_bytes::is_lent;
use napi::bindgen_prelude::ArrayBuffer;
use napi_derive::napi;

/// Frees the memory of an `ArrayBuffer`, which is empty afterwards. One that another thread reads
/// is left to the garbage collector.
#[napi(catch_unwind)]
pub fn free_memory(memory: ArrayBuffer) -> napi::Result<()> {
    if is_lent(&memory) { Ok(()) } else { memory.detach() }
}
