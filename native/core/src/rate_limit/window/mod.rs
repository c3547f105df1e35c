//! What was taken under one key: sliding window logs, a token bucket, requests in flight.

pub mod bucket;
pub mod heap_state;
pub mod instant;
pub mod log;
pub mod ring;
pub mod state;
