//! UTF-16 to UTF-8, as the processor can.

#[cfg(not(target_arch = "x86_64"))]
use crate::token_counter::portable::Portable;
use crate::token_counter::simd::Simd;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::{
    avx2::{Avx2, Sse2},
    avx512::Avx512,
    cpu_features::{Vectors, vectors},
};

/// Writes `units` as UTF-8 and returns the length. A lone surrogate becomes U+FFFD.
///
/// # Safety
/// `out` must have room for `3 * units.len() + 64` bytes.
#[inline(always)]
pub unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize {
    // SAFETY: the caller's, and the machine has the instructions.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        return match vectors() {
            Vectors::Avx512 => Avx512::to_utf8(units, out),
            Vectors::Avx2 => Avx2::to_utf8(units, out),
            Vectors::Plain => Sse2::to_utf8(units, out),
        };
        #[cfg(not(target_arch = "x86_64"))]
        Portable::to_utf8(units, out)
    }
}
