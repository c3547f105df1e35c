//! The end of an environment: a worker thread that was terminated wants no answers any more.

use crate::error::{Error, Result};
use napi::{Env, sys};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

thread_local! {
    static OPEN: RefCell<Vec<(sys::napi_env, Stop)>> = const { RefCell::new(Vec::new()) };
}

/// Set once the environment that asked for some work has ended.
#[derive(Clone, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    readers: Arc<Readers>,
}

/// Threads that read memory of an environment, which ends behind the last of them.
#[derive(Default)]
struct Readers {
    count: Mutex<usize>,
    left: Condvar,
}

/// While it exists, memory of the environment stays.
pub struct Reading(Arc<Readers>);

impl Drop for Reading {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_all();
    }
}

impl Stop {
    /// That of an environment.
    pub fn of(env: &Env) -> Result<Self> {
        let raw = env.raw();
        let known = OPEN.with_borrow(|open| open.iter().find(|(env, _)| *env == raw).map(|(_, stop)| stop.clone()));
        if let Some(stop) = known {
            return Ok(stop);
        }
        let stop = Self::default();
        OPEN.with_borrow_mut(|open| open.push((raw, stop.clone())));
        env.add_env_cleanup_hook(raw, |ended| {
            OPEN.with_borrow_mut(|open| {
                open.retain(|(env, stop)| {
                    let ends = *env == ended;
                    if ends {
                        stop.end();
                    }
                    !ends
                });
            });
        })
        .map_err(|error| Error::new("OUT_OF_RESOURCES", error.to_string()))?;
        Ok(stop)
    }

    /// For the core.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// To read memory of the environment; `None` once that has ended.
    pub fn reading(&self) -> Option<Reading> {
        let mut count = self.readers.count.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_set() {
            return None;
        }
        *count += 1;
        Some(Reading(Arc::clone(&self.readers)))
    }

    /// Waits for those who read, some milliseconds: those who come later find the flag.
    fn end(&self) {
        let mut count = self.readers.count.lock().unwrap_or_else(PoisonError::into_inner);
        self.flag.store(true, Ordering::Relaxed);
        while *count > 0 {
            count = self.readers.left.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    #[inline(always)]
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}
