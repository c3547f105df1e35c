//! A key's text, hashed.

use super::policy::Policy;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// Keys up to this length, if they are of Latin-1, are hashed by the byte.
const NARROW: usize = 64;
const WIDE: u32 = 1 << 16;

/// One for the process: keys come from clients, who must not be able to choose where they fall.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A key of a policy's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub(super) u64);

impl Key {
    /// Of a text's UTF-16 units.
    #[inline]
    pub fn new(policy: &Policy, units: &[u16]) -> Self {
        let family = u32::from(policy.family.0);
        let mut hasher = HASHER.build_hasher();
        let mut bytes = [0u8; NARROW + size_of::<u32>()];
        let len = units.len();
        if len <= NARROW {
            let mut any = 0;
            for (byte, &unit) in bytes.iter_mut().zip(units) {
                *byte = unit as u8;
                any |= unit;
            }
            if any < 0x100 {
                // In one piece: each costs as much as several bytes.
                bytes[len..len + size_of::<u32>()].copy_from_slice(&family.to_le_bytes());
                hasher.write(&bytes[..len + size_of::<u32>()]);
                return Self(hasher.finish());
            }
        }
        // SAFETY: any two bytes are a unit, and units have no padding.
        hasher.write(unsafe { std::slice::from_raw_parts(units.as_ptr().cast::<u8>(), size_of_val(units)) });
        hasher.write_u32(family | WIDE);
        Self(hasher.finish())
    }
}
