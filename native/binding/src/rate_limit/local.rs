//! What a thread has open: the process's handles beside what they stand for, so that no decision
//! waits for other threads.

use super::exchange::Exchange;
use super::numbered::Numbered;
use crate::error::{Checked, Failure};
use crate::js_text::JsText;
use fast_litellm_core::rate_limit::{self, Key, Policy, Space};
use napi::sys;
use std::cell::RefCell;
use std::sync::Arc;

/// Units above this are given back after the call that needed them.
const KEEP_UNITS: usize = 1 << 16;

/// A space, closed when the thread closes it or ends.
pub struct Opened {
    pub handle: u32,
    pub space: Arc<Space>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        rate_limit::close(self.handle);
    }
}

/// A policy, and how often the thread has interned it; released when the thread ends.
struct Interned {
    handle: u32,
    times: usize,
    policy: Policy,
}

impl Drop for Interned {
    fn drop(&mut self) {
        for _ in 0..self.times {
            rate_limit::release(self.handle);
        }
    }
}

/// A key that was hashed once. It outlives its space and its policy: their numbers are used again.
pub struct KeyHandle {
    pub space: Arc<Space>,
    pub policy: Policy,
    pub key: Key,
}

pub struct Local {
    units: Vec<u16>,
    policies: Vec<Option<Interned>>,
    pub spaces: Numbered<Opened>,
    pub handles: Numbered<KeyHandle>,
    pub exchanges: Vec<Exchange>,
}

thread_local! {
    pub static LOCAL: RefCell<Local> = const {
        RefCell::new(Local {
            units: Vec::new(),
            policies: Vec::new(),
            spaces: Numbered::new(),
            handles: Numbered::new(),
            exchanges: Vec::new(),
        })
    };
}

impl Local {
    /// The key of a text under a policy.
    #[inline(always)]
    pub fn key(&mut self, policy: u32, text: JsText) -> Checked<Key> {
        let len = text.read(&mut self.units)?;
        let key = Key::new(self.policy(policy)?, &self.units[..len]);
        if self.units.len() > KEEP_UNITS {
            self.units = Vec::new();
        }
        Ok(key)
    }

    pub fn open_handle(&mut self, space: u32, policy: u32, text: JsText) -> Checked<u32> {
        let key = self.key(policy, text)?;
        let policy = self.policy(policy)?.clone();
        let space = self.spaces.get(space).map(|opened| Arc::clone(&opened.space)).ok_or(Failure::UnknownSpace)?;
        Ok(self.handles.add(KeyHandle { space, policy, key }))
    }

    /// Remembers a policy that was interned once more.
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

    /// Releases what was interned once. Returns whether it was.
    pub fn release(&mut self, handle: u32) -> bool {
        let Some(place) = self.policies.get_mut(handle as usize) else {
            return false;
        };
        match place {
            Some(interned) if interned.times > 1 => {
                interned.times -= 1;
                rate_limit::release(handle);
                true
            }
            _ => place.take().is_some(),
        }
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

    #[inline(always)]
    pub fn handle(&self, handle: u32) -> Checked<&KeyHandle> {
        self.handles.get(handle).ok_or(Failure::UnknownHandle)
    }

    #[inline(always)]
    pub fn exchange(&self, env: sys::napi_env) -> Checked<Exchange> {
        self.exchanges.iter().find(|exchange| exchange.env == env).copied().ok_or(Failure::NoExchange)
    }
}
