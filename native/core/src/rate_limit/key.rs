//! A key, hashed: its text is hashed by who asks, mostly in JavaScript, and mixed here with the family that counts under it.

use super::policy::Policy;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// One for the process: keys come from clients, who must not be able to choose where they fall.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Longer keys, and those of other than Latin-1 characters, are hashed the slow way.
const LONGEST: usize = 64;

/// The secret numbers of `sum`: one pair for the length, one for each place.
struct Secrets {
    length: [u32; 2],
    low: [u32; LONGEST],
    high: [u32; LONGEST],
}

static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets {
    length: [secret(0), secret(1)],
    low: std::array::from_fn(|place| secret(2 * place as u32 + 2)),
    high: std::array::from_fn(|place| secret(2 * place as u32 + 3)),
});

/// Numbers by which keys are hashed, here and in JavaScript: the same in every thread, and nobody else's.
#[must_use]
pub fn secret(index: u32) -> u32 {
    HASHER.hash_one(index) as u32
}

/// The hash of a text's UTF-16 units: the one that JavaScript makes too, where it makes one.
#[inline]
#[must_use]
pub fn hash_text(units: &[u16]) -> u64 {
    sum(units).unwrap_or_else(|| digest(units))
}

/// Each half is a sum of the characters, each times a secret number of its place.
#[inline(always)]
fn sum(units: &[u16]) -> Option<u64> {
    if units.len() > LONGEST {
        return None;
    }
    let secrets = &*SECRETS;
    let [mut low, mut high] = secrets.length.map(|secret| secret.wrapping_mul(units.len() as u32 + 1));
    let mut any = 0;
    for (&unit, (by_low, by_high)) in units.iter().zip(secrets.low.iter().zip(&secrets.high)) {
        any |= unit;
        low = low.wrapping_add(by_low.wrapping_mul(unit.into()));
        high = high.wrapping_add(by_high.wrapping_mul(unit.into()));
    }
    if any > 0xff {
        return None;
    }
    // The lower bits of a sum of products say least, and a table asks them first.
    low = (low ^ low >> 16).wrapping_mul(0x85eb_ca6b);
    high = (high ^ high >> 15).wrapping_mul(0xc2b2_ae35);
    Some(u64::from(high ^ high >> 16) << 32 | u64::from(low ^ low >> 13))
}

fn digest(units: &[u16]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    // SAFETY: any two bytes are a unit, and units have no padding.
    hasher.write(unsafe { std::slice::from_raw_parts(units.as_ptr().cast::<u8>(), size_of_val(units)) });
    hasher.finish()
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
