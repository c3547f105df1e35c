//! What the processor can do, asked once.

/// Compiles a function twice, with and without wide vectors, and calls the one that fits: a target feature does not reach into functions that are not inlined.
macro_rules! by_machine {
    ($(#[$meta:meta])* unsafe fn $name:ident [const $generic:ident : $kind:ty] ($($argument:ident : $type:ty),* $(,)?) -> $result:ty $body:block) => {
        $(#[$meta])*
        #[inline(always)]
        unsafe fn $name<const $generic: $kind>($($argument: $type),*) -> $result {
            #[inline(always)]
            unsafe fn body<const $generic: $kind>($($argument: $type),*) -> $result $body

            #[cfg(target_arch = "x86_64")]
            #[inline(never)]
            #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            unsafe fn wide<const $generic: $kind>($($argument: $type),*) -> $result {
                // SAFETY: the caller's.
                unsafe { body::<$generic>($($argument),*) }
            }

            #[inline(never)]
            unsafe fn plain<const $generic: $kind>($($argument: $type),*) -> $result {
                // SAFETY: the caller's.
                unsafe { body::<$generic>($($argument),*) }
            }

            #[cfg(target_arch = "x86_64")]
            if $crate::token_counter::machine::is_wide() {
                // SAFETY: the caller's, and the machine has the instructions.
                return unsafe { wide::<$generic>($($argument),*) };
            }
            // SAFETY: the caller's.
            unsafe { plain::<$generic>($($argument),*) }
        }
    };
}
pub(crate) use by_machine;

/// Asks for the cache line at `at`; reads nothing.
#[inline(always)]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is allowed.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Whether the processor has AVX2 and the bit instructions of its time.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn is_wide() -> bool {
    use std::sync::atomic::{AtomicU8, Ordering};
    static WIDE: AtomicU8 = AtomicU8::new(0);
    match WIDE.load(Ordering::Relaxed) {
        0 => {
            let wide = std::is_x86_feature_detected!("avx2")
                && std::is_x86_feature_detected!("bmi1")
                && std::is_x86_feature_detected!("bmi2")
                && std::is_x86_feature_detected!("lzcnt")
                && std::is_x86_feature_detected!("popcnt");
            WIDE.store(1 + u8::from(wide), Ordering::Relaxed);
            wide
        }
        known => known == 2,
    }
}
