//! The engines of nestjs-fast-litellm, without any knowledge of Node.

mod error;
pub mod rate_limit;
pub mod token_counter;
#[cfg(test)]
mod unicode_classes;

pub use error::CoreError;
