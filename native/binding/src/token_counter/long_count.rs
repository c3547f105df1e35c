//! Texts that are handed over in portions: none has to be held as a whole, and a count ends soon
//! after its limit.

use super::thread_buffers::{LongPortion, push_long, vocabulary};
use crate::environment::Stop;
use crate::error::{Error, Result};
use crate::js_text::JsText;
use crate::threads::threads;
use fast_litellm_core::token_counter::LongText;
use napi::bindgen_prelude::Object;
use napi::{Env, JsDeferred};
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

type Resolve = Box<dyn FnOnce(Env) -> napi::Result<u32> + Send>;

/// What is known of a text. Its memory is freed at its end: the garbage collector, which does not
/// see it, may come to the object much later.
enum Counted {
    SoFar(LongText),
    /// All of it, or more than its limit.
    End(u32),
}

impl Default for Counted {
    fn default() -> Self {
        Self::SoFar(LongText::default())
    }
}

/// A text while it is counted.
#[napi]
pub struct LongCount {
    text: Arc<Mutex<Counted>>,
    vocabulary: usize,
    limit: u32,
}

#[napi]
impl LongCount {
    /// Throws `UNKNOWN_ENCODING`.
    #[napi(constructor, catch_unwind)]
    pub fn new(encoding: u32, limit: u32) -> Result<Self> {
        Ok(Self { text: Arc::default(), vocabulary: vocabulary(encoding)?, limit })
    }

    /// Takes the next portion, and returns the tokens that are certain: all of them behind the
    /// `last` one. Above the limit, or behind the last, it stays at its count.
    #[napi(catch_unwind, ts_args_type = "portion: string, last: boolean")]
    pub fn push(&self, portion: JsText, last: bool) -> Result<u32> {
        let mut units = Vec::new();
        let len = portion.read(&mut units)?;
        let portion = LongPortion { units: &units[..len], last, limit: self.limit };
        Ok(push(&self.text, self.vocabulary, &portion, None))
    }

    /// The same beside the calling thread. One portion at a time.
    #[napi(catch_unwind, ts_args_type = "portion: string, last: boolean", ts_return_type = "Promise<number>")]
    pub fn push_async<'env>(&self, env: &'env Env, portion: JsText, last: bool) -> Result<Object<'env>> {
        let mut units = Vec::new();
        let len = portion.read(&mut units)?;
        let stop = Stop::of(env)?;
        let threads = threads()?;
        let (deferred, promise): (JsDeferred<u32, Resolve>, _) =
            env.create_deferred().map_err(|error| Error::new("PROMISE_UNAVAILABLE", error.reason.clone()))?;
        let (text, vocabulary, limit) = (Arc::clone(&self.text), self.vocabulary, self.limit);
        threads.spawn(move || {
            if stop.is_set() {
                return deferred.reject(napi::Error::from_reason("the thread has ended"));
            }
            let portion = LongPortion { units: &units[..len], last, limit };
            match catch_unwind(AssertUnwindSafe(|| push(&text, vocabulary, &portion, Some(&stop)))) {
                Ok(count) => deferred.resolve(Box::new(move |_| Ok(count))),
                Err(_) => deferred.reject(napi::Error::from_reason("a panic while counting a text")),
            }
        });
        Ok(promise)
    }
}

fn push(counted: &Mutex<Counted>, vocabulary: usize, portion: &LongPortion, stop: Option<&Stop>) -> u32 {
    let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
    let count = match &mut *counted {
        Counted::End(count) => return *count,
        Counted::SoFar(text) => push_long(text, vocabulary, portion, stop),
    };
    if portion.last || count > portion.limit {
        *counted = Counted::End(count);
    }
    count
}
