//! Arrays of JavaScript over memory that other threads write to at any time.

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Status, ValueType, sys};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64};

/// An atomic of the size and alignment of a typed array's elements.
pub trait Word {
    const ARRAY: sys::napi_typedarray_type;
    const NAME: &'static str;
}

impl Word for AtomicI32 {
    const ARRAY: sys::napi_typedarray_type = sys::TypedarrayType::int32_array;
    const NAME: &'static str = "Int32Array";
}

impl Word for AtomicU64 {
    const ARRAY: sys::napi_typedarray_type = sys::TypedarrayType::float64_array;
    const NAME: &'static str = "Float64Array";
}

/// A typed array argument. Not one of napi's slices: these are borrowed as plain numbers, and other
/// threads may write to this array meanwhile.
pub struct SharedWords<A> {
    data: *const A,
    length: usize,
}

impl<A> SharedWords<A> {
    pub fn words(&self) -> &[A] {
        // SAFETY: the array is an argument of the current call, so its memory stays valid; it is
        // aligned to its elements, and atomics allow other writers.
        unsafe { std::slice::from_raw_parts(self.data, self.length) }
    }
}

impl<A: Word> FromNapiValue for SharedWords<A> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: env and value belong to the current call; unused outputs may be null.
        let status = unsafe {
            sys::napi_get_typedarray_info(env, value, &raw mut kind, &raw mut length, &raw mut data, ptr::null_mut(), ptr::null_mut())
        };
        if status != sys::Status::napi_ok || kind != A::ARRAY {
            return Err(napi::Error::new(Status::InvalidArg, format!("must be an {}", A::NAME)));
        }
        // An empty array may have no memory at all.
        let data = if length == 0 { ptr::NonNull::dangling().as_ptr() } else { data.cast::<A>() };
        Ok(Self { data, length })
    }
}

impl<A: Word> TypeName for SharedWords<A> {
    fn type_name() -> &'static str {
        A::NAME
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl<A: Word> ValidateNapiValue for SharedWords<A> {}
