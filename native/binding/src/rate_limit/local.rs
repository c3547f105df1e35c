//! What a thread keeps between calls.

use super::exchange::Exchange;
use crate::error::{Checked, Failure};
use crate::js_text::JsText;
use fast_litellm_core::rate_limit::{self, Policy, Space};
use napi::sys;
use std::cell::RefCell;
use std::sync::Arc;

/// Units above this are given back after the call that needed them.
const KEEP_UNITS: usize = 1 << 16;

/// A space that this thread has open: the process's handle and the space itself, so that no decision waits for other threads' opening and closing.
pub struct Opened {
    pub handle: u32,
    pub space: Arc<Space>,
}

/// A thread that ends has closed what it opened.
impl Drop for Opened {
    fn drop(&mut self) {
        rate_limit::close(self.handle);
    }
}

/// A policy that this thread has interned, and how often.
pub struct Interned {
    handle: u32,
    times: usize,
    pub policy: Policy,
}

/// A thread that ends has released what it interned.
impl Drop for Interned {
    fn drop(&mut self) {
        for _ in 0..self.times {
            rate_limit::release(self.handle);
        }
    }
}

/// Things under small numbers that are used again.
pub struct Numbered<T> {
    things: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Numbered<T> {
    pub const fn new() -> Self {
        Self { things: Vec::new(), free: Vec::new() }
    }

    pub fn add(&mut self, thing: T) -> u32 {
        let number = self.free.pop().unwrap_or(self.things.len() as u32);
        if number as usize == self.things.len() {
            self.things.push(None);
        }
        self.things[number as usize] = Some(thing);
        number
    }

    #[inline(always)]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.things.get(number as usize)?.as_ref()
    }

    pub fn take(&mut self, number: u32) -> Option<T> {
        let thing = self.things.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(thing)
    }
}

/// What a thread keeps between calls.
pub struct Local {
    units: Vec<u16>,
    policies: Vec<Option<Interned>>,
    pub spaces: Numbered<Opened>,
    pub exchanges: Vec<Exchange>,
}

thread_local! {
    pub static LOCAL: RefCell<Local> = const {
        RefCell::new(Local { units: Vec::new(), policies: Vec::new(), spaces: Numbered::new(), exchanges: Vec::new() })
    };
}

impl Local {
    /// The hash of a key's text.
    #[inline(always)]
    pub fn hash(&mut self, text: JsText) -> Checked<u64> {
        let len = text.read(&mut self.units)?;
        let hash = rate_limit::hash_text(&self.units[..len]);
        if self.units.len() > KEEP_UNITS {
            self.units = Vec::new();
        }
        Ok(hash)
    }

    /// Remembers what was interned once more.
    pub fn intern(&mut self, handle: u32, policy: Policy) {
        let place = handle as usize;
        if self.policies.len() <= place {
            self.policies.resize_with(place + 1, || None);
        }
        match &mut self.policies[place] {
            Some(interned) => interned.times += 1,
            none => *none = Some(Interned { handle, times: 1, policy }),
        }
    }

    /// Releases what was interned once. Whether it was.
    pub fn release(&mut self, handle: u32) -> bool {
        let Some(place) = self.policies.get_mut(handle as usize) else {
            return false;
        };
        let Some(interned) = place else {
            return false;
        };
        interned.times -= 1;
        if interned.times == 0 {
            interned.times = 1;
            *place = None;
        } else {
            rate_limit::release(handle);
        }
        true
    }

    #[inline(always)]
    pub fn policy(&self, policy: u32) -> Checked<&Policy> {
        match self.policies.get(policy as usize) {
            Some(Some(interned)) => Ok(&interned.policy),
            _ => Err(Failure::UnknownPolicy),
        }
    }

    #[inline(always)]
    pub fn space(&self, space: u32) -> Checked<&Space> {
        self.spaces.get(space).map(|opened| &*opened.space).ok_or(Failure::UnknownSpace)
    }

    /// What is exchanged with the environment's engine.
    #[inline(always)]
    pub fn exchange(&self, env: sys::napi_env) -> Checked<Exchange> {
        self.exchanges.iter().find(|exchange| exchange.env == env).copied().ok_or(Failure::NoExchange)
    }
}
