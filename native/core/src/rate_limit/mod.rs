//! Rate limits: decides on a request and takes from the limits in one step, exactly, in every
//! thread of the process.
//!
//! `table` keeps the keys, `window` what was taken under one key, `decide` says whether a request
//! is allowed. docs/design/rate-limiter.md draws the data structures.

mod decide;
mod policy;
mod registry;
mod table;
#[cfg(test)]
mod tests;
mod window;

pub use decide::decision::{DECISION_FIELDS, Decision};
pub use policy::{Ask, Code, Policy, Spec};
pub use registry::{close, intern, open, release};
pub use table::key::{Key, Scope};
pub use table::space::{Correction, Space, Stats};
