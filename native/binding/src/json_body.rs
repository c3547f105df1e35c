//! Scans of JSON bodies. Numbers are passed in one array, because an object of them would take
//! longer than the scan of a usual body.

use crate::environment::Stop;
use crate::error::{Checked, Error, Failure, Result};
use crate::lent_bytes::LentBytes;
use crate::raw_napi::{Answer, Callback, answer_with};
use crate::threads::threads;
use fast_litellm_core::json_body::{Bounds, Fault, Scan, outline, scan};
use napi::bindgen_prelude::{Object, Uint8Array, Uint8ArraySlice, Uint32Array, Uint32ArraySlice};
use napi::{Env, JsDeferred, sys};
use napi_derive::napi;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// `scanJson`, which is called once a request.
pub const CALLBACKS: [(&CStr, Callback); 1] = [(c"scanJson", scan_json_callback)];

/// First number of an answer: which it is.
const SCAN: u32 = 0;
const SYNTAX: u32 = 1;
const BOUND: u32 = 2;
const DUPLICATE: u32 = 3;
const PROTOTYPE: u32 = 4;
/// The array is too short; the second number is the length it needs.
const TOO_LONG: u32 = 5;
/// In the place of a key where there is none.
const NO_KEY: usize = u32::MAX as usize;

/// A scan off the calling thread.
#[napi(object, object_from_js = false)]
pub struct ScannedJson {
    /// As `scanJson` writes them.
    pub numbers: Uint32Array,
    pub outline: Option<String>,
}

type Resolve = Box<dyn FnOnce(Env) -> napi::Result<ScannedJson> + Send>;

/// Scans a JSON text. `numbers` starts with the bounds (depth, keys, containers, values) and gets
/// the answer: 0, 1 for an object plus 2 for odd numbers, the numbers of fields and texts, six
/// numbers a field (quotes of the key, value, texts) and two a text; 1, place of a wrong byte; 2,
/// bound, quotes of the field; 3, quotes of a doubled key; 4, place of `__proto__`; or 5 and the
/// length that `numbers` needs. Returns the outline, if there are long texts.
#[napi(catch_unwind, ts_args_type = "bytes: Uint8Array, numbers: Uint32Array", ts_return_type = "string | undefined")]
pub fn scan_json(bytes: Uint8ArraySlice, mut numbers: Uint32ArraySlice) -> Result<Option<String>> {
    // SAFETY: nothing else runs on the JavaScript thread during this call.
    let outline = scan_into(&bytes, unsafe { numbers.as_mut() })?;
    Ok(outline.map(|outline| String::from_utf8_lossy(&outline).into_owned()))
}

/// The same on another thread. `numbers` has the bounds alone. Bytes that are the caller's own are
/// read where they are, others copied.
#[napi(catch_unwind, ts_args_type = "bytes: Uint8Array, numbers: Uint32Array, isOwn: boolean", ts_return_type = "Promise<ScannedJson>")]
pub fn scan_json_async<'env>(env: &'env Env, bytes: Uint8Array, numbers: Uint32ArraySlice, is_own: bool) -> Result<Object<'env>> {
    let bounds = bounds_of(&numbers)?;
    checked(&bytes)?;
    let bytes = LentBytes::of(bytes, is_own);
    let stop = Stop::of(env)?;
    let threads = threads()?;
    let (deferred, promise): (JsDeferred<ScannedJson, Resolve>, _) =
        env.create_deferred().map_err(|error| Error::new("PROMISE_UNAVAILABLE", error.reason.clone()))?;
    threads.spawn(move || {
        let scan_all = |bytes: &[u8]| {
            let result = scan(bytes, bounds);
            let outline = result.as_ref().ok().and_then(|found| outline_of(bytes, found));
            (numbers_of(&result), outline.map(|outline| String::from_utf8_lossy(&outline).into_owned()))
        };
        match catch_unwind(AssertUnwindSafe(|| bytes.read(&stop, scan_all))) {
            Ok(Some((numbers, outline))) => deferred.resolve(Box::new(move |_| {
                drop(bytes);
                Ok(ScannedJson { numbers: numbers.into(), outline })
            })),
            Ok(None) => deferred.reject(napi::Error::from_reason("the thread has ended")),
            Err(_) => deferred.reject(napi::Error::from_reason("a panic while scanning a JSON text")),
        }
    });
    Ok(promise)
}

