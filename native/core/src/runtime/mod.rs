//! What the engines need of the process and the machine.

pub(crate) mod huge_pages;
pub(crate) mod json_text;
pub(crate) mod prefetch;
pub mod shared_memory;
