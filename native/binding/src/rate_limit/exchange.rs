//! The numbers of a decision, in an array that JavaScript and the addon both see: arguments and an
//! object would take longer than the decision.

use fast_litellm_core::rate_limit::{Ask, Correction, DECISION_FIELDS, Decision};
use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{ValueType, sys};
use std::ptr;

/// In this order in the array.
#[repr(C)]
pub struct Numbers {
    pub decision: Decision,
    space: f64,
    policy: f64,
    cost: f64,
    tokens: f64,
    pub now_ms: f64,
    /// Of the decision that is settled or released.
    pub taken_at_ms: f64,
    /// By how much its tokens change.
    difference: f64,
}

const LEN: usize = DECISION_FIELDS + 7;
const _: () = assert!(size_of::<Numbers>() == LEN * size_of::<f64>());

impl Numbers {
    #[inline(always)]
    pub fn space(&self) -> u32 {
        self.space as u32
    }

    #[inline(always)]
    pub fn policy(&self) -> u32 {
        self.policy as u32
    }

    #[inline(always)]
    pub fn ask(&self) -> Ask {
        Ask::new(self.cost as u64, self.tokens as u64)
    }

    pub fn correction(&self) -> Correction {
        Correction { tokens: self.difference as i64, taken_at_ms: self.taken_at_ms }
    }
}

/// An environment's array. Its reference is never given up, so it lives as long as the environment.
#[derive(Clone, Copy)]
pub struct Exchange {
    pub env: sys::napi_env,
    reference: sys::napi_ref,
    numbers: *mut Numbers,
}

impl Exchange {
    /// # Safety
    /// `env` is that of the running call.
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
    /// The environment is that of the running call, and no other borrow of its numbers is alive.
    #[inline(always)]
    pub unsafe fn numbers<'a>(self) -> &'a mut Numbers {
        // SAFETY: the memory is aligned, lives as long as the environment, and only its own thread
        // uses it.
        unsafe { &mut *self.numbers }
    }
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
