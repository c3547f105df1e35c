//! Byte-pair merging, and the tables it asks.

mod backtrack;
mod block_merge;
mod filter;
mod heap_merge;
pub mod key;
pub mod lengths;
pub mod long_merge;
#[cfg(test)]
mod long_merge_tests;
mod longest;
pub mod merge;
mod merge_table;
pub mod piece;
mod rank_merge;
pub mod vocabulary;
