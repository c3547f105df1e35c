//! The keys of a space: bounded, sharded, 32 bytes each while little was taken under them.

pub mod index;
pub mod key;
pub mod reset_tombstones;
pub mod shard;
pub mod slot;
pub mod space;
