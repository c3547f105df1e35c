use crate::bare::{Callback, answer, decimal, number};
use crate::error::{Checked, Failure, Result, from_core};
use crate::js_text::JsText;
use fast_litellm_core::rate_limit::{self, Decision, Key, Policy, Scope, Space, Spec, Stats};
use napi::bindgen_prelude::{ToNapiValue, TypeName, Uint32ArraySlice};
use napi::{Env, ValueType, sys};
use napi_derive::napi;
use std::cell::RefCell;
use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

/// Units above this are given back after the call that needed them.
const KEEP_UNITS: usize = 1 << 16;
/// Numbers of a decision.
const FIELDS: usize = 9;

/// What the hot functions read and write.
pub const CALLBACKS: [(&CStr, Callback); 6] = [
    (c"rateLimitCheck", check_callback),
    (c"rateLimitPeek", peek_callback),
    (c"rateLimitCheckAll", check_all_callback),
    (c"rateLimitCheckHandle", check_handle_callback),
    (c"rateLimitSettle", settle_callback),
    (c"rateLimitRelease", release_callback),
];

/// A space that this thread has open: the process's handle and the space itself, so that no decision waits for other threads' opening and closing.
struct Opened {
    handle: u32,
    space: Arc<Space>,
}

struct KeyHandle {
    space: Arc<Space>,
    policy: u32,
    key: Key,
}

/// Things under small numbers that are used again.
struct Numbered<T> {
    things: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Numbered<T> {
    const fn new() -> Self {
        Self { things: Vec::new(), free: Vec::new() }
    }

    fn add(&mut self, thing: T) -> u32 {
        let number = self.free.pop().unwrap_or(self.things.len() as u32);
        if number as usize == self.things.len() {
            self.things.push(None);
        }
        self.things[number as usize] = Some(thing);
        number
    }

    #[inline(always)]
    fn get(&self, number: u32) -> Option<&T> {
        self.things.get(number as usize)?.as_ref()
    }

    fn take(&mut self, number: u32) -> Option<T> {
        let thing = self.things.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(thing)
    }
}

/// The array that decisions of an environment are written to. Its reference is never given up, so it lives as long as the environment.
#[derive(Clone, Copy)]
struct Target {
    env: sys::napi_env,
    reference: sys::napi_ref,
    numbers: *mut f64,
}

/// What a thread keeps between calls.
struct Local {
    units: Vec<u16>,
    policies: Vec<Policy>,
    spaces: Numbered<Opened>,
    handles: Numbered<KeyHandle>,
    targets: Vec<Target>,
}

thread_local! {
    static LOCAL: RefCell<Local> = const {
        RefCell::new(Local { units: Vec::new(), policies: Vec::new(), spaces: Numbered::new(), handles: Numbered::new(), targets: Vec::new() })
    };
}

impl Local {
    #[inline(always)]
    fn key(&mut self, policy: u32, text: JsText) -> Checked<Key> {
        let len = text.read(&mut self.units)?;
        let policy = self.policies.get(policy as usize).ok_or(Failure::UnknownPolicy)?;
        let key = Key::new(policy, &self.units[..len]);
        if self.units.len() > KEEP_UNITS {
            self.units = Vec::new();
        }
        Ok(key)
    }

    #[inline(always)]
    fn policy(&self, policy: u32) -> Checked<&Policy> {
        self.policies.get(policy as usize).ok_or(Failure::UnknownPolicy)
    }

    #[inline(always)]
    fn space(&self, space: u32) -> Checked<&Space> {
        self.spaces.get(space).map(|opened| &*opened.space).ok_or(Failure::UnknownSpace)
    }

    /// Writes a decision for JavaScript to read, and returns its code.
    #[inline(always)]
    fn tell(&self, env: sys::napi_env, decision: &Decision) -> u32 {
        if let Some(target) = self.targets.iter().find(|target| target.env == env) {
            let fields = [
                f64::from(decision.code as u8),
                decision.limit,
                decision.remaining_requests,
                decision.remaining_tokens,
                decision.retry_after_ms,
                decision.reset_ms,
                decision.tokens_reset_ms,
                decision.at_ms,
                decision.index,
            ];
            // SAFETY: the array has as many numbers, is kept alive, and only this thread uses it.
            unsafe { target.numbers.cast::<[f64; FIELDS]>().write_unaligned(fields) };
        }
        u32::from(decision.code as u8)
    }
}

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
    let opened = LOCAL.with_borrow_mut(|local| local.spaces.take(space)).ok_or(Failure::UnknownSpace)?;
    rate_limit::close(opened.handle);
    Ok(())
}

