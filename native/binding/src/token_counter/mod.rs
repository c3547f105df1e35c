use crate::environment::Stop;
use crate::error::{Checked, Failure, Result, from_core};
use crate::js_text::JsText;
use fast_litellm_core::token_counter::{self, Cache, Encoding, LongText, PORTION, Text, VOCABULARY_COUNT};
use napi::bindgen_prelude::{Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use std::cell::RefCell;

/// Buffers above this are given back after the call that needed them.
const KEEP_BYTES: usize = 1 << 20;
/// Texts of more units are counted portion by portion, with the memory of one.
const LONG: usize = 2 * PORTION;

/// What a thread keeps between calls.
#[derive(Default)]
struct Local {
    units: Vec<u16>,
    text: Text,
    ids: Vec<u32>,
    caches: [Option<Box<Cache>>; VOCABULARY_COUNT],
}

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local { units: Vec::new(), text: Text::EMPTY, ids: Vec::new(), caches: [const { None }; VOCABULARY_COUNT] }) };
}

impl Local {
    #[inline(always)]
    fn finish(&mut self) {
        if self.units.len() * 2 > KEEP_BYTES {
            self.units = Vec::new();
            self.ids = Vec::new();
            self.finish_long();
        }
    }

    /// Gives back what one huge piece has needed.
    fn finish_long(&mut self) {
        self.text.shrink(KEEP_BYTES);
        self.caches.iter_mut().flatten().for_each(|cache| cache.merge.shrink(KEEP_BYTES));
    }
}

#[inline(always)]
pub fn vocabulary(handle: u32) -> Checked<usize> {
    token_counter::vocabulary_of(handle as usize).ok_or(Failure::UnknownEncoding)
}

#[inline(always)]
fn cache(caches: &mut [Option<Box<Cache>>; VOCABULARY_COUNT], vocabulary: usize) -> &mut Cache {
    caches[vocabulary].get_or_insert_with(Default::default)
}

/// The first `len` units are what JavaScript gave; `text` is where they become UTF-8.
struct Copied<'a> {
    units: &'a [u16],
    len: usize,
    text: &'a mut Text,
}

impl<'a> Copied<'a> {
    #[inline(always)]
    fn narrowed(self) -> &'a Text {
        self.text.set_utf16(&self.units[..self.len]);
        self.text
    }
}

