//! A string argument that is copied once, into a buffer that is there already.
//!
//! One UTF-16 copy costs the same for every kind of string and, narrowed here, beats asking for
//! UTF-8 wherever the text is not all ASCII; asking for the length first would cost a second call.

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
        self.read_behind(units, 0)
    }

    /// The same, leaving the first `start` units as they are; returns where the string ends.
    #[inline(always)]
    pub fn read_behind(self, units: &mut Vec<u16>, start: usize) -> Checked<usize> {
        if units.is_empty() {
            units.resize(USUAL, 0);
        }
        let end = start + self.copy(&mut units[start..])?;
        // A full buffer may hold but a part.
        if end + 1 < units.len() { Ok(end) } else { self.read_long(units, start) }
    }

    #[cold]
    fn read_long(self, units: &mut Vec<u16>, start: usize) -> Checked<usize> {
        let mut len = 0;
        // SAFETY: a null buffer asks for the length.
        let status = unsafe { sys::napi_get_value_string_utf16(self.env, self.value, ptr::null_mut(), 0, &raw mut len) };
        check(status)?;
        units.resize((start + len + 2).next_power_of_two(), 0);
        Ok(start + self.copy(&mut units[start..])?)
    }

    #[inline(always)]
    fn copy(self, units: &mut [u16]) -> Checked<usize> {
        let mut len = 0;
        // SAFETY: the value is alive as long as the call it is an argument of, and the buffer's
        // length is given.
        let status = unsafe { sys::napi_get_value_string_utf16(self.env, self.value, units.as_mut_ptr(), units.len(), &raw mut len) };
        check(status)?;
        Ok(len)
    }
}

fn check(status: sys::napi_status) -> Checked<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Failure::NotAString) }
}

/// An array of JavaScript strings, not yet read.
pub struct JsTexts {
    env: sys::napi_env,
    array: sys::napi_value,
    len: u32,
}

impl TypeName for JsTexts {
    fn type_name() -> &'static str {
        "string[]"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for JsTexts {}

impl FromNapiValue for JsTexts {
    unsafe fn from_napi_value(env: sys::napi_env, array: sys::napi_value) -> napi::Result<Self> {
        let mut len = 0;
        // SAFETY: the caller's.
        let status = unsafe { sys::napi_get_array_length(env, array, &raw mut len) };
        if status != sys::Status::napi_ok {
            return Err(napi::Error::new(napi::Status::from(status), "must be an array"));
        }
        Ok(Self { env, array, len })
    }
}

impl JsTexts {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Checked<JsText> {
        let mut value = ptr::null_mut();
        // SAFETY: the array is alive as long as the call it is an argument of.
        let status = unsafe { sys::napi_get_element(self.env, self.array, index as u32, &raw mut value) };
        check(status)?;
        Ok(JsText::new(self.env, value))
    }
}
