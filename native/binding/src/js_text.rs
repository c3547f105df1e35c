//! A string argument that is copied once, into a buffer that is there already.
//!
//! One UTF-16 copy costs the same for every kind of string and, narrowed here, beats asking for UTF-8 wherever the text is not all ASCII;
//! asking for the length first would cost a second call.

use crate::error::{Checked, Failure};
use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{ValueType, sys};
use std::ptr;

/// A JavaScript string, not yet read.
#[derive(Clone, Copy)]
pub struct JsText {
    env: sys::napi_env,
    value: sys::napi_value,
}

impl JsText {
    /// An argument of the call that is running.
    #[inline(always)]
    pub fn new(env: sys::napi_env, value: sys::napi_value) -> Self {
        Self { env, value }
    }
}

impl TypeName for JsText {
    fn type_name() -> &'static str {
        "string"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ValidateNapiValue for JsText {}

impl FromNapiValue for JsText {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Self::new(env, value))
    }
}

/// Units that most texts fit into: 64 KB.
const USUAL: usize = 1 << 15;

impl JsText {
    /// Copies the string into `units`, which only ever grows, and returns how many units it has.
    #[inline(always)]
    pub fn read(self, units: &mut Vec<u16>) -> Checked<usize> {
        if units.is_empty() {
            units.resize(USUAL, 0);
        }
        let len = self.copy(units)?;
        // A full buffer may hold but a part.
        if len + 1 < units.len() { Ok(len) } else { self.read_long(units) }
    }

    #[cold]
    fn read_long(self, units: &mut Vec<u16>) -> Checked<usize> {
        let mut len = 0;
        // SAFETY: a null buffer asks for the length.
        let status = unsafe { sys::napi_get_value_string_utf16(self.env, self.value, ptr::null_mut(), 0, &raw mut len) };
        check(status)?;
        units.resize((len + 2).next_power_of_two(), 0);
        self.copy(units)
    }

    #[inline(always)]
    fn copy(self, units: &mut [u16]) -> Checked<usize> {
        let mut len = 0;
        // SAFETY: the value is alive as long as the call it is an argument of, and the buffer's length is given.
        let status = unsafe { sys::napi_get_value_string_utf16(self.env, self.value, units.as_mut_ptr(), units.len(), &raw mut len) };
        check(status)?;
        Ok(len)
    }
}

fn check(status: sys::napi_status) -> Checked<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Failure::NotAString) }
}
