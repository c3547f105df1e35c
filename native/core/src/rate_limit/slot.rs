//! A key in 32 bytes.

use super::busy::Busy;
use super::log::{Instant, Log};
use super::policy::{Family, Kind};
use super::state::{Bucket, FEW, Few, Held, LATEST_MS, State};
use std::ptr::with_exposed_provenance_mut;

/// A key's hash and family, and either the little that was taken under it or a pointer to more.
///
/// Aligned, so that none is in two cache lines. Of `meta`, from the top: when the key was last used (42 bits), its family (16), the number of instants (2), requests under way (3), whether it is on the heap (1).
#[derive(Debug)]
#[repr(align(32))]
pub struct Slot {
    pub hash: u64,
    meta: u64,
    /// Instants from the oldest to the newest, 42 bits each; or a bucket's level, and its time (42 bits) with the time to fill it (22 bits, in `FULL_UNIT_MS`);
    /// or a box and the number of requests under way.
    payload: [u64; 2],
}

const ON_HEAP: u64 = 1;
const PLACES_SHIFT: u32 = 1;
const PLACES_BITS: u32 = 3;
const LEN_SHIFT: u32 = PLACES_SHIFT + PLACES_BITS;
const LEN_MASK: u64 = 3;
const FAMILY_SHIFT: u32 = LEN_SHIFT + 2;
const USED_SHIFT: u32 = FAMILY_SHIFT + 16;

const INSTANT_BITS: u32 = 42;
const INSTANT_MASK: u64 = (1 << INSTANT_BITS) - 1;
const FULL_BITS: u32 = 22;
const FULL_UNIT_MS: u64 = 1024;

/// How the 42 bits of an instant are shared out: age when it was stored, requests, tokens.
struct Layout {
    age: u32,
    requests: u32,
    tokens: u32,
}

const MINUTE: Layout = Layout { age: 16, requests: 6, tokens: 20 };
const LONGER: Layout = Layout { age: 27, requests: 15, tokens: 0 };

impl Layout {
    #[inline(always)]
    fn of(kind: Kind) -> &'static Self {
        if kind == Kind::Minute { &MINUTE } else { &LONGER }
    }

    #[inline(always)]
    fn fits(&self, instant: &Instant, used_at: u64) -> bool {
        (used_at - instant.at) >> self.age == 0 && instant.requests >> self.requests == 0 && instant.tokens >> self.tokens == 0
    }

    #[inline(always)]
    fn pack(&self, instant: &Instant, used_at: u64) -> u64 {
        (used_at - instant.at) | instant.requests << self.age | instant.tokens << (self.age + self.requests)
    }

    #[inline(always)]
    fn unpack(&self, bits: u64, used_at: u64) -> Instant {
        let mask = |bits: u32| (1u64 << bits) - 1;
        Instant {
            at: used_at - (bits & mask(self.age)),
            requests: bits >> self.age & mask(self.requests),
            tokens: bits >> (self.age + self.requests) & mask(self.tokens),
        }
    }
}

impl Slot {
    pub fn new(hash: u64, family: Family) -> Self {
        Self { hash, meta: u64::from(family.0) << FAMILY_SHIFT, payload: [0; 2] }
    }

    #[inline(always)]
    pub fn family(&self) -> Family {
        Family((self.meta >> FAMILY_SHIFT) as u16)
    }

