//! A token bucket.

use crate::rate_limit::policy::{LATEST_MS, PARTS, Policy};

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bucket {
    /// In thousandths of a request, at `level_at`.
    pub level: f64,
    pub level_at: u64,
    /// When it is full again.
    pub full_at: u64,
}

impl Bucket {
    pub fn full(policy: &Policy) -> Self {
        Self { level: policy.burst * PARTS, level_at: 0, full_at: 0 }
    }

    pub fn level(&self, policy: &Policy, at: u64) -> f64 {
        (policy.burst * PARTS).min(self.level + (at - self.level_at) as f64 * policy.rate)
    }

    pub fn take(&mut self, policy: &Policy, at: u64, cost: u64) {
        self.level = self.level(policy, at) - cost as f64 * PARTS;
        self.level_at = at;
        let wait = wait_for_level(self.level, policy.burst * PARTS, policy.rate);
        let full_at = wait.map_or(LATEST_MS, |wait| at.saturating_add(wait).min(LATEST_MS));
        self.full_at = self.full_at.max(full_at);
    }
}

/// Whole milliseconds until a bucket at `level` holds `wanted`; `None` is never.
pub fn wait_for_level(level: f64, wanted: f64, rate: f64) -> Option<u64> {
    /// Above it, not every whole number is a float.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if level >= wanted {
        return Some(0);
    }
    let mut ms = ((wanted - level) / rate).ceil();
    // The division was rounded, the flow is not: one more millisecond will do. Where the rate is
    // lost beside the level, steps of 1 would take years, so they double.
    let mut step = 1.0;
    while ms <= LARGEST && level + ms * rate < wanted {
        ms += step;
        step *= 2.0;
    }
    (ms <= LARGEST).then_some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_last_thousandth() {
        assert_eq!(wait_for_level(0.0, PARTS, 3.0), Some(334));
        assert_eq!(wait_for_level(999.0, PARTS, 1.0), Some(1));
        assert_eq!(wait_for_level(1000.0, 1000.0, 0.0), Some(0));
        assert_eq!(wait_for_level(0.0, PARTS, 0.0), None);
        assert_eq!(wait_for_level(0.0, 1e300, 1e-300), None);
    }

    #[test]
    fn ends_where_the_rate_is_lost_beside_the_level() {
        for (level, wanted) in [(0.0, f64::MAX), (-1e300, 1.0), (0.1, 1e22), (1e22, 1e22 + 2_097_152.0), (f64::NEG_INFINITY, 0.0)] {
            for rate in [1e-300, 1e-9, 1.0, 3.0, 1e300, f64::MIN_POSITIVE, 0.0, f64::NAN] {
                assert!(wait_for_level(level, wanted, rate).is_none_or(|wait| wait > 0));
            }
        }
    }
}