unsafe extern "C" fn scan_json_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment and call; nothing else runs on its thread
    // meanwhile, so the arrays stay as they are.
    unsafe {
        answer_with(env, info, |[bytes, numbers]| {
            let bytes = array_of::<u8>(env, bytes, sys::TypedarrayType::uint8_array)?;
            let numbers = array_of::<u32>(env, numbers, sys::TypedarrayType::uint32_array)?;
            scan_into(bytes, numbers)
        })
    }
}

impl Answer for Option<Vec<u8>> {
    unsafe fn value(self, env: sys::napi_env) -> sys::napi_value {
        let mut value = ptr::null_mut();
        if let Some(text) = self {
            // SAFETY: the caller's; the length is given.
            unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast::<c_char>(), text.len() as isize, &raw mut value) };
        }
        value
    }
}

/// The elements of a typed array argument.
///
/// # Safety
/// `env` and `value` are those of the call that is running, during which nothing else uses them.
unsafe fn array_of<'a, T>(env: sys::napi_env, value: sys::napi_value, expected: sys::napi_typedarray_type) -> Checked<&'a mut [T]> {
    let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
    // SAFETY: the caller's; unused outputs may be null.
    let status = unsafe {
        sys::napi_get_typedarray_info(env, value, &raw mut kind, &raw mut length, &raw mut data, ptr::null_mut(), ptr::null_mut())
    };
    if status != sys::Status::napi_ok || kind != expected {
        return Err(Failure::NotAnArray);
    }
    // An empty array may have no memory at all.
    let data = if length == 0 { ptr::NonNull::dangling().as_ptr() } else { data.cast::<T>() };
    // SAFETY: the array's memory, aligned to its elements.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, length) })
}

fn scan_into(bytes: &[u8], numbers: &mut [u32]) -> Checked<Option<Vec<u8>>> {
    let result = scan(checked(bytes)?, bounds_of(numbers)?);
    let found = numbers_of(&result);
    match numbers.get_mut(..found.len()) {
        Some(target) => target.copy_from_slice(&found),
        None => {
            numbers[..2].copy_from_slice(&[TOO_LONG, found.len() as u32]);
            return Ok(None);
        }
    }
    Ok(result.ok().and_then(|found| outline_of(bytes, &found)))
}

/// Places are 32-bit numbers.
fn checked(bytes: &[u8]) -> Checked<&[u8]> {
    if u32::try_from(bytes.len()).is_ok() { Ok(bytes) } else { Err(Failure::NotAnArray) }
}

fn bounds_of(numbers: &[u32]) -> Checked<Bounds> {
    match *numbers {
        [depth, keys, containers, values, ..] => Ok(Bounds { depth, keys, containers, values }),
        _ => Err(Failure::NotAnArray),
    }
}

fn outline_of(bytes: &[u8], found: &Scan) -> Option<Vec<u8>> {
    (!found.texts.is_empty()).then(|| outline(bytes, found.start, &found.texts))
}

fn numbers_of(result: &std::result::Result<Scan, Fault>) -> Vec<u32> {
    let places = |kind: u32, places: &[usize]| {
        let mut numbers = vec![kind];
        numbers.extend(places.iter().map(|place| *place as u32));
        numbers
    };
    match result {
        Ok(found) => {
            let mut numbers = Vec::with_capacity(4 + found.fields.len() * 6 + found.texts.len());
            let flags = u32::from(found.is_object) + 2 * u32::from(found.has_odd_numbers);
            numbers.extend([SCAN, flags, found.fields.len() as u32, found.texts.len() as u32 / 2]);
            for field in &found.fields {
                let (key, value, texts) = (field.key, field.value, field.texts);
                numbers.extend([key.0, key.1, value.0, value.1, texts.0, texts.1].map(|number| number as u32));
            }
            numbers.extend_from_slice(&found.texts);
            numbers
        }
        Err(Fault::Syntax(at)) => places(SYNTAX, &[*at]),
        Err(Fault::Bound(bound, key)) => {
            let (start, end) = key.unwrap_or((NO_KEY, NO_KEY));
            places(BOUND, &[*bound as usize, start, end])
        }
        Err(Fault::Duplicate(start, end)) => places(DUPLICATE, &[*start, *end]),
        Err(Fault::Prototype(at)) => places(PROTOTYPE, &[*at]),
    }
}
