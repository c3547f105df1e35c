//! A key as a hash of its text and of the family that counts under it.

use crate::rate_limit::policy::Policy;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// One for the process. It is seeded: clients choose keys, and must not be able to choose where
/// these fall in the table.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Two keys that are taken for one, once in 2^64 pairs, only share their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub(in crate::rate_limit) u64);

impl Key {
    /// Of a text's UTF-16 units, in which lone surrogates differ.
    #[inline]
    #[must_use]
    pub fn new(policy: &Policy, units: &[u16]) -> Self {
        let mut hasher = HASHER.build_hasher();
        hasher.write_u64(policy.salt);
        // SAFETY: any two bytes are a unit, and units have no padding.
        hasher.write(unsafe { std::slice::from_raw_parts(units.as_ptr().cast::<u8>(), size_of_val(units)) });
        Self(hasher.finish())
    }
}

/// A key and the policy that governs it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub policy: &'a Policy,
    pub key: Key,
}

impl PartialEq for Scope<'_> {
    /// Whether both share one state.
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.policy.family == other.policy.family
    }
}
