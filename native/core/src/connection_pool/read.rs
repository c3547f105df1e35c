//! What reads a whole memory at once.

use super::{CONNECTIONS, HEADER, OWN_WAITING};
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Acquire;

/// Of all members of a pool together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub connections: i32,
    pub leased: i32,
    pub waiting: i32,
}

/// Writes the slots of connections whose time is over into `found`, in order, as many as it takes,
/// and returns how many.
pub fn expired(expires_at_ms: &[f64], now_ms: f64, found: &mut [i32]) -> usize {
    let over = expires_at_ms.iter().enumerate().filter(|(_, at_ms)| **at_ms <= now_ms);
    let mut count = 0;
    for (place, (slot, _)) in found.iter_mut().zip(over) {
        *place = slot as i32;
        count += 1;
    }
    count
}

/// Adds the members up. `leased` gets the leased connections per place. A memory that is too short
/// for its room counts as empty.
pub fn totals(words: &[AtomicI32], room: usize, leased: &mut [i32]) -> Totals {
    let mut totals = Totals { connections: words.get(CONNECTIONS).map_or(0, |word| word.load(Acquire)), leased: 0, waiting: 0 };
    leased.fill(0);
    for own in words.get(HEADER + room..).unwrap_or_default().chunks_exact(HEADER + 2 * room) {
        totals.waiting = totals.waiting.wrapping_add(own[OWN_WAITING].load(Acquire));
        for (place, one) in own[HEADER + room..].iter().enumerate() {
            let one = one.load(Acquire);
            totals.leased = totals.leased.wrapping_add(one);
            if let Some(all) = leased.get_mut(place) {
                *all = all.wrapping_add(one);
            }
        }
    }
    totals
}
