//! Counts pieces by what is known of them.

pub mod counter;
pub mod listed;
mod long_pieces;
mod unknown_pieces;
