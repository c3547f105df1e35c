//! The addon: converts between Node-API and the core, and nothing else.
//!
//! Every function catches panics, which reach JavaScript as errors: nothing that goes wrong here
//! ends the process.

mod connection_pool;
mod environment;
mod error;
mod freed_memory;
mod js_text;
mod json_body;
mod lent_bytes;
mod rate_limit;
mod raw_napi;
mod router;
mod shared_memory;
mod shared_words;
mod threads;
mod token_counter;

use napi::bindgen_prelude::Object;
use napi::{Env, JsValue};
use napi_derive::napi;

/// The addon's version, which is the package's.
#[napi]
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Panics inside Rust, for the tests of what happens then. Throws, like every panic.
#[napi(catch_unwind)]
#[allow(clippy::panic, reason = "it is what this is for")]
pub fn panic_for_tests() -> u32 {
    panic!("a panic that was asked for");
}

/// Puts the callbacks without napi-rs in the place of the generated ones.
#[napi(module_exports)]
pub fn exports(exports: Object, env: Env) -> napi::Result<()> {
    // SAFETY: both are this registration's own.
    unsafe {
        raw_napi::export(env.raw(), exports.raw(), raw_napi::CALLBACKS.into_iter().chain(rate_limit::CALLBACKS).chain(json_body::CALLBACKS))
    }
}
