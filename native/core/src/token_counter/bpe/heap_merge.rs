//! Byte-pair merging of any number of bytes, by a heap of all merges: slower than blocks, and
//! without a bound.

use crate::token_counter::bpe::vocabulary::{NONE, Vocabulary};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Merges any number of bytes: the bounds and ids of
/// [`crate::token_counter::bpe::block_merge::Merged`].
pub(crate) fn merge_any(vocabulary: &Vocabulary, bytes: &[u8]) -> (Vec<u64>, Vec<u32>) {
    let len = bytes.len();
    let mut ids: Vec<u32> = bytes.iter().map(|byte| vocabulary.byte_ids[usize::from(*byte)]).collect();
    let mut next: Vec<u32> = (1..=len as u32).collect();
    let mut previous: Vec<u32> = (0..len as u32).map(|at| at.wrapping_sub(1)).collect();
    let mut ranks: Vec<u32> = bytes.windows(2).map(|pair| vocabulary.pair(pair[0], pair[1])).chain([NONE]).collect();
    let mut heap: BinaryHeap<_> =
        ranks.iter().enumerate().filter(|(_, rank)| **rank != NONE).map(|(at, rank)| Reverse((*rank, at as u32))).collect();
    while let Some(Reverse((rank, at))) = heap.pop() {
        let at = at as usize;
        if ranks[at] != rank {
            continue;
        }
        let middle = next[at] as usize;
        let end = next[middle] as usize;
        ids[at] = rank;
        next[at] = end as u32;
        [ranks[at], ranks[middle]] = [NONE; 2];
        let mut rank_at = |at: usize, right: usize| {
            ranks[at] = vocabulary.joined(ids[at], ids[right]);
            if ranks[at] != NONE {
                heap.push(Reverse((ranks[at], at as u32)));
            }
        };
        if end < len {
            previous[end] = at as u32;
            rank_at(at, end);
        }
        if at > 0 {
            rank_at(previous[at] as usize, at);
        }
    }
    let mut bounds = vec![0; len / 64 + 1];
    let mut at = 0;
    while at < len {
        bounds[at / 64] |= 1 << (at % 64);
        at = next[at] as usize;
    }
    bounds[len / 64] |= 1 << (len % 64);
    (bounds, ids)
}
