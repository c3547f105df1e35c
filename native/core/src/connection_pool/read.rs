//! What reads a whole memory at once.

use super::{CONNECTIONS, HEADER, OWN_LEASED, OWN_WAITING, SLOT, SLOT_EXPIRES_AT, SLOT_STATE, STATE_IDLE};
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Acquire;

/// Of all members of a pool together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub connections: i32,
    pub leased: i32,
    pub waiting: i32,
}

/// Writes the slots of idle connections whose time is over into `found`, in order, as many as it takes, and returns how many.
pub fn expired(slots: &[i32], now_ms: f64, found: &mut [i32]) -> usize {
    let over = slots.chunks_exact(SLOT).enumerate().filter(|(_, slot)| {
        let [low, high] = [slot[SLOT_EXPIRES_AT], slot[SLOT_EXPIRES_AT + 1]].map(i32::to_ne_bytes);
        let [a, b, c, d] = low;
        let [e, f, g, h] = high;
        slot[SLOT_STATE] == STATE_IDLE && f64::from_ne_bytes([a, b, c, d, e, f, g, h]) <= now_ms
    });
    let mut count = 0;
    for (place, (slot, _)) in found.iter_mut().zip(over) {
        *place = slot as i32;
        count += 1;
    }
    count
}

/// Adds the members up. `leased` gets the leased connections per place. A memory that is too short for its room counts as empty.
pub fn totals(words: &[AtomicI32], room: usize, leased: &mut [i32]) -> Totals {
    let mut totals = Totals { connections: words.get(CONNECTIONS).map_or(0, |word| word.load(Acquire)), leased: 0, waiting: 0 };
    leased.fill(0);
    for own in words.get(HEADER + room..).unwrap_or_default().chunks_exact(HEADER + 2 * room) {
        totals.leased = totals.leased.wrapping_add(own[OWN_LEASED].load(Acquire));
        totals.waiting = totals.waiting.wrapping_add(own[OWN_WAITING].load(Acquire));
        for (all, one) in leased.iter_mut().zip(&own[HEADER + room..]) {
            *all = all.wrapping_add(one.load(Acquire));
        }
    }
    totals
}