/// The array that every decision of this thread is written to: code, limit, remaining requests and tokens, retry-after, reset, reset of tokens, time, index.
#[napi(catch_unwind, ts_return_type = "Float64Array")]
pub fn rate_limit_decision(env: Env) -> napi::Result<DecisionArray> {
    LOCAL.with_borrow_mut(|local| {
        let known = local.targets.iter().find(|target| target.env == env.raw()).copied();
        let target = match known {
            Some(target) => target,
            None => {
                // SAFETY: the environment is that of this call.
                let target = unsafe { new_target(env.raw()) }?;
                local.targets.push(target);
                target
            }
        };
        Ok(DecisionArray(target))
    })
}

/// The typed array of a target.
pub struct DecisionArray(Target);

impl TypeName for DecisionArray {
    fn type_name() -> &'static str {
        "Float64Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for DecisionArray {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        let mut array = ptr::null_mut();
        // SAFETY: the reference is this environment's, and strong.
        checked(unsafe { sys::napi_get_reference_value(env, value.0.reference, &raw mut array) })?;
        Ok(array)
    }
}

/// # Safety
/// `env` is that of the call that is running.
unsafe fn new_target(env: sys::napi_env) -> napi::Result<Target> {
    let (mut buffer, mut array, mut reference, mut data) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the caller's.
    unsafe {
        checked(sys::napi_create_arraybuffer(env, FIELDS * size_of::<f64>(), &raw mut data, &raw mut buffer))?;
        checked(sys::napi_create_typedarray(env, sys::TypedarrayType::float64_array, FIELDS, buffer, 0, &raw mut array))?;
        checked(sys::napi_create_reference(env, array, 1, &raw mut reference))?;
    }
    Ok(Target { env, reference, numbers: data.cast() })
}

fn checked(status: sys::napi_status) -> napi::Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        failed => Err(napi::Error::new(napi::Status::from(failed), "cannot make the array of decisions")),
    }
}

#[inline(always)]
fn check_one(env: sys::napi_env, space: u32, policy: u32, key: JsText, ask: [f64; 3], spends: bool) -> Checked<u32> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        let [cost, tokens, now_ms] = ask;
        let decision = local.space(space)?.check(local.policy(policy)?, key, cost as u64, tokens as u64, now_ms, spends);
        Ok(local.tell(env, &decision))
    })
}

/// Decides and, if allowed, takes. Returns 0 or which limit refuses.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number")]
pub fn rate_limit_check(env: Env, space: u32, policy: u32, key: JsText, cost: f64, tokens: f64, now_ms: f64) -> Result<u32> {
    Ok(check_one(env.raw(), space, policy, key, [cost, tokens, now_ms], true)?)
}

unsafe extern "C" fn check_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node calls this, with its own environment and call.
    unsafe {
        answer(env, info, |[space, policy, key, cost, tokens, now_ms]| {
            let ask = [decimal(env, cost)?, decimal(env, tokens)?, decimal(env, now_ms)?];
            check_one(env, number(env, space)?, number(env, policy)?, JsText::new(env, key), ask, true)
        })
    }
}

/// What `rateLimitCheck` would answer. Takes nothing.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string, cost: number, tokens: number, nowMs: number")]
pub fn rate_limit_peek(env: Env, space: u32, policy: u32, key: JsText, cost: f64, tokens: f64, now_ms: f64) -> Result<u32> {
    Ok(check_one(env.raw(), space, policy, key, [cost, tokens, now_ms], false)?)
}

unsafe extern "C" fn peek_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        answer(env, info, |[space, policy, key, cost, tokens, now_ms]| {
            let ask = [decimal(env, cost)?, decimal(env, tokens)?, decimal(env, now_ms)?];
            check_one(env, number(env, space)?, number(env, policy)?, JsText::new(env, key), ask, false)
        })
    }
}

#[inline(always)]
fn check_several(
    env: sys::napi_env,
    space: u32,
    policies: &[u32],
    keys: impl Iterator<Item = Checked<JsText>>,
    ask: [f64; 3],
) -> Checked<u32> {
    LOCAL.with_borrow_mut(|local| {
        let mut scopes = Vec::with_capacity(policies.len());
        for (&policy, key) in policies.iter().zip(keys) {
            scopes.push((policy, local.key(policy, key?)?));
        }
        let scopes =
            scopes.into_iter().map(|(policy, key)| Ok(Scope { policy: local.policy(policy)?, key })).collect::<Checked<Vec<_>>>()?;
        let [cost, tokens, now_ms] = ask;
        let decision = local.space(space)?.check_all(&scopes, cost as u64, tokens as u64, now_ms);
        Ok(local.tell(env, &decision))
    })
}

