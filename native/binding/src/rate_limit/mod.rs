mod calls;
mod exchange;
mod local;
mod numbered;
mod spec;

pub use calls::CALLBACKS;

use crate::error::{Failure, Result, from_core};
use crate::js_text::{JsText, JsTexts};
use calls::with_key;
use exchange::Exchange;
use fast_litellm_core::rate_limit::{self, Space, Stats};
use local::{LOCAL, Opened};
use napi::Env;
use napi::bindgen_prelude::Uint32ArraySlice;
use napi_derive::napi;
use spec::RateLimitSpec;

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
    let (handle, policy) = rate_limit::intern(&spec.into()).map_err(|error| from_core(&error))?;
    LOCAL.with_borrow_mut(|local| local.intern(handle, policy));
    Ok(handle)
}

/// Gives back what one `rateLimitPolicy` of this thread took.
#[napi(catch_unwind)]
pub fn rate_limit_close_policy(policy: u32) -> Result<()> {
    let released = LOCAL.with_borrow_mut(|local| local.release(policy));
    if released { Ok(()) } else { Err(Failure::UnknownPolicy.into()) }
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

/// The array that this thread's calls share with the addon. From 0 the last decision: code, limit,
/// remaining requests, remaining tokens, retry-after, reset, reset of the tokens, time, index. From
/// 9 what a call reads: space, policy, cost, tokens, time, time of the decision to settle or
/// release, and by how much its tokens change.
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

/// Decides on a key and, if allowed, takes.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_check(env: Env, key: JsText) -> Result<()> {
    Ok(calls::check(env.raw(), key)?)
}

/// Decides as `rateLimitCheck`, and takes nothing.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_peek(env: Env, key: JsText) -> Result<()> {
    Ok(calls::peek(env.raw(), key)?)
}

/// Decides on several keys, each under its policy: all or nothing.
#[napi(catch_unwind, ts_args_type = "keys: Array<string>, policies: Uint32Array")]
pub fn rate_limit_check_all(env: Env, keys: JsTexts, policies: Uint32ArraySlice<'_>) -> Result<()> {
    Ok(calls::check_all(env.raw(), &keys, &policies)?)
}

/// Corrects what a decision took from the tokens of a minute.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_settle(env: Env, key: JsText) -> Result<()> {
    Ok(with_key(env.raw(), key, |space, scope, numbers| space.settle(scope, numbers.correction(), numbers.now_ms))?)
}

/// Ends a request in flight: the one that was allowed at a time, or any where that is infinite.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_release(env: Env, key: JsText) -> Result<()> {
    Ok(with_key(env.raw(), key, |space, scope, numbers| space.release(scope, numbers.taken_at_ms))?)
}

/// Forgets a key, and that its requests in flight have taken anything.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_reset(env: Env, key: JsText) -> Result<()> {
    Ok(with_key(env.raw(), key, |space, scope, _| space.reset(scope))?)
}

/// Hashes a key once, for `rateLimitCheckHandle`.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_handle(space: u32, policy: u32, key: JsText) -> Result<u32> {
    Ok(LOCAL.with_borrow_mut(|local| local.open_handle(space, policy, key))?)
}

/// Decides as `rateLimitCheck`, by a handle.
#[napi(catch_unwind)]
pub fn rate_limit_check_handle(env: Env, handle: u32) -> Result<()> {
    Ok(calls::check_handle(env.raw(), handle)?)
}

#[napi(catch_unwind)]
pub fn rate_limit_close_handle(handle: u32) {
    LOCAL.with_borrow_mut(|local| local.handles.take(handle));
}

/// What a space has done, in all threads.
#[napi(catch_unwind)]
pub fn rate_limit_stats(space: u32) -> Result<RateLimitStats> {
    let Stats { keys, allowed, denied, evicted } = LOCAL.with_borrow(|local| local.space(space).map(Space::stats))?;
    Ok(RateLimitStats { keys: keys as f64, allowed: allowed as f64, denied: denied as f64, evicted: evicted as f64 })
}
