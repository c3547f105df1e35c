//! The end of an environment: a worker thread that was terminated wants no answers any more.

use crate::error::{Error, Result};
use napi::{Env, sys};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static OPEN: RefCell<Vec<(sys::napi_env, Stop)>> = const { RefCell::new(Vec::new()) };
}

/// Set once the environment that asked for some work has ended.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

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
                    stop.0.fetch_or(ends, Ordering::Relaxed);
                    !ends
                });
            });
        })
        .map_err(|error| Error::new("OUT_OF_RESOURCES", error.to_string()))?;
        Ok(stop)
    }

    /// For the core.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    #[inline(always)]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
