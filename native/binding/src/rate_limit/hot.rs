//! The functions that decide, and their bare callbacks. What they are asked with and what they answer is in the exchange.

use super::local::{KeyHandle, LOCAL};
use crate::bare::{Callback, answer, number};
use crate::error::{Checked, Failure};
use crate::js_text::JsText;
use fast_litellm_core::rate_limit::{Ask, Key, Scope};
use napi::sys;
use smallvec::SmallVec;
use std::ffi::CStr;
use std::ptr;

/// So many scopes are decided without allocating.
const FEW_SCOPES: usize = 6;

pub const CALLBACKS: [(&CStr, Callback); 6] = [
    (c"rateLimitCheck", check_callback),
    (c"rateLimitPeek", peek_callback),
    (c"rateLimitCheckAll", check_all_callback),
    (c"rateLimitCheckHandle", check_handle_callback),
    (c"rateLimitSettle", settle_callback),
    (c"rateLimitRelease", release_callback),
];

#[inline(always)]
pub fn check(env: sys::napi_env, space: u32, policy: u32, key: JsText, spends: bool) -> Checked<()> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        // SAFETY: this call is the only one that runs in its environment.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let (ask, now_ms) = numbers.ask();
        local.space(space)?.check(local.policy(policy)?, key, ask, now_ms, spends, &mut numbers.decision);
        Ok(())
    })
}

#[inline(always)]
pub fn check_handle(env: sys::napi_env, handle: u32) -> Checked<()> {
    LOCAL.with_borrow(|local| {
        let KeyHandle { space, policy, key } = local.handles.get(handle).ok_or(Failure::UnknownHandle)?;
        // SAFETY: as above.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let (ask, now_ms) = numbers.ask();
        space.check(local.policy(*policy)?, *key, ask, now_ms, true, &mut numbers.decision);
        Ok(())
    })
}

pub fn check_all(env: sys::napi_env, space: u32, policies: &[u32], keys: impl Iterator<Item = Checked<JsText>>) -> Checked<()> {
    LOCAL.with_borrow_mut(|local| {
        let mut hashed: SmallVec<[Key; FEW_SCOPES]> = SmallVec::new();
        for (&policy, key) in policies.iter().zip(keys) {
            hashed.push(local.key(policy, key?)?);
        }
        let scopes = policies.iter().zip(hashed).map(|(&policy, key)| Ok(Scope { policy: local.policy(policy)?, key }));
        let scopes: SmallVec<[Scope<'_>; FEW_SCOPES]> = scopes.collect::<Checked<_>>()?;
        // SAFETY: as above.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let (Ask { cost, tokens, .. }, now_ms) = numbers.ask();
        local.space(space)?.check_all(&scopes, cost, tokens, now_ms, &mut numbers.decision);
        Ok(())
    })
}

pub fn settle(env: sys::napi_env, space: u32, policy: u32, key: JsText) -> Checked<()> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        // SAFETY: as above.
        let (difference, at_ms, now_ms) = unsafe { local.exchange(env)?.numbers() }.correction();
        local.space(space)?.settle(local.policy(policy)?, key, difference, at_ms, now_ms);
        Ok(())
    })
}

pub fn release(space: u32, policy: u32, key: JsText) -> Checked<()> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        local.space(space)?.release(local.policy(policy)?, key);
        Ok(())
    })
}

unsafe extern "C" fn check_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment and call.
    unsafe { answer(env, info, |[space, policy, key]| check(env, number(env, space)?, number(env, policy)?, JsText::new(env, key), true)) }
}

unsafe extern "C" fn peek_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, info, |[space, policy, key]| check(env, number(env, space)?, number(env, policy)?, JsText::new(env, key), false)) }
}

unsafe extern "C" fn check_all_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above; nothing else runs on the JavaScript thread while the array is borrowed.
    unsafe {
        answer(env, info, |[space, policies, keys]| {
            let policies = integers(env, policies)?;
            let keys = (0..policies.len() as u32).map(|index| {
                let mut key = ptr::null_mut();
                match sys::napi_get_element(env, keys, index, &raw mut key) {
                    sys::Status::napi_ok => Ok(JsText::new(env, key)),
                    _ => Err(Failure::NotAnArray),
                }
            });
            check_all(env, number(env, space)?, policies, keys)
        })
    }
}

unsafe extern "C" fn check_handle_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, info, |[handle]| check_handle(env, number(env, handle)?)) }
}

unsafe extern "C" fn settle_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, info, |[space, policy, key]| settle(env, number(env, space)?, number(env, policy)?, JsText::new(env, key))) }
}

unsafe extern "C" fn release_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, info, |[space, policy, key]| release(number(env, space)?, number(env, policy)?, JsText::new(env, key))) }
}

/// # Safety
/// `env` and `value` are those of the call that is running, and the array is not changed as long as the slice is used.
unsafe fn integers<'a>(env: sys::napi_env, value: sys::napi_value) -> Checked<&'a [u32]> {
    let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
    // SAFETY: the caller's.
    let status =
        unsafe { sys::napi_get_typedarray_info(env, value, &raw mut kind, &raw mut len, &raw mut data, ptr::null_mut(), ptr::null_mut()) };
    if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint32_array {
        return Err(Failure::NotAnArray);
    }
    if len == 0 {
        return Ok(&[]);
    }
    // SAFETY: Node-API gives an aligned pointer to as many numbers.
    Ok(unsafe { std::slice::from_raw_parts(data.cast::<u32>(), len) })
}
