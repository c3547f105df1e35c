//! What the targets compare the core with: written for clarity, by other means than the core's.

pub mod tokenizer;

/// Each kind of vectors that the processor has, in use as long as the iterator is at it.
#[cfg(target_arch = "x86_64")]
pub fn ways() -> impl Iterator<Item = ()> {
    use fast_litellm_core::token_counter::{Vectors, use_vectors};
    [Vectors::Plain, Vectors::Avx2, Vectors::Avx512].into_iter().filter(|vectors| use_vectors(*vectors)).map(|_| ())
}

/// Elsewhere there is one way.
#[cfg(not(target_arch = "x86_64"))]
pub fn ways() -> impl Iterator<Item = ()> {
    std::iter::once(())
}
