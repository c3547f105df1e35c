//! The numbers that a decision is asked with and answered by: JavaScript reads and writes them in a hundredth of the time that arguments and results take.

use fast_litellm_core::rate_limit::{Ask, DECISION_FIELDS, Decision, STATE_NUMBERS};
use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{ValueType, sys};
use std::ptr;

/// In this order in the array.
#[repr(C)]
pub struct Numbers {
    pub decision: Decision,
    /// By how much tokens change, and since when.
    difference: f64,
    since_ms: f64,
    now_ms: f64,
    cost: u32,
    /// Both halves of the key's hash: apart, as two writes are not yet in memory when one read wants them both.
    low: u32,
    tokens: u32,
    high: u32,
    space: u32,
    policy: u32,
    /// How many numbers of `state` count.
    pub state_len: f64,
    /// A key that is lent or comes back; or several scopes, with policy and hash of each.
    pub state: [f64; STATE_NUMBERS],
}

/// Integers are half a number.
const LEN: usize = DECISION_FIELDS + 3 + 6 / 2 + 1 + STATE_NUMBERS;
/// Policy, and both halves of the hash.
const SCOPE_NUMBERS: usize = 3;
const _: () = assert!(size_of::<Numbers>() == LEN * size_of::<f64>());

/// An environment's array. Its reference is never given up, so it lives as long as the environment.
#[derive(Clone, Copy)]
pub struct Exchange {
    pub env: sys::napi_env,
    reference: sys::napi_ref,
    numbers: *mut Numbers,
}

impl Exchange {
    /// # Safety
    /// `env` is that of the call that is running.
    pub unsafe fn new(env: sys::napi_env) -> napi::Result<Self> {
        let (mut buffer, mut array, mut reference, mut data) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the caller's.
        unsafe {
            checked(sys::napi_create_arraybuffer(env, LEN * size_of::<f64>(), &raw mut data, &raw mut buffer))?;
            checked(sys::napi_create_typedarray(env, sys::TypedarrayType::float64_array, LEN, buffer, 0, &raw mut array))?;
            checked(sys::napi_create_reference(env, array, 1, &raw mut reference))?;
        }
        Ok(Self { env, reference, numbers: data.cast() })
    }

    /// # Safety
    /// The environment is that of the call that is running, and no other borrow of its numbers is alive.
    #[inline(always)]
    pub unsafe fn numbers<'a>(self) -> &'a mut Numbers {
        // SAFETY: the memory is aligned, lives as long as the environment, and only its own thread uses it.
        unsafe { &mut *self.numbers }
    }
}

impl Numbers {
    /// Requests and tokens to take, and the time.
    #[inline(always)]
    pub fn ask(&self) -> (Ask, f64) {
        (Ask { cost: self.cost.into(), tokens: self.tokens.into(), places: 1 }, self.now_ms)
    }

    #[inline(always)]
    pub fn space(&self) -> u32 {
        self.space
    }

    #[inline(always)]
    pub fn policy(&self) -> u32 {
        self.policy
    }

    #[inline(always)]
    pub fn hash(&self) -> u64 {
        hash_of(self.low, self.high)
    }

    pub fn set_hash(&mut self, hash: u64) {
        (self.low, self.high) = (hash as u32, (hash >> 32) as u32);
    }

    /// Policy and hash of each scope.
    pub fn scopes(&self) -> impl Iterator<Item = (u32, u64)> {
        self.state().chunks_exact(SCOPE_NUMBERS).map(|scope| (scope[0] as u32, hash_of(scope[1] as i32 as u32, scope[2] as i32 as u32)))
    }

    /// The time.
    pub fn now_ms(&self) -> f64 {
        self.now_ms
    }

    /// The state that is written there.
    pub fn state(&self) -> &[f64] {
        &self.state[..(self.state_len as usize).min(STATE_NUMBERS)]
    }

    /// By how much tokens change, since when, and the time.
    pub fn correction(&self) -> (i64, f64, f64) {
        (self.difference as i64, self.since_ms, self.now_ms)
    }
}

#[inline(always)]
fn hash_of(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl TypeName for Exchange {
    fn type_name() -> &'static str {
        "Float64Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Exchange {
    unsafe fn to_napi_value(env: sys::napi_env, exchange: Self) -> napi::Result<sys::napi_value> {
        let mut array = ptr::null_mut();
        // SAFETY: the reference is this environment's, and strong.
        checked(unsafe { sys::napi_get_reference_value(env, exchange.reference, &raw mut array) })?;
        Ok(array)
    }
}

fn checked(status: sys::napi_status) -> napi::Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        failed => Err(napi::Error::new(napi::Status::from(failed), "cannot make the array of a decision")),
    }
}
