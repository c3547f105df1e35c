//! Scans a JSON body over its bytes: validates it as `JSON.parse` does, keeps bounds, and finds the
//! fields of the outermost object and the long texts.

mod keys;
mod numbers;
mod outline;
mod scan;

pub use outline::outline;
pub use scan::{Bound, Bounds, Fault, Field, Scan, scan};

#[cfg(test)]
mod tests;
