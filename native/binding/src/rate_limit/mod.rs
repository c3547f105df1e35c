mod exchange;
mod hot;
mod local;

pub use hot::CALLBACKS;

use crate::error::{Failure, Result, from_core};
use crate::js_text::JsText;
use exchange::Exchange;
use fast_litellm_core::rate_limit::{self, Space, Spec, Stats};
use local::{LOCAL, Opened};
use napi::Env;
use napi_derive::napi;

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
    if let Some(policy) = rate_limit::policy_of(handle) {
        LOCAL.with_borrow_mut(|local| local.intern(handle, policy));
    }
    Ok(handle)
}

/// Gives back what one `rateLimitPolicy` of this thread took.
#[napi(catch_unwind)]
pub fn rate_limit_close_policy(policy: u32) -> Result<()> {
    let released = LOCAL.with_borrow_mut(|local| local.release(policy));
    if released { Ok(()) } else { Err(Failure::UnknownPolicy.into()) }
}

/// Secret numbers of the process for hashing keys: each the same at every call.
#[napi(catch_unwind)]
#[must_use]
pub fn rate_limit_secrets(count: u32) -> Vec<i32> {
    (0..count).map(|index| rate_limit::secret(index) as i32).collect()
}

/// Hashes a key's text into the exchange.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_hash(env: Env, key: JsText) -> Result<()> {
    LOCAL.with_borrow_mut(|local| {
        let hash = local.hash(key)?;
        // SAFETY: this call is the only one that runs in its environment.
        unsafe { local.exchange(env.raw())?.numbers() }.set_hash(hash);
        Ok(())
    })
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
/// of the tokens, time, index. To be written before, from 9: by how much tokens change, since when (to release, when the place was taken), and the time; from 12, as
/// integers of 32 bits, requests to take, half of the key's hash, tokens to take, the other half, the space, the policy. At 15 how many numbers follow: a lent key's, or
/// policy and hash of each of several scopes.
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
#[napi(catch_unwind)]
pub fn rate_limit_check(env: Env) -> Result<()> {
    Ok(hot::check(env.raw(), true)?)
}

/// Decides as `rateLimitCheck`, by a key that was not hashed.
#[napi(catch_unwind, ts_args_type = "key: string")]
pub fn rate_limit_check_key(env: Env, key: JsText) -> Result<()> {
    Ok(hot::check_key(env.raw(), key)?)
}

/// Decides as `rateLimitCheck`, and takes nothing.
#[napi(catch_unwind)]
pub fn rate_limit_peek(env: Env) -> Result<()> {
    Ok(hot::check(env.raw(), false)?)
}

/// The same for several scopes, all or nothing.
#[napi(catch_unwind)]
pub fn rate_limit_check_all(env: Env) -> Result<()> {
    Ok(hot::check_all(env.raw())?)
}

/// Corrects what a decision took from the tokens of a minute.
#[napi(catch_unwind)]
pub fn rate_limit_settle(env: Env) -> Result<()> {
    Ok(hot::settle(env.raw())?)
}

/// Gives back one of the requests under way: that was let pass at a time, or any where that is infinite.
#[napi(catch_unwind)]
pub fn rate_limit_release(env: Env) -> Result<()> {
    Ok(hot::release(env.raw())?)
}

/// Forgets a key, and that what is under way of it has taken anything.
#[napi(catch_unwind)]
pub fn rate_limit_reset(env: Env) -> Result<()> {
    Ok(hot::with_key(env.raw(), |space, policy, key, _| space.reset(policy, key))?)
}

/// Takes a key out of a space of this thread alone, and writes its state: how many numbers it has, 0 for none, and the numbers.
#[napi(catch_unwind)]
pub fn rate_limit_lend(env: Env) -> Result<()> {
    Ok(hot::with_key(env.raw(), |space, policy, key, numbers| {
        numbers.state_len = space.lend(policy, key, &mut numbers.state) as f64;
    })?)
}

/// Puts a lent key back, with the state that is written there, at the time of a decision.
#[napi(catch_unwind)]
pub fn rate_limit_take_back(env: Env) -> Result<()> {
    Ok(hot::with_key(env.raw(), |space, policy, key, numbers| space.take_back(policy, key, numbers.state(), numbers.now_ms()))?)
}

/// A lent key will not come back: its place is free.
#[napi(catch_unwind)]
pub fn rate_limit_make_room(space: u32) -> Result<()> {
    LOCAL.with_borrow(|local| {
        local.space(space)?.make_room(1);
        Ok(())
    })
}

/// What a space has done, in all threads.
#[napi(catch_unwind)]
pub fn rate_limit_stats(space: u32) -> Result<RateLimitStats> {
    let Stats { keys, allowed, denied, evicted } = LOCAL.with_borrow(|local| local.space(space).map(Space::stats))?;
    Ok(RateLimitStats { keys: keys as f64, allowed: allowed as f64, denied: denied as f64, evicted: evicted as f64 })
}
