//! The engines of nestjs-fast-litellm, without any knowledge of Node.

pub mod connection_pool;
mod error;
pub mod json_body;
#[cfg(test)]
mod long;
pub mod rate_limit;
pub mod router;
mod runtime;
pub mod token_counter;
#[cfg(test)]
mod unicode_classes;
mod unicode_sets;

pub use error::CoreError;
pub use runtime::shared_memory;
