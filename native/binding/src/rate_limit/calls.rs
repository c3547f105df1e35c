//! The calls about keys: their numbers are in the exchange, beside the text of the key.

use super::exchange::Numbers;
use super::local::LOCAL;
use crate::error::Checked;
use crate::js_text::{JsText, JsTexts};
use crate::raw_napi::{Callback, answer_with, number};
use fast_litellm_core::rate_limit::{Key, Scope, Space};
use napi::sys;
use smallvec::SmallVec;
use std::ffi::CStr;

/// So many scopes are decided without allocating.
const FEW_SCOPES: usize = 6;

/// Those that decide on a request by one key.
pub const CALLBACKS: [(&CStr, Callback); 2] = [(c"rateLimitCheck", check_callback), (c"rateLimitCheckHandle", check_handle_callback)];

/// Works on a key in the space and under the policy that the exchange names.
#[inline(always)]
pub fn with_key<R>(env: sys::napi_env, key: JsText, work: impl FnOnce(&Space, Scope<'_>, &mut Numbers) -> R) -> Checked<R> {
    LOCAL.with_borrow_mut(|local| {
        // SAFETY: this call is the only one that runs in its environment.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let key = local.key(numbers.policy(), key)?;
        let scope = Scope { policy: local.policy(numbers.policy())?, key };
        Ok(work(local.space(numbers.space())?, scope, numbers))
    })
}

#[inline(always)]
pub fn check(env: sys::napi_env, key: JsText) -> Checked<()> {
    with_key(env, key, |space, scope, numbers| numbers.decision = space.check(scope, numbers.ask(), numbers.now_ms))
}

pub fn peek(env: sys::napi_env, key: JsText) -> Checked<()> {
    with_key(env, key, |space, scope, numbers| numbers.decision = space.peek(scope, numbers.ask(), numbers.now_ms))
}

#[inline(always)]
pub fn check_handle(env: sys::napi_env, handle: u32) -> Checked<()> {
    LOCAL.with_borrow(|local| {
        // SAFETY: as above.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let known = local.handle(handle)?;
        let scope = Scope { policy: &known.policy, key: known.key };
        numbers.decision = known.space.check(scope, numbers.ask(), numbers.now_ms);
        Ok(())
    })
}

pub fn check_all(env: sys::napi_env, keys: &JsTexts, policies: &[u32]) -> Checked<()> {
    LOCAL.with_borrow_mut(|local| {
        // SAFETY: as above.
        let numbers = unsafe { local.exchange(env)?.numbers() };
        let mut hashed: SmallVec<[(u32, Key); FEW_SCOPES]> = SmallVec::new();
        for (index, &policy) in policies.iter().enumerate() {
            hashed.push((policy, local.key(policy, keys.get(index)?)?));
        }
        let mut scopes: SmallVec<[Scope<'_>; FEW_SCOPES]> = SmallVec::new();
        for (policy, key) in hashed {
            scopes.push(Scope { policy: local.policy(policy)?, key });
        }
        numbers.decision = local.space(numbers.space())?.check_all(&scopes, numbers.ask(), numbers.now_ms);
        Ok(())
    })
}

unsafe extern "C" fn check_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment and call.
    unsafe { answer_with(env, info, |[key]| check(env, JsText::new(env, key))) }
}

unsafe extern "C" fn check_handle_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer_with(env, info, |[handle]| check_handle(env, number(env, handle)?)) }
}