/// Reads the text and lets `work` use it with this thread's buffers.
#[inline(always)]
fn with_text<R>(
    text: JsText,
    handle: impl FnOnce() -> Checked<u32>,
    work: impl FnOnce(&'static Encoding, &mut Cache, Copied, &mut Vec<u32>) -> R,
) -> Checked<R> {
    LOCAL.with_borrow_mut(|local| {
        let len = text.read(&mut local.units)?;
        // Behind the copy: what needs no text is done while that is waited for.
        let vocabulary = vocabulary(handle()?)?;
        let copied = Copied { units: &local.units, len, text: &mut local.text };
        let result = work(token_counter::encoding(vocabulary), cache(&mut local.caches, vocabulary), copied, &mut local.ids);
        local.finish();
        Ok(result)
    })
}

/// `countTokensUpTo`.
#[inline(always)]
pub fn count(text: JsText, handle: impl FnOnce() -> Checked<u32>, limit: u32) -> Checked<u32> {
    with_text(text, handle, |encoding, cache, text, _| encoding.count_utf16(cache, text.text, text.units, text.len, limit))
}

/// `prefixLength`.
#[inline(always)]
pub fn prefix(text: JsText, handle: impl FnOnce() -> Checked<u32>, max_tokens: u32) -> Checked<u32> {
    with_text(text, handle, |encoding, cache, text, ids| encoding.prefix_len(cache, text.narrowed(), max_tokens as usize, ids) as u32)
}

/// The handle of an encoding, whose tables are built at the first call of the process. Throws `UNKNOWN_ENCODING`.
#[napi(catch_unwind)]
pub fn load_encoding(name: String) -> Result<u32> {
    let handle = token_counter::handle_of(&name).ok_or(Failure::UnknownEncoding)?;
    token_counter::encoding(vocabulary(handle as u32)?);
    Ok(handle as u32)
}

/// Number of tokens of `text`.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number")]
pub fn count_tokens(text: JsText, encoding: u32) -> Result<u32> {
    Ok(count(text, || Ok(encoding), u32::MAX)?)
}

/// Like `countTokens`, but stops once more than `limit` are certain and then returns some number above it.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number, limit: number")]
pub fn count_tokens_up_to(text: JsText, encoding: u32, limit: u32) -> Result<u32> {
    Ok(count(text, || Ok(encoding), limit)?)
}

/// Writes the ids of `text` into `ids`, as many as fit, and returns how many there are.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number, ids: Uint32Array")]
pub fn encode(text: JsText, encoding: u32, mut ids: Uint32ArraySlice) -> Result<u32> {
    let count = with_text(
        text,
        || Ok(encoding),
        |encoding, cache, text, found| {
            found.clear();
            encoding.encode(cache, text.narrowed(), usize::MAX, found);
            // SAFETY: nothing else runs on the JavaScript thread during this call.
            let target = unsafe { ids.as_mut() };
            let fitting = found.len().min(target.len());
            target[..fitting].copy_from_slice(&found[..fitting]);
            found.len() as u32
        },
    )?;
    Ok(count)
}

/// Writes the bytes of `ids`, which may not hold special tokens, to the start of `bytes`, if all fit, and returns how many they are. Throws `UNKNOWN_TOKEN`.
#[napi(catch_unwind, ts_args_type = "ids: Uint32Array, encoding: number, bytes: Uint8Array")]
pub fn decode(ids: Uint32ArraySlice, encoding: u32, mut bytes: Uint8ArraySlice) -> Result<f64> {
    let encoding = token_counter::encoding(vocabulary(encoding)?);
    // SAFETY: nothing else runs on the JavaScript thread during this call.
    let len = encoding.decode(&ids, unsafe { bytes.as_mut() }).map_err(|error| from_core(&error))?;
    Ok(len as f64)
}

/// Length in UTF-16 units of the first `maxTokens` tokens of `text`, without a character cut in half at the end.
#[napi(catch_unwind, ts_args_type = "text: string, encoding: number, maxTokens: number")]
pub fn prefix_length(text: JsText, encoding: u32, max_tokens: u32) -> Result<u32> {
    Ok(prefix(text, || Ok(encoding), max_tokens)?)
}

/// Takes a portion of a long text, with this thread's cache. What it returns after a stop is no count.
pub fn push_long(text: &mut LongText, vocabulary: usize, units: &[u16], last: bool, limit: u32, stop: Option<&Stop>) -> u32 {
    with_cache(vocabulary, stop, |cache, _| push_portions(text, vocabulary, cache, units, last, limit))
}

/// Counts texts that lie one behind the other in `units`, with this thread's buffers. What it returns after a stop are no counts.
pub fn count_each(units: &[u16], lengths: &[u32], vocabulary: usize, stop: &Stop) -> Vec<u32> {
    with_cache(vocabulary, Some(stop), |cache, text| {
        let encoding = token_counter::encoding(vocabulary);
        let mut start = 0;
        let count = |length: &u32| {
            let (from, len) = (start, *length as usize);
            start += len;
            if len > LONG {
                return push_portions(&mut LongText::default(), vocabulary, cache, &units[from..start], true, u32::MAX);
            }
            encoding.count_utf16(cache, text, &units[from..], len, u32::MAX)
        };
        lengths.iter().map(count).collect()
    })
}

/// With this thread's cache and text, which are stopped with the environment.
fn with_cache<R>(vocabulary: usize, stop: Option<&Stop>, work: impl FnOnce(&mut Cache, &mut Text) -> R) -> R {
    LOCAL.with_borrow_mut(|local| {
        let cache = cache(&mut local.caches, vocabulary);
        cache.merge.stop = stop.map(Stop::flag);
        let result = work(cache, &mut local.text);
        cache.merge.stop = None;
        local.finish_long();
        result
    })
}

/// Breaks off above the limit and at a stop.
fn push_portions(text: &mut LongText, vocabulary: usize, cache: &mut Cache, units: &[u16], last: bool, limit: u32) -> u32 {
    let encoding = token_counter::encoding(vocabulary);
    let mut rest = units;
    loop {
        let (portion, behind) = rest.split_at(rest.len().min(PORTION));
        rest = behind;
        let count = text.push(encoding, cache, portion, last && rest.is_empty(), limit);
        if rest.is_empty() || count > limit || cache.merge.is_stopped() {
            return count;
        }
    }
}