    /// When the key was last used. What is taken from a busy key where its state is does not change the slot.
    #[inline(always)]
    pub fn used_at(&self) -> u64 {
        let used_at = self.meta >> USED_SHIFT;
        match self.heap_address() {
            // SAFETY: as in `busy`, for reading.
            Some(address) => used_at.max(unsafe { (*with_exposed_provenance_mut::<Busy>(address)).first.newest_at() }),
            None => used_at,
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u64 {
        if self.meta & ON_HEAP != 0 { self.payload[1] } else { self.places() }
    }

    fn places(&self) -> u64 {
        self.meta >> PLACES_SHIFT & ((1 << PLACES_BITS) - 1)
    }

    /// Where the state of a busy key is.
    #[inline(always)]
    pub fn heap_address(&self) -> Option<usize> {
        (self.meta & ON_HEAP != 0).then_some(self.payload[0] as usize)
    }

    /// The state of a busy key where it is.
    #[inline(always)]
    pub fn busy(&mut self) -> Option<&mut Busy> {
        if self.meta & ON_HEAP == 0 {
            return None;
        }
        let busy = with_exposed_provenance_mut::<Busy>(self.payload[0] as usize);
        // SAFETY: `store` made it of a box, which is the slot's while the flag says so, and the slot is borrowed for as long as this is.
        Some(unsafe { &mut *busy })
    }

    /// Moves the state out; the slot is empty until `store`.
    #[inline(always)]
    pub fn load(&mut self) -> State {
        let meta = self.meta;
        if meta & ON_HEAP != 0 {
            // The box has one owner at any time: should a panic come in between, it is the state's.
            self.meta &= !ON_HEAP;
            let busy = with_exposed_provenance_mut::<Busy>(self.payload[0] as usize);
            return State {
                in_flight: self.payload[1],
                // SAFETY: `store` made it of a box, and the flag says that it was not taken out since.
                held: Held::Busy(unsafe { Box::from_raw(busy) }),
            };
        }
        let kind = self.family().kind();
        let used_at = self.used_at();
        let held = if kind == Kind::Bucket {
            let level_at = self.payload[1] >> FULL_BITS;
            let to_full = (self.payload[1] & ((1 << FULL_BITS) - 1)) * FULL_UNIT_MS;
            Held::Bucket(Bucket { level: f64::from_bits(self.payload[0]), level_at, full_at: level_at + to_full })
        } else {
            let layout = Layout::of(kind);
            let [low, high] = self.payload;
            Held::Few(Few {
                instants: [
                    layout.unpack(low & INSTANT_MASK, used_at),
                    layout.unpack((low >> INSTANT_BITS | high << (64 - INSTANT_BITS)) & INSTANT_MASK, used_at),
                    layout.unpack(high >> (2 * INSTANT_BITS - 64) & INSTANT_MASK, used_at),
                ],
                len: (meta >> LEN_SHIFT & LEN_MASK) as usize,
                window_ms: kind.window_ms(),
            })
        };
        State { in_flight: self.places(), held }
    }

    /// Puts a state in, which was pruned at `used_at` and holds nothing later.
    #[inline(always)]
    pub fn store(&mut self, state: &mut State, used_at: u64) {
        debug_assert!(used_at <= LATEST_MS);
        let family = self.family();
        let header = used_at << USED_SHIFT | u64::from(family.0) << FAMILY_SHIFT;
        let in_flight = state.in_flight;
        if in_flight >> PLACES_BITS == 0 {
            let header = header | in_flight << PLACES_SHIFT;
            match &state.held {
                Held::Few(few) => {
                    let layout = Layout::of(family.kind());
                    if few.kept().iter().all(|one| layout.fits(one, used_at)) {
                        let pack = |index: usize| if index < few.len { layout.pack(&few.instants[index], used_at) } else { 0 };
                        let middle = pack(1);
                        self.payload =
                            [pack(0) | middle << INSTANT_BITS, middle >> (64 - INSTANT_BITS) | pack(2) << (2 * INSTANT_BITS - 64)];
                        self.meta = header | (few.len as u64) << LEN_SHIFT;
                        return;
                    }
                }
                Held::Bucket(bucket) => {
                    let to_full = bucket.full_at.saturating_sub(bucket.level_at).div_ceil(FULL_UNIT_MS);
                    if to_full >> FULL_BITS == 0 {
                        self.payload = [bucket.level.to_bits(), bucket.level_at << FULL_BITS | to_full];
                        self.meta = header;
                        return;
                    }
                }
                Held::Busy(busy) => {
                    // What a key that is quiet again leaves behind needs no room of its own.
                    let kind = family.kind();
                    if kind != Kind::Heap && kind != Kind::Bucket && busy.logs().all(Log::is_empty) {
                        self.payload = [0; 2];
                        self.meta = header;
                        return;
                    }
                }
            }
        }
        let mut busy = std::mem::take(state).into_busy(family.kind());
        busy.hash = self.hash;
        let busy = Box::into_raw(busy);
        self.payload = [busy.expose_provenance() as u64, in_flight];
        self.meta = header | ON_HEAP;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.meta & ON_HEAP != 0 {
            drop(self.load());
        }
    }
}

const _: () = assert!(size_of::<Slot>() == 32);
const _: () = assert!(INSTANT_BITS * FEW as u32 <= 128);
