//! Tables of megabytes that are read at random: on small pages every second look-up also misses the address cache.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

const HUGE_PAGE: usize = 2 << 20;

/// Plain old data for which all-zero bytes are a value.
///
/// # Safety
/// As the sentence says; nothing that owns, points or has a niche.
pub unsafe trait Zeroed: Copy {}
// SAFETY: integers.
unsafe impl Zeroed for u32 {}
// SAFETY: integers.
unsafe impl Zeroed for u64 {}
// SAFETY: an array of integers.
unsafe impl<const N: usize> Zeroed for [u64; N] {}

/// A zeroed, cache-line aligned slice; where the system can, on huge pages.
pub struct HugeSlice<T: Zeroed> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: it owns its memory like a `Box<[T]>` of plain data.
unsafe impl<T: Zeroed> Send for HugeSlice<T> {}
// SAFETY: as above; shared access only reads.
unsafe impl<T: Zeroed> Sync for HugeSlice<T> {}

impl<T: Zeroed> HugeSlice<T> {
    pub fn new(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout is not empty, see `layout`.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(memory.cast::<T>()) else { handle_alloc_error(layout) };
        #[cfg(target_os = "linux")]
        if layout.align() == HUGE_PAGE {
            // SAFETY: the range is ours and page-aligned. Advice only: a refusal changes nothing but speed.
            unsafe { libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
        }
        Self { start, len }
    }

    fn layout(len: usize) -> Layout {
        let size = (len * size_of::<T>()).max(64);
        // Half a huge page is not worth a whole one.
        let align = if size >= HUGE_PAGE { HUGE_PAGE } else { 64 };
        #[expect(clippy::expect_used, reason = "sizes are compile-time table sizes")]
        Layout::from_size_align(size, align).expect("a table is far smaller than the address space")
    }
}

impl<T: Zeroed> Drop for HugeSlice<T> {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this very layout.
        unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.len)) };
    }
}

impl<T: Zeroed> Deref for HugeSlice<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialised (zeroed) values that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Zeroed> DerefMut for HugeSlice<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