/// The same for several scopes, all or nothing: `policies[i]` governs `keys[i]`.
#[napi(
    catch_unwind,
    ts_args_type = "space: number, policies: Uint32Array, keys: readonly string[], cost: number, tokens: number, nowMs: number"
)]
pub fn rate_limit_check_all(
    env: Env,
    space: u32,
    policies: Uint32ArraySlice,
    keys: Vec<JsText>,
    cost: f64,
    tokens: f64,
    now_ms: f64,
) -> Result<u32> {
    Ok(check_several(env.raw(), space, &policies, keys.into_iter().map(Ok), [cost, tokens, now_ms])?)
}

unsafe extern "C" fn check_all_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above; nothing else runs on the JavaScript thread while the array is borrowed.
    unsafe {
        answer(env, info, |[space, policies, keys, cost, tokens, now_ms]| {
            let ask = [decimal(env, cost)?, decimal(env, tokens)?, decimal(env, now_ms)?];
            let policies = integers(env, policies)?;
            let keys = (0..policies.len() as u32).map(|index| {
                let mut key = ptr::null_mut();
                match sys::napi_get_element(env, keys, index, &raw mut key) {
                    sys::Status::napi_ok => Ok(JsText::new(env, key)),
                    _ => Err(Failure::NotAnArray),
                }
            });
            check_several(env, number(env, space)?, policies, keys, ask)
        })
    }
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

fn correct(space: u32, policy: u32, key: JsText, difference: f64, at_ms: f64, now_ms: f64) -> Checked<u32> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        local.space(space)?.settle(local.policy(policy)?, key, difference as i64, at_ms, now_ms);
        Ok(0)
    })
}

/// Corrects what a decision at `atMs` took from the tokens of a minute.
#[napi(
    catch_unwind,
    ts_args_type = "space: number, policy: number, key: string, reservedTokens: number, actualTokens: number, atMs: number, nowMs: number"
)]
pub fn rate_limit_settle(
    space: u32,
    policy: u32,
    key: JsText,
    reserved_tokens: f64,
    actual_tokens: f64,
    at_ms: f64,
    now_ms: f64,
) -> Result<u32> {
    Ok(correct(space, policy, key, actual_tokens - reserved_tokens, at_ms, now_ms)?)
}

unsafe extern "C" fn settle_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        answer(env, info, |[space, policy, key, reserved, actual, at_ms, now_ms]| {
            let difference = decimal(env, actual)? - decimal(env, reserved)?;
            let key = JsText::new(env, key);
            correct(number(env, space)?, number(env, policy)?, key, difference, decimal(env, at_ms)?, decimal(env, now_ms)?)
        })
    }
}

fn give_back(space: u32, policy: u32, key: JsText) -> Checked<u32> {
    LOCAL.with_borrow_mut(|local| {
        let key = local.key(policy, key)?;
        local.space(space)?.release(local.policy(policy)?, key);
        Ok(0)
    })
}

/// Gives back one of the requests under way.
#[napi(catch_unwind, ts_args_type = "space: number, policy: number, key: string")]
pub fn rate_limit_release(space: u32, policy: u32, key: JsText) -> Result<u32> {
    Ok(give_back(space, policy, key)?)
}

unsafe extern "C" fn release_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { answer(env, info, |[space, policy, key]| give_back(number(env, space)?, number(env, policy)?, JsText::new(env, key))) }
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

#[inline(always)]
fn check_by_handle(env: sys::napi_env, handle: u32, ask: [f64; 3]) -> Checked<u32> {
    LOCAL.with_borrow(|local| {
        let KeyHandle { space, policy, key } = local.handles.get(handle).ok_or(Failure::UnknownHandle)?;
        let [cost, tokens, now_ms] = ask;
        let decision = space.check(local.policy(*policy)?, *key, cost as u64, tokens as u64, now_ms, true);
        Ok(local.tell(env, &decision))
    })
}

/// As `rateLimitCheck`.
#[napi(catch_unwind, ts_args_type = "handle: number, cost: number, tokens: number, nowMs: number")]
pub fn rate_limit_check_handle(env: Env, handle: u32, cost: f64, tokens: f64, now_ms: f64) -> Result<u32> {
    Ok(check_by_handle(env.raw(), handle, [cost, tokens, now_ms])?)
}

unsafe extern "C" fn check_handle_callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        answer(env, info, |[handle, cost, tokens, now_ms]| {
            let ask = [decimal(env, cost)?, decimal(env, tokens)?, decimal(env, now_ms)?];
            check_by_handle(env, number(env, handle)?, ask)
        })
    }
}
