//! A key, hashed: its text is hashed by who asks, mostly in JavaScript, and mixed here with the family that counts under it.

use super::policy::Policy;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// One for the process: keys come from clients, who must not be able to choose where they fall.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The hash of a text's UTF-16 units, for texts that JavaScript does not hash itself.
#[must_use]
pub fn hash_text(units: &[u16]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    // SAFETY: any two bytes are a unit, and units have no padding.
    hasher.write(unsafe { std::slice::from_raw_parts(units.as_ptr().cast::<u8>(), size_of_val(units)) });
    hasher.finish()
}

/// Numbers by which JavaScript hashes: the same in every thread, and nobody else's.
#[must_use]
pub fn secret(index: u32) -> u32 {
    HASHER.hash_one(index) as u32
}

/// A key of a policy's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub(super) u64);

impl Key {
    /// Of a text's hash. Different hashes stay different.
    #[inline(always)]
    #[must_use]
    pub fn new(policy: &Policy, hash: u64) -> Self {
        let mut mixed = hash ^ policy.salt;
        mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(mixed ^ mixed >> 32)
    }
}

/// A number that no one outside can guess, another one each time.
pub(super) fn salt(number: u64) -> u64 {
    HASHER.hash_one((number, "salt"))
}
