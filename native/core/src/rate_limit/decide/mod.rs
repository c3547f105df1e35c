//! Whether a request is allowed, and what is left.

pub mod decision;
pub mod multi_key;
