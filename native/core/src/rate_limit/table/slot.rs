//! A key in 32 bytes.

use crate::rate_limit::policy::{Family, Kind, LATEST_MS};
use crate::rate_limit::window::bucket::Bucket;
use crate::rate_limit::window::heap_state::HeapState;
use crate::rate_limit::window::instant::Instant;
use crate::rate_limit::window::state::{FEW, Few, Held, State};
use std::ptr::with_exposed_provenance_mut;

/// A key's hash and family, and either the little that was taken under it or a pointer to more.
/// Aligned, so that none is in two cache lines.
///
/// ```text
/// hash     64
/// meta     last use 42 | family 16 | instants 2 | requests in flight 3 | on the heap 1
/// payload  instant 42 | instant 42 | instant 42                of a window: minute, hour or day
///          level 64 | time 42 | time to fill 22, in 1,024 ms   of a bucket
///          pointer 64 | requests in flight 64                  on the heap
/// ```
#[derive(Debug)]
#[repr(align(32))]
pub struct Slot {
    pub hash: u64,
    meta: u64,
    payload: [u64; 2],
}

const ON_HEAP: u64 = 1;
const IN_FLIGHT_SHIFT: u32 = 1;
const IN_FLIGHT_BITS: u32 = 3;
const LEN_SHIFT: u32 = IN_FLIGHT_SHIFT + IN_FLIGHT_BITS;
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

    /// When the key was last used.
    #[inline(always)]
    pub fn used_at(&self) -> u64 {
        self.meta >> USED_SHIFT
    }

    pub fn in_flight(&self) -> u64 {
        if self.meta & ON_HEAP != 0 { self.payload[1] } else { self.meta >> IN_FLIGHT_SHIFT & ((1 << IN_FLIGHT_BITS) - 1) }
    }

    /// Moves the state out; the slot is empty until `store`.
    #[inline(always)]
    pub fn load(&mut self) -> State {
        let meta = self.meta;
        if meta & ON_HEAP != 0 {
            // The box has one owner at any time: should a panic come in between, it is the state's.
            self.meta &= !ON_HEAP;
            let heap = with_exposed_provenance_mut::<HeapState>(self.payload[0] as usize);
            // SAFETY: `store` made it of a box, and the flag says that it was not taken out since.
            let held = Held::Heap(unsafe { Box::from_raw(heap) });
            return State { in_flight: self.payload[1], held };
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
        State { in_flight: self.in_flight(), held }
    }

    /// Puts a state in, which was pruned at `used_at` and holds nothing later.
    #[inline(always)]
    pub fn store(&mut self, state: State, used_at: u64) {
        debug_assert!(used_at <= LATEST_MS);
        let family = self.family();
        let header = used_at << USED_SHIFT | u64::from(family.0) << FAMILY_SHIFT;
        let in_flight = state.in_flight;
        if in_flight >> IN_FLIGHT_BITS == 0 {
            let header = header | in_flight << IN_FLIGHT_SHIFT;
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
                // What a key that is quiet again leaves behind needs no room of its own.
                Held::Heap(heap) if family.kind() != Kind::Heap && heap.is_empty() => {
                    self.payload = [0; 2];
                    self.meta = header;
                    return;
                }
                Held::Heap(_) => {}
            }
        }
        let heap = Box::into_raw(state.into_heap(family.kind()));
        self.payload = [heap.expose_provenance() as u64, in_flight];
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
