//! Finds the token that two neighbours make, by their ids: 8 bytes whatever their length. Every
//! token is made by exactly one pair, see docs/design/tokenizer.md.

use crate::runtime::prefetch::prefetch;
use crate::token_counter::bpe::vocabulary::{Line, NONE, Vocabulary};

const SLOTS: usize = 8;
/// A slot: the left id, the right id, and the id that they make plus one. Zero is empty.
const ID_BITS: u32 = 20;
const MADE_BITS: u32 = 20;

/// A look-up on its way.
#[derive(Clone, Copy)]
pub struct Join {
    key: u64,
    line: usize,
}

#[inline(always)]
fn key_of(left: u32, right: u32) -> u64 {
    (u64::from(left) << ID_BITS | u64::from(right)) << MADE_BITS
}

#[inline(always)]
fn hash(key: u64) -> u64 {
    (key >> MADE_BITS).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Vocabulary {
    /// Inside the joins' lines.
    #[inline(always)]
    fn join_line_of(&self, hash: u64) -> usize {
        (((hash >> 32) * self.join_lines as u64) >> 32) as usize
    }

    /// What looks up nothing.
    #[inline(always)]
    pub fn no_join(&self) -> Join {
        Join { key: 0, line: self.join_lines }
    }

    /// Begins to look up what `left` and `right` make, if they are `neighbours`, and asks for the
    /// cache line.
    #[inline(always)]
    pub fn begin_join(&self, left: u32, right: u32, neighbours: bool) -> Join {
        let key = key_of(left, right);
        // Asked for without a look at a filter, though most pairs make nothing: that look would be
        // waited for, the line is not.
        let line = if neighbours { self.join_line_of(hash(key)) } else { self.join_lines };
        // SAFETY: at most `join_lines`.
        prefetch(unsafe { self.joins().add(line) });
        Join { key, line }
    }

    /// The token that the pair makes, or `NONE`.
    #[inline(always)]
    pub fn end_join(&self, join: Join) -> u32 {
        let mut line = join.line;
        loop {
            // SAFETY: `line` is at most `join_lines`.
            let slots = unsafe { &*self.joins().add(line) };
            let made = slots.iter().fold(0, |made, slot| made | if (slot ^ join.key) >> MADE_BITS == 0 { *slot } else { 0 });
            if made != 0 || slots[SLOTS - 1] == 0 {
                return (made as u32 & ((1 << MADE_BITS) - 1)).wrapping_sub(1);
            }
            line = if line + 1 < self.join_lines { line + 1 } else { 0 };
        }
    }

    /// The token that two tokens make, or `NONE`. Waited for, unlike those that begin and end, so
    /// it asks the filter first, which is nearer.
    #[inline(always)]
    pub fn joined(&self, left: u32, right: u32) -> u32 {
        let key = key_of(left, right);
        let hash = hash(key);
        if !self.fixed().join_filter.may_have(hash) {
            return NONE;
        }
        self.end_join(Join { key, line: self.join_line_of(hash) })
    }

    /// Asks for the cache lines that `insert_join` writes to.
    #[inline(always)]
    pub(crate) fn prefetch_join(&self, id: u32) {
        let (left, right) = self.split(id);
        // SAFETY: inside the joins' lines.
        prefetch(unsafe { self.joins().add(self.join_line_of(hash(key_of(left, right)))) });
    }

    pub(crate) fn insert_join(&mut self, left: u32, right: u32, id: u32) {
        let key = key_of(left, right);
        let hash = hash(key);
        self.fixed_mut().join_filter.insert(hash);
        let mut line = self.join_line_of(hash);
        loop {
            // SAFETY: `line` is at most `join_lines`, and `self` is borrowed alone.
            let slots: &mut Line = unsafe { &mut *self.joins_mut().add(line) };
            if let Some(free) = slots.iter_mut().find(|slot| **slot == 0) {
                *free = key | u64::from(id + 1);
                return;
            }
            line = if line + 1 < self.join_lines { line + 1 } else { 0 };
        }
    }
}
