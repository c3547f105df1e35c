//! Where the pieces of a text are: tokens never cross their ends.

pub mod block;
pub mod case_cuts;
pub mod classes;
pub mod cuts;
mod midpoint;
pub mod pattern;
pub mod scan;
pub mod wide_characters;
pub mod window;
