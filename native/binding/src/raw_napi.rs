//! Callbacks without napi-rs for the functions that are called most: the generated callbacks record
//! borrowed buffers, which takes several allocations, more than counting a short text. They replace
//! the generated ones under the same names, so the declarations stay as they are.

use crate::error::{Checked, Error, Failure};
use crate::js_text::JsText;
use crate::token_counter::{count, prefix};
use napi::sys;
use std::any::Any;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

pub type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// Those of the token counter.
pub const CALLBACKS: [(&CStr, Callback); 3] =
    [(c"countTokens", count_tokens_callback), (c"countTokensUpTo", count_tokens_up_to_callback), (c"prefixLength", prefix_length_callback)];

/// Exports `callbacks` under their names.
///
/// # Safety
/// `env` and `exports` are those of the registration that is running.
pub unsafe fn export(
    env: sys::napi_env,
    exports: sys::napi_value,
    callbacks: impl IntoIterator<Item = (&'static CStr, Callback)>,
) -> napi::Result<()> {
    for (name, callback) in callbacks {
        let mut function = ptr::null_mut();
        // SAFETY: the caller's; the name is NUL-terminated and its length given.
        let status = unsafe {
            match sys::napi_create_function(
                env,
                name.as_ptr(),
                name.count_bytes() as isize,
                Some(callback),
                ptr::null_mut(),
                &raw mut function,
            ) {
                sys::Status::napi_ok => sys::napi_set_named_property(env, exports, name.as_ptr(), function),
                failed => failed,
            }
        };
        if status != sys::Status::napi_ok {
            return Err(napi::Error::new(napi::Status::from(status), "cannot export a function"));
        }
    }
    Ok(())
}

unsafe extern "C" fn count_tokens_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment and call.
    unsafe { answer_with(env, info, |[text, encoding]| count(JsText::new(env, text), || number(env, encoding), u32::MAX)) }
}

unsafe extern "C" fn count_tokens_up_to_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        answer_with(env, info, |[text, encoding, limit]| count(JsText::new(env, text), || number(env, encoding), number(env, limit)?))
    }
}

unsafe extern "C" fn prefix_length_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        answer_with(env, info, |[text, encoding, tokens]| prefix(JsText::new(env, text), || number(env, encoding), number(env, tokens)?))
    }
}

/// What such a function returns.
pub trait Answer {
    /// # Safety
    /// `env` is that of the call that is running.
    unsafe fn value(self, env: sys::napi_env) -> sys::napi_value;
}

impl Answer for u32 {
    #[inline(always)]
    unsafe fn value(self, env: sys::napi_env) -> sys::napi_value {
        let mut value = ptr::null_mut();
        // SAFETY: the caller's.
        unsafe { sys::napi_create_uint32(env, self, &raw mut value) };
        value
    }
}

impl Answer for () {
    #[inline(always)]
    unsafe fn value(self, _env: sys::napi_env) -> sys::napi_value {
        ptr::null_mut()
    }
}

/// Reads `N` arguments, works, and returns the answer or throws; a panic is thrown, too.
///
/// # Safety
/// `env` and `info` are those of the call that is running.
#[inline(always)]
pub unsafe fn answer_with<const N: usize, A: Answer>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    work: impl FnOnce([sys::napi_value; N]) -> Checked<A>,
) -> sys::napi_value {
    let mut arguments = [ptr::null_mut(); N];
    let mut count = N;
    // SAFETY: the caller's. Arguments that are missing are filled with `undefined`.
    unsafe { sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), ptr::null_mut()) };
    let error = match catch_unwind(AssertUnwindSafe(|| work(arguments))) {
        // SAFETY: the caller's.
        Ok(Ok(answer)) => return unsafe { answer.value(env) },
        Ok(Err(failure)) => Error::from(failure),
        Err(panic) => Error::new("PANIC", message_of(panic.as_ref())),
    };
    // SAFETY: the caller's.
    unsafe { throw(env, &error) };
    ptr::null_mut()
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("a panic without a message").to_owned()
}

/// # Safety
/// `env` and `value` are those of the call that is running.
#[inline(always)]
pub unsafe fn number(env: sys::napi_env, value: sys::napi_value) -> Checked<u32> {
    let mut number = 0;
    // SAFETY: the caller's.
    match unsafe { sys::napi_get_value_uint32(env, value, &raw mut number) } {
        sys::Status::napi_ok => Ok(number),
        _ => Err(Failure::NotANumber),
    }
}

/// # Safety
/// `env` is that of the call that is running.
#[cold]
unsafe fn throw(env: sys::napi_env, error: &Error) {
    let string = |text: &str| {
        let mut value = ptr::null_mut();
        // SAFETY: the caller's; the length is given.
        unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast::<c_char>(), text.len() as isize, &raw mut value) };
        value
    };
    let mut value = ptr::null_mut();
    // SAFETY: the caller's.
    unsafe {
        sys::napi_create_error(env, string(error.status), string(&error.reason), &raw mut value);
        sys::napi_throw(env, value);
    }
}
