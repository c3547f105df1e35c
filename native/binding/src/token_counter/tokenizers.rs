//! Tokenizers that are loaded at run time.

use crate::environment::Stop;
use crate::error::{Error, Result, from_core};
use crate::threads::threads;
use crate::token_counter::thread_buffers::{keep_cache, vocabulary};
use fast_litellm_core::token_counter::{self, Cache};
use napi::bindgen_prelude::{Object, Uint8Array, Uint8ArraySlice, Uint32Array};
use napi::{Env, JsDeferred};
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Resolve = Box<dyn FnOnce(Env) -> napi::Result<u32> + Send>;

/// The handle of a tokenizer that some thread has loaded under this name, or -1.
#[napi(catch_unwind)]
pub fn find_tokenizer(name: String) -> i32 {
    token_counter::find_tokenizer(&name).map_or(-1, |handle| handle as i32)
}

/// Loads a packed tokenizer for all threads, and returns its handle. The
/// name stands for the same tokenizer ever after. Throws `DAMAGED_TOKENIZER` and
/// `OUT_OF_RESOURCES`.
#[napi(catch_unwind)]
pub fn load_tokenizer(name: String, packed: Uint8ArraySlice) -> Result<u32> {
    Ok(token_counter::load_tokenizer(&name, packed.to_vec()).map_err(|error| from_core(&error))? as u32)
}

/// A packed tokenizer on its way to the addon. It comes in parts, because copying the megabytes of
/// all of it takes the calling thread 5 ms.
#[napi]
pub struct PackedTokenizerBytes {
    bytes: Vec<u8>,
}

#[napi]
impl PackedTokenizerBytes {
    #[napi(constructor, catch_unwind)]
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { bytes: Vec::with_capacity(length as usize) }
    }

    /// Takes the next part.
    #[napi(catch_unwind)]
    pub fn push(&mut self, part: Uint8ArraySlice) {
        self.bytes.extend_from_slice(&part);
    }

    /// `loadTokenizer` of all parts, beside the calling thread, for which it makes a cache.
    #[napi(catch_unwind, ts_return_type = "Promise<number>")]
    pub fn load_async<'env>(&mut self, env: &'env Env, name: String) -> Result<Object<'env>> {
        let packed = std::mem::take(&mut self.bytes);
        let stop = Stop::of(env)?;
        let (deferred, promise): (JsDeferred<u32, Resolve>, _) =
            env.create_deferred().map_err(|error| Error::new("PROMISE_UNAVAILABLE", error.reason.clone()))?;
        threads()?.spawn(move || {
            if stop.is_set() {
                return deferred.reject(napi::Error::from_reason("the thread has ended"));
            }
            let load = || token_counter::load_tokenizer(&name, packed).map(|handle| (handle as u32, Box::new(Cache::provided())));
            match catch_unwind(AssertUnwindSafe(load)) {
                Ok(Ok((handle, cache))) => deferred.resolve(Box::new(move |_| {
                    let _ = vocabulary(handle).map(|vocabulary| keep_cache(vocabulary, cache));
                    Ok(handle)
                })),
                Ok(Err(error)) => deferred.reject(napi::Error::from_reason(error.to_string())),
                Err(_) => deferred.reject(napi::Error::from_reason("a panic while loading a tokenizer")),
            }
        });
        Ok(promise)
    }
}

/// The vocabulary and the merges of a `tokenizer.json`, and the rest of it as JSON.
#[napi(object)]
pub struct VocabularyParts {
    pub rest: String,
    /// The tokens in UTF-8, one behind the other, with their lengths.
    pub texts: Uint8Array,
    pub lengths: Uint32Array,
    pub ids: Uint32Array,
    /// By rank: the two tokens that merge, and the one that they make.
    pub left: Uint32Array,
    pub right: Uint32Array,
    pub made: Uint32Array,
}

/// Reads a `tokenizer.json`; `null` for one that is damaged or of another kind.
#[napi(catch_unwind)]
pub fn read_vocabulary(json: Uint8ArraySlice) -> Option<VocabularyParts> {
    let file = token_counter::VocabularyFile::read(&json)?;
    Some(VocabularyParts {
        rest: file.rest,
        texts: file.texts.into(),
        lengths: file.lengths.into(),
        ids: file.ids.into(),
        left: file.left.into(),
        right: file.right.into(),
        made: file.made.into(),
    })
}
