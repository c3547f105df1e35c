//! Routing over many deployments: what JavaScript would take long for, on the memory that it reads and writes itself.

mod members;
mod memory;
mod order;
mod space;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

pub use members::{FACTS, Members, Order, QUESTION, Question};
pub use memory::Memory;
pub use order::{Seen, lottery, rank, scan};
pub use space::{Participant, slot};
