//! The books of connection pools, in memory that JavaScript of every thread reads. Here are the
//! names of pools and endpoints, the caps, the end of a member (an instance in one thread), and
//! what reads a whole memory: the sweep and the totals.
//!
//! Layout, in 32-bit integers, `room` places for endpoints: header (`HEADER`) · connections per
//! place · then for each member a header, its connections per place, and its leased connections per
//! place. Of its part a member's thread writes the leases and those who wait itself; all
//! connections are counted here, by one call from the first word to the last: a thread of
//! JavaScript can be ended from outside at nearly any point, but in no call of ours.

mod pool;
mod read;
#[cfg(test)]
mod tests;

pub use pool::{Full, Member, join};
pub use read::{Totals, expired, totals};

/// Integers of a header.
pub const HEADER: usize = 16;
/// In the pool's header.
pub const CONNECTIONS: usize = 0;
/// In a member's header.
pub const OWN_CONNECTIONS: usize = 0;
pub const OWN_WAITING: usize = 1;
/// A bit each.
pub const MAX_MEMBERS: usize = 64;

/// Places for every connection, and for every member that is about to open one; whole cache lines.
#[must_use]
pub const fn room_for(max_connections: usize) -> usize {
    (max_connections + MAX_MEMBERS).next_multiple_of(16)
}

/// Integers of the memory.
#[must_use]
pub const fn words_for(room: usize) -> usize {
    own_at(room, MAX_MEMBERS)
}

/// Where a member's part begins.
#[must_use]
pub const fn own_at(room: usize, member: usize) -> usize {
    HEADER + room + member * (HEADER + 2 * room)
}
