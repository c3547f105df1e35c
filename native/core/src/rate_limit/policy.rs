//! What a key may do.

/// A bucket counts in thousandths of a request: milliseconds times requests per second, without a division.
pub const PARTS: f64 = 1000.0;
pub const UNLIMITED: u64 = u64::MAX;

pub(super) const MINUTE_MS: u64 = 60_000;
pub(super) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

/// Which limit refused; 0 is allowed.
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

/// Limits as they were given; `NaN` is not set.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub scope: String,
    pub requests_per_second: f64,
    pub burst: f64,
    pub requests_per_minute: f64,
    pub requests_per_hour: f64,
    pub requests_per_day: f64,
    pub requests_per_window: f64,
    pub window_ms: f64,
    pub tokens_per_minute: f64,
    pub max_concurrent: f64,
}

/// One sliding window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub code: Code,
    pub length_ms: u64,
    /// `UNLIMITED` where only tokens are limited.
    pub requests: u64,
}

/// How a key of a family is kept while little was taken under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Not at all: on the heap from the first taking on.
    Heap = 0,
    Minute = 1,
    Hour = 2,
    Day = 3,
    Bucket = 4,
    /// Requests under way only.
    Places = 5,
}

/// Policies of one family have their keys' states in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family(pub u16);

const KIND_BITS: u32 = 3;
/// Number of families that a process may have at a time.
pub const MAX_FAMILIES: usize = 1 << (16 - KIND_BITS);

impl Family {
    pub(super) fn new(number: usize, kind: Kind) -> Self {
        Self((number as u16) << KIND_BITS | kind as u16)
    }

    #[inline(always)]
    pub fn kind(self) -> Kind {
        match self.0 & ((1 << KIND_BITS) - 1) {
            1 => Kind::Minute,
            2 => Kind::Hour,
            3 => Kind::Day,
            4 => Kind::Bucket,
            5 => Kind::Places,
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
            Self::Heap | Self::Bucket | Self::Places => 0,
        }
    }
}

/// A policy as the engine works with it.
#[derive(Clone, Debug)]
pub struct Policy {
    pub family: Family,
    /// What tells its family from every other one that there was.
    pub salt: u64,
    pub has_bucket: bool,
    pub rate: f64,
    pub burst: f64,
    pub(super) windows: [Window; 4],
    pub(super) window_count: usize,
    /// `UNLIMITED` without a limit. With one the first window is the minute's.
    pub tokens_per_minute: u64,
    /// `UNLIMITED` without a limit.
    pub max_concurrent: u64,
    /// Whether requests in one window, and tokens in it, are all that is limited.
    pub(super) is_plain: bool,
}

impl Policy {
    #[inline(always)]
    pub fn windows(&self) -> &[Window] {
        &self.windows[..self.window_count]
    }

    /// A taking of nothing is remembered where its tokens may be corrected later.
    #[inline(always)]
    pub fn is_logged(&self, window: &Window, cost: u64, tokens: u64) -> bool {
        cost > 0 || (window.code == Code::Minute && (tokens > 0 || self.tokens_per_minute != UNLIMITED))
    }
}
