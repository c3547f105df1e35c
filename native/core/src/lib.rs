//! The engines of nestjs-fast-litellm, without any knowledge of Node.

pub mod clock;
pub mod connection_pool;
mod error;
#[cfg(test)]
mod long;
mod prefetch;
pub mod rate_limit;
pub mod router;
pub mod shared_memory;
pub mod token_counter;
#[cfg(test)]
mod unicode_classes;

pub use error::CoreError;
