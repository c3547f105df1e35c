//! What a thread keeps between calls: buffers and caches.

use crate::environment::Stop;
use crate::error::{Checked, Failure};
use crate::js_text::JsText;
use fast_litellm_core::token_counter::{self, Cache, Encoding, JsonTextCounter, LongText, MOST_VOCABULARIES, PORTION, Text};
use std::cell::RefCell;

/// Buffers above this are given back after the call that needed them.
const KEEP_BYTES: usize = 1 << 20;
/// Texts of more units are counted portion by portion, with the memory of one.
const LONG: usize = 2 * PORTION;

/// What a thread keeps between calls.
struct Local {
    units: Vec<u16>,
    text: Text,
    ids: Vec<u32>,
    json: JsonBuffers,
    caches: [Option<Box<Cache>>; MOST_VOCABULARIES],
}

/// For texts that are counted as they stand in JSON: of the size of a portion.
#[derive(Default)]
struct JsonBuffers {
    long: LongText,
    bytes: Vec<u8>,
}

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local { units: Vec::new(), text: Text::EMPTY, ids: Vec::new(), json: JsonBuffers { long: LongText::EMPTY, bytes: Vec::new() }, caches: [const { None }; MOST_VOCABULARIES] }) };
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
fn cache(caches: &mut [Option<Box<Cache>>; MOST_VOCABULARIES], vocabulary: usize) -> &mut Cache {
    caches[vocabulary].get_or_insert_with(Default::default)
}

/// Gives this thread the cache of a vocabulary, if it has none.
pub fn keep_cache(vocabulary: usize, cache: Box<Cache>) {
    LOCAL.with_borrow_mut(|local| {
        local.caches[vocabulary].get_or_insert(cache);
    });
}

/// The first `len` units are what JavaScript gave; `text` is where they become UTF-8.
pub struct Copied<'a> {
    pub units: &'a [u16],
    pub len: usize,
    pub text: &'a mut Text,
}

impl<'a> Copied<'a> {
    #[inline(always)]
    pub fn narrowed(self) -> &'a Text {
        self.text.set_utf16(&self.units[..self.len]);
        self.text
    }
}

/// Reads the text and lets `work` use it with this thread's buffers.
#[inline(always)]
pub fn with_text<R>(
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

/// The next units of a long text.
pub struct LongPortion<'a> {
    pub units: &'a [u16],
    /// Whether no more follow.
    pub last: bool,
    /// The count may end above it.
    pub limit: u32,
}

/// Takes a portion of a long text, with this thread's cache. What it returns after a stop is no
/// count.
pub fn push_long(text: &mut LongText, vocabulary: usize, portion: &LongPortion, stop: Option<&Stop>) -> u32 {
    with_cache(vocabulary, stop, |cache, _| push_portions(text, vocabulary, cache, portion))
}

/// Counts texts that lie one behind the other in `units`, with this thread's buffers. What it
/// returns after a stop are no counts.
pub fn count_each(units: &[u16], lengths: &[u32], vocabulary: usize, stop: &Stop) -> Vec<u32> {
    with_cache(vocabulary, Some(stop), |cache, text| {
        let encoding = token_counter::encoding(vocabulary);
        let mut start = 0;
        let count = |length: &u32| {
            let (from, len) = (start, *length as usize);
            start += len;
            if len > LONG {
                let whole = LongPortion { units: &units[from..start], last: true, limit: u32::MAX };
                return push_portions(&mut LongText::default(), vocabulary, cache, &whole);
            }
            encoding.count_utf16(cache, text, &units[from..], len, u32::MAX)
        };
        lengths.iter().map(count).collect()
    })
}

/// Lets `work` count with this thread's buffers. What it finds after a stop are no counts.
pub fn with_json_counter(vocabulary: usize, stop: Option<&Stop>, work: impl FnOnce(JsonTextCounter)) {
    LOCAL.with_borrow_mut(|local| {
        let cache = cache(&mut local.caches, vocabulary);
        cache.merge.stop = stop.map(Stop::flag);
        work(JsonTextCounter { cache: &mut *cache, long: &mut local.json.long, bytes: &mut local.json.bytes });
        cache.merge.stop = None;
        local.finish_long();
    });
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
fn push_portions(text: &mut LongText, vocabulary: usize, cache: &mut Cache, portion: &LongPortion) -> u32 {
    let LongPortion { units: mut rest, last, limit } = *portion;
    let encoding = token_counter::encoding(vocabulary);
    loop {
        let (portion, behind) = rest.split_at(rest.len().min(PORTION));
        rest = behind;
        let count = text.push(encoding, cache, portion, last && rest.is_empty(), limit);
        if rest.is_empty() || count > limit || cache.merge.is_stopped() {
            return count;
        }
    }
}
