//! What the processor can do, asked once.

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering};

/// Compiles a function twice, with and without wide vectors, and calls the one that fits: a target
/// feature does not reach into functions that are not inlined.
macro_rules! by_machine {
    ($(#[$meta:meta])* $visibility:vis unsafe fn $name:ident $([const $generic:ident : $kind:ty])? ($($argument:ident : $type:ty),* $(,)?) -> $result:ty $body:block) => {
        $(#[$meta])*
        #[inline(always)]
        $visibility unsafe fn $name$(<const $generic: $kind>)?($($argument: $type),*) -> $result {
            #[inline(always)]
            unsafe fn body$(<const $generic: $kind>)?($($argument: $type),*) -> $result $body

            #[cfg(target_arch = "x86_64")]
            #[inline(never)]
            #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            unsafe fn wide$(<const $generic: $kind>)?($($argument: $type),*) -> $result {
                // SAFETY: the caller's.
                unsafe { body$(::<$generic>)?($($argument),*) }
            }

            #[inline(never)]
            unsafe fn plain$(<const $generic: $kind>)?($($argument: $type),*) -> $result {
                // SAFETY: the caller's.
                unsafe { body$(::<$generic>)?($($argument),*) }
            }

            #[cfg(target_arch = "x86_64")]
            if $crate::token_counter::cpu_features::is_wide() {
                // SAFETY: the caller's, and the machine has the instructions.
                return unsafe { wide$(::<$generic>)?($($argument),*) };
            }
            // SAFETY: the caller's.
            unsafe { plain$(::<$generic>)?($($argument),*) }
        }
    };
}
pub(crate) use by_machine;

/// What an x86-64 has beside the instructions that all of them have.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Vectors {
    /// Nothing that is used here.
    Plain = 1,
    /// AVX2 and the bit instructions of its time.
    Avx2,
    /// AVX-512 with permutes and compressions of bytes: servers since 2021 (Ice Lake) and 2022 (Zen
    /// 4).
    Avx512,
}

/// 0 until it was asked.
#[cfg(target_arch = "x86_64")]
static KNOWN: AtomicU8 = AtomicU8::new(0);

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn vectors() -> Vectors {
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            let vectors = detect();
            KNOWN.store(vectors as u8, Ordering::Relaxed);
            vectors
        }
        1 => Vectors::Plain,
        2 => Vectors::Avx2,
        _ => Vectors::Avx512,
    }
}

/// For fuzz targets, which compare the ways: makes the whole process use these vectors, and returns
/// whether the processor has them.
#[cfg(all(fuzzing, target_arch = "x86_64"))]
pub fn use_vectors(vectors: Vectors) -> bool {
    let has = vectors <= detect();
    if has {
        KNOWN.store(vectors as u8, Ordering::Relaxed);
    }
    has
}

#[cfg(target_arch = "x86_64")]
#[cold]
fn detect() -> Vectors {
    use std::is_x86_feature_detected as has;
    if !(has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt")) {
        return Vectors::Plain;
    }
    let wider = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") && has!("avx512vbmi") && has!("avx512vbmi2");
    if wider { Vectors::Avx512 } else { Vectors::Avx2 }
}

/// Whether the processor has AVX2 and the bit instructions of its time.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn is_wide() -> bool {
    vectors() >= Vectors::Avx2
}
