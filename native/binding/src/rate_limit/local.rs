//! What a thread keeps between calls.

use super::exchange::Exchange;
use crate::error::{Checked, Failure};
use crate::js_text::JsText;
use fast_litellm_core::rate_limit::{self, Key, Policy, Space};
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

pub struct KeyHandle {
    pub space: Arc<Space>,
    pub policy: u32,
    pub key: Key,
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
    pub policies: Vec<Policy>,
    pub spaces: Numbered<Opened>,
    pub handles: Numbered<KeyHandle>,
    pub exchanges: Vec<Exchange>,
}

thread_local! {
    pub static LOCAL: RefCell<Local> = const {
        RefCell::new(Local { units: Vec::new(), policies: Vec::new(), spaces: Numbered::new(), handles: Numbered::new(), exchanges: Vec::new() })
    };
}

impl Local {
    #[inline(always)]
    pub fn key(&mut self, policy: u32, text: JsText) -> Checked<Key> {
        let len = text.read(&mut self.units)?;
        let policy = self.policies.get(policy as usize).ok_or(Failure::UnknownPolicy)?;
        let key = Key::new(policy, &self.units[..len]);
        if self.units.len() > KEEP_UNITS {
            self.units = Vec::new();
        }
        Ok(key)
    }

    #[inline(always)]
    pub fn policy(&self, policy: u32) -> Checked<&Policy> {
        self.policies.get(policy as usize).ok_or(Failure::UnknownPolicy)
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
