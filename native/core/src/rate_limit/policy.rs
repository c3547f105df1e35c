//! What a key may do, and what a request asks for.

/// A bucket counts in thousandths of a request: milliseconds times requests per second, without a
/// division.
pub const PARTS: f64 = 1000.0;
pub const UNLIMITED: u64 = u64::MAX;
/// The latest time that is understood, in the year 2109.
pub const LATEST_MS: u64 = (1 << 42) - 1;

pub const MINUTE_MS: u64 = 60_000;
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// The limit that denied a request; 0 is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
#[repr(u8)]
pub enum Code {
    #[default]
    Allowed = 0,
    Second = 1,
    Minute = 2,
    Hour = 3,
    Day = 4,
    Tokens = 5,
    Concurrency = 6,
    Window = 7,
}

/// Limits as they were given; what is missing or no number is unlimited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    pub scope: String,
    pub requests_per_second: Option<f64>,
    pub burst: Option<f64>,
    pub requests_per_minute: Option<f64>,
    pub requests_per_hour: Option<f64>,
    pub requests_per_day: Option<f64>,
    pub requests_per_window: Option<f64>,
    pub window_ms: Option<f64>,
    pub tokens_per_minute: Option<f64>,
    pub max_concurrent: Option<f64>,
}

/// What a request takes if it is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub cost: u64,
    pub tokens: u64,
    /// Counted under `max_concurrent`.
    pub in_flight: u64,
}

impl Ask {
    pub const NOTHING: Self = Self { cost: 0, tokens: 0, in_flight: 0 };

    /// One request of this cost.
    #[must_use]
    pub fn new(cost: u64, tokens: u64) -> Self {
        Self { cost, tokens, in_flight: 1 }
    }

    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { cost: self.cost * times, tokens: self.tokens * times, in_flight: self.in_flight * times }
    }
}

/// One sliding window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub code: Code,
    pub length_ms: u64,
    /// `UNLIMITED` where only tokens are limited.
    pub requests: u64,
}

/// How the state of a family's keys fits into a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Not at all: on the heap from the first taking on.
    Heap = 0,
    Minute = 1,
    Hour = 2,
    Day = 3,
    Bucket = 4,
    /// Requests in flight only.
    InFlight = 5,
}

/// Policies of one family share the state of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family(pub u16);

const KIND_BITS: u32 = 3;
/// Number of families that a process may have at a time.
pub const MAX_FAMILIES: usize = 1 << (16 - KIND_BITS);

impl Family {
    pub fn new(number: usize, kind: Kind) -> Self {
        Self((number as u16) << KIND_BITS | kind as u16)
    }

    #[inline(always)]
    pub fn kind(self) -> Kind {
        match self.0 & ((1 << KIND_BITS) - 1) {
            1 => Kind::Minute,
            2 => Kind::Hour,
            3 => Kind::Day,
            4 => Kind::Bucket,
            5 => Kind::InFlight,
            _ => Kind::Heap,
        }
    }
}

impl Kind {
    /// Length of the only window of such a key, 0 without one.
    #[inline(always)]
    pub fn window_ms(self) -> u64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Heap | Self::Bucket | Self::InFlight => 0,
        }
    }
}

/// A policy as the engine works with it.
#[derive(Clone, Debug)]
pub struct Policy {
    pub family: Family,
    /// Differs from that of every other family there ever was, because numbers of families are used
    /// again.
    pub salt: u64,
    pub has_bucket: bool,
    pub rate: f64,
    pub burst: f64,
    /// With `tokens_per_minute` the first one is the minute's.
    pub windows: Box<[Window]>,
    pub tokens_per_minute: u64,
    pub max_concurrent: u64,
}

impl Policy {
    /// A taking of nothing is remembered where its tokens may be corrected later.
    #[inline(always)]
    pub fn is_logged(&self, window: &Window, ask: Ask) -> bool {
        ask.cost > 0 || (window.code == Code::Minute && (ask.tokens > 0 || self.tokens_per_minute != UNLIMITED))
    }

    /// What a window's log counts of a request.
    #[inline(always)]
    pub fn tokens_in(&self, window: &Window, ask: Ask) -> u64 {
        if window.code == Code::Minute { ask.tokens } else { 0 }
    }
}
