//! Selects one of many deployments, on the memory that JavaScript reads and writes itself. What
//! needs what:
//!
//! ```text
//! scan -> strategy -> members -> memory, question      participants -> memory
//! ```

mod members;
mod memory;
mod participants;
mod question;
mod scan;
mod strategy;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

pub use members::{FACTS, Members};
pub use memory::Memory;
pub use participants::{Participant, slot};
pub use question::{COUNT, QUESTION, Question};
pub use scan::scan;
pub use strategy::Strategy;
