//! Frees memory of buffers at once, because the garbage collector frees it late.

use napi::bindgen_prelude::ArrayBuffer;
use napi_derive::napi;

/// Frees the memory of an `ArrayBuffer`, which is empty afterwards.
#[napi(catch_unwind)]
pub fn free_memory(memory: ArrayBuffer) -> napi::Result<()> {
    memory.detach()
}
