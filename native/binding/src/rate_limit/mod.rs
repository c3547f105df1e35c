mod exchange;
mod hot;
mod local;

pub use hot::CALLBACKS;

use crate::error::{Failure, Result, from_core};
use crate::js_text::JsText;
use exchange::Exchange;
use fast_litellm_core::rate_limit::{self, Space, Spec, Stats};
use local::{KeyHandle, LOCAL, Opened};
use napi::Env;
use napi::bindgen_prelude::Uint32ArraySlice;
use napi_derive::napi;
use std::sync::Arc;

/// Limits of a policy; what is left out is unlimited.
#[napi(object)]
pub struct RateLimitSpec {
    pub scope: Option<String>,
    pub requests_per_second: Option<f64>,
    pub burst: Option<f64>,
    pub requests_per_minute: Option<f64>,
    pub requests_per_hour: Option<f64>,
    pub requests_per_day: Option<f64>,
    pub requests_per_window: Option<f64>,
    pub window_ms: Option<f64>,
    pub tokens_per_minute: Option<f64>,
    pub max_concurrent: Option<f64>,
}

/// What a space has done.
#[napi(object)]
pub struct RateLimitStats {
    pub keys: f64,
    pub allowed: f64,
    pub denied: f64,
    pub evicted: f64,
}

/// The handle of a policy, the same in every thread. Throws `TOO_MANY_POLICIES`.
#[napi(catch_unwind)]
pub fn rate_limit_policy(spec: RateLimitSpec) -> Result<u32> {
    let set = |limit: Option<f64>| limit.unwrap_or(f64::NAN);
    let spec = Spec {
        scope: spec.scope.unwrap_or_default(),
        requests_per_second: set(spec.requests_per_second),
        burst: set(spec.burst),
        requests_per_minute: set(spec.requests_per_minute),
        requests_per_hour: set(spec.requests_per_hour),
        requests_per_day: set(spec.requests_per_day),
        requests_per_window: set(spec.requests_per_window),
        window_ms: set(spec.window_ms),
        tokens_per_minute: set(spec.tokens_per_minute),
        max_concurrent: set(spec.max_concurrent),
    };
    let handle = rate_limit::intern(&spec).map_err(|error| from_core(&error))?;
    LOCAL.with_borrow_mut(|local| {
        for known in local.policies.len() as u32..=handle {
            local.policies.extend(rate_limit::policy_of(known));
        }
    });
    Ok(handle)
}

/// Opens a space of keys: one for all threads of the process that name it, or a private one.
#[napi(catch_unwind)]
pub fn rate_limit_open(name: Option<String>, max_keys: f64) -> u32 {
    let (handle, space) = rate_limit::open(name.as_deref(), max_keys as usize);
    LOCAL.with_borrow_mut(|local| local.spaces.add(Opened { handle, space }))
}

/// Closes what this thread opened; the last one forgets the keys.
#[napi(catch_unwind)]
pub fn rate_limit_close(space: u32) -> Result<()> {
    let opened = LOCAL.with_borrow_mut(|local| local.spaces.take(space));
    Ok(opened.map(drop).ok_or(Failure::UnknownSpace)?)
}

/// What this thread exchanges with the functions that decide. Of every decision, from 0: code, limit, remaining requests and tokens, retry-after, reset, reset
/// of the tokens, time, index. To be written before, from 9: requests and tokens to take, and the time; or, to settle, the difference of the tokens, their time, and the time.
#[napi(catch_unwind, ts_return_type = "Float64Array")]
pub fn rate_limit_exchange(env: Env) -> napi::Result<Exchange> {
    LOCAL.with_borrow_mut(|local| {
        if let Ok(exchange) = local.exchange(env.raw()) {
            return Ok(exchange);
        }
        // SAFETY: the environment is that of this call.
        let exchange = unsafe { Exchange::new(env.raw()) }?;
        local.exchanges.push(exchange);
        Ok(exchange)
    })
}

/// Decides and, if allowed, takes.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_check(env: Env, space: u32, policy: u32, key: JsText) -> Result<()> {
    Ok(hot::check(env.raw(), space, policy, key, true)?)
}

/// Decides as `rateLimitCheck`, and takes nothing.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_peek(env: Env, space: u32, policy: u32, key: JsText) -> Result<()> {
    Ok(hot::check(env.raw(), space, policy, key, false)?)
}

/// The same for several scopes, all or nothing: `policies[i]` governs `keys[i]`.
#[napi(catch_unwind, ts_args_type = "space: number, policies: Uint32Array, keys: readonly string[]")]
pub fn rate_limit_check_all(env: Env, space: u32, policies: Uint32ArraySlice, keys: Vec<JsText>) -> Result<()> {
    Ok(hot::check_all(env.raw(), space, &policies, keys.into_iter().map(Ok))?)
}

/// Corrects what a decision took from the tokens of a minute.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_settle(env: Env, space: u32, policy: u32, key: JsText) -> Result<()> {
    Ok(hot::settle(env.raw(), space, policy, key)?)
}

/// Gives back one of the requests under way.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_release(space: u32, policy: u32, key: JsText) -> Result<()> {
    Ok(hot::release(space, policy, key)?)
}

/// Forgets a key.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_reset(space: u32, policy: u32, key: JsText) -> Result<()> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        local.space(space)?.reset(local.policy(policy)?, key);
        Ok(())
    })
}

/// What a space has done, in all threads.
#[napi(catch_unwind)]
pub fn rate_limit_stats(space: u32) -> Result<RateLimitStats> {
    let Stats { keys, allowed, denied, evicted } = LOCAL.with_borrow(|local| local.space(space).map(Space::stats))?;
    Ok(RateLimitStats { keys: keys as f64, allowed: allowed as f64, denied: denied as f64, evicted: evicted as f64 })
}

/// A handle of a key for this thread: what is decided by it needs no string.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_handle(space: u32, policy: u32, key: JsText) -> Result<u32> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        let space = local.spaces.get(space).map(|opened| Arc::clone(&opened.space)).ok_or(Failure::UnknownSpace)?;
        Ok(local.handles.add(KeyHandle { space, policy, key }))
    })
}

/// Gives a handle back.
#[napi(catch_unwind)]
pub fn rate_limit_close_handle(handle: u32) {
    LOCAL.with_borrow_mut(|local| drop(local.handles.take(handle)));
}

/// As `rateLimitCheck`.
#[napi(catch_unwind)]
pub fn rate_limit_check_handle(env: Env, handle: u32) -> Result<()> {
    Ok(hot::check_handle(env.raw(), handle)?)
}
