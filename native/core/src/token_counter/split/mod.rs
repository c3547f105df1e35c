//! Splits a text into pieces before BPE; no token crosses the end of a piece. The entry is
//! `scan::scan`; `pattern` is the encoding's expression, `cuts` splits long pieces further.

pub mod block;
pub mod case_cuts;
pub mod characters;
pub mod classes;
mod cursor;
pub mod cuts;
mod deepseek;
mod midpoint;
pub mod pattern;
pub mod runs;
pub mod scan;
mod sets;
pub mod spanned;
pub mod wide_characters;
pub mod window;
