//! The functions that decide, and their bare callbacks. What they are asked with and what they answer is in the exchange: they have no results, and but for a key that
//! nobody has hashed no arguments.

use super::exchange::Numbers;
use super::local::{LOCAL, Local};
use crate::bare::{Callback, answer, answer_with};
use crate::error::Checked;
use crate::js_text::JsText;
use fast_litellm_core::rate_limit::{Ask, Key, Policy, Scope, Space};
use napi::sys;
use smallvec::SmallVec;
use std::ffi::CStr;

/// So many scopes are decided without allocating.
const FEW_SCOPES: usize = 6;

pub const CALLBACKS: [(&CStr, Callback); 6] = [
    (c"rateLimitCheck", check_callback),
    (c"rateLimitCheckKey", check_key_callback),
    (c"rateLimitPeek", peek_callback),
    (c"rateLimitCheckAll", check_all_callback),
    (c"rateLimitSettle", settle_callback),
    (c"rateLimitRelease", release_callback),
];

/// Works on the key that is named in the exchange.
#[inline(always)]
pub fn with_key<R>(env: sys::napi_env, work: impl FnOnce(&Space, &Policy, Key, &mut Numbers) -> R) -> Checked<R> {
    LOCAL.with_borrow(|local: &Local| {
        // SAFETY: this call is the only one that runs in its environment.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let policy = local.policy(numbers.policy())?;
        Ok(work(local.space(numbers.space())?, policy, Key::new(policy, numbers.hash()), numbers))
    })
}

#[inline(always)]
pub fn check(env: sys::napi_env, spends: bool) -> Checked<()> {
    with_key(env, |space, policy, key, numbers| {
        let (ask, now_ms) = numbers.ask();
        space.check(policy, key, ask, now_ms, spends, &mut numbers.decision);
    })
}

/// Decides on a key that nobody has hashed.
#[inline(always)]
pub fn check_key(env: sys::napi_env, key: JsText) -> Checked<()> {
    LOCAL.with_borrow_mut(|local| {
        let hash = local.hash(key)?;
        // SAFETY: as above.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let policy = local.policy(numbers.policy())?;
        let (ask, now_ms) = numbers.ask();
        local.space(numbers.space())?.check(policy, Key::new(policy, hash), ask, now_ms, true, &mut numbers.decision);
        Ok(())
    })
}

pub fn check_all(env: sys::napi_env) -> Checked<()> {
    LOCAL.with_borrow(|local| {
        // SAFETY: as above.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let scope = |(policy, hash)| {
            let policy = local.policy(policy)?;
            Ok(Scope { policy, key: Key::new(policy, hash) })
        };
        let scopes: SmallVec<[Scope<'_>; FEW_SCOPES]> = numbers.scopes().map(scope).collect::<Checked<_>>()?;
        let (Ask { cost, tokens, .. }, now_ms) = numbers.ask();
        local.space(numbers.space())?.check_all(&scopes, cost, tokens, now_ms, &mut numbers.decision);
        Ok(())
    })
}

pub fn settle(env: sys::napi_env) -> Checked<()> {
    with_key(env, |space, policy, key, numbers| {
        let (difference, at_ms, now_ms) = numbers.correction();
        space.settle(policy, key, difference, at_ms, now_ms);
    })
}

pub fn release(env: sys::napi_env) -> Checked<()> {
    with_key(env, |space, policy, key, numbers| {
        let (_, taken_at_ms, _) = numbers.correction();
        space.release(policy, key, taken_at_ms);
    })
}

unsafe extern "C" fn check_callback(env: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment.
    unsafe { answer(env, || check(env, true)) }
}

unsafe extern "C" fn check_key_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment and call.
    unsafe { answer_with(env, info, |[key]| check_key(env, JsText::new(env, key))) }
}

unsafe extern "C" fn peek_callback(env: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, || check(env, false)) }
}

unsafe extern "C" fn check_all_callback(env: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, || check_all(env)) }
}

unsafe extern "C" fn settle_callback(env: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, || settle(env)) }
}

unsafe extern "C" fn release_callback(env: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, || release(env)) }
}
