//! Memory of the whole process, as an `ArrayBuffer` for the thread that asks.

use crate::error::{Result, from_core};
use fast_litellm_core::shared_memory::Region;
use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{ValueType, sys};
use napi_derive::napi;
use std::ptr;

/// A region on its way to JavaScript.
pub struct External(Region);

/// Zeroed memory by name, the same in every thread of the process, which outlives them all. A name
/// keeps its size.
#[napi(catch_unwind, ts_return_type = "ArrayBuffer")]
pub fn shared_memory(name: String, bytes: u32) -> Result<External> {
    Region::named(&name, bytes as usize).map(External).map_err(|error| from_core(&error))
}

impl TypeName for External {
    fn type_name() -> &'static str {
        "ArrayBuffer"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for External {
    unsafe fn to_napi_value(env: sys::napi_env, External(region): Self) -> napi::Result<sys::napi_value> {
        let mut buffer = ptr::null_mut();
        // SAFETY: the environment is the caller's; the memory outlives it, so there is nothing to
        // finalize.
        let status = unsafe {
            sys::napi_create_external_arraybuffer(env, region.start().cast(), region.bytes(), None, ptr::null_mut(), &raw mut buffer)
        };
        match status {
            sys::Status::napi_ok => Ok(buffer),
            // Electron, for one, allows none: the caller goes on with the TypeScript engine.
            failed => Err(napi::Error::new(napi::Status::from(failed), "this runtime takes no memory of the addon's")),
        }
    }
}
