//! The keys of the open objects, to find one that stands twice in its object.

use crate::runtime::json_text::{Lone, Unescape};
use std::borrow::Cow;
use std::collections::HashSet;

/// So many keys of an object are compared one by one; of more a set is made.
const FEW: usize = 8;

/// A key as bytes that are equal where keys are: unescaped, half a surrogate pair in three bytes.
type Key<'a> = Cow<'a, [u8]>;

/// The keys of one open object.
#[derive(Default)]
pub struct ObjectKeys<'a> {
    /// Its first one among [`Keys::few`].
    first: usize,
    pub count: usize,
    /// Hashed with random keys, so a client cannot choose colliding ones.
    many: Option<HashSet<Key<'a>>>,
}

/// Of all open objects, those of the innermost last.
#[derive(Default)]
pub struct Keys<'a> {
    few: Vec<Key<'a>>,
}

impl<'a> Keys<'a> {
    pub fn open(&self) -> ObjectKeys<'a> {
        ObjectKeys { first: self.few.len(), count: 0, many: None }
    }

    pub fn close(&mut self, object: &ObjectKeys<'a>) {
        self.few.truncate(object.first);
    }

    /// Adds a key to the innermost object; `false` if it has that key.
    pub fn add(&mut self, object: &mut ObjectKeys<'a>, key: Key<'a>) -> bool {
        object.count += 1;
        if let Some(many) = &mut object.many {
            return many.insert(key);
        }
        let own = &self.few[object.first..];
        if own.contains(&key) {
            return false;
        }
        self.few.push(key);
        if self.few.len() - object.first > FEW {
            object.many = Some(self.few.drain(object.first..).collect());
        }
        true
    }
}

/// The key between these quotes.
pub fn key_of(raw: &[u8], is_escaped: bool) -> Key<'_> {
    if !is_escaped {
        return Cow::Borrowed(raw);
    }
    let mut key = Vec::with_capacity(raw.len());
    Unescape::new(raw, Lone::Kept).append(usize::MAX, &mut key);
    Cow::Owned(key)
}
