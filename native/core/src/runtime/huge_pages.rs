//! Tables of megabytes that are read at random: on small pages every second look-up also misses the
//! address cache.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

pub const HUGE_PAGE: usize = 2 << 20;
/// Tables are mapped in units of the largest ordinary page there is.
#[cfg(target_os = "linux")]
const PAGE: usize = 64 << 10;

/// Plain old data for which all-zero bytes are a value.
///
/// # Safety
/// As the sentence says; nothing that owns, points or has a niche.
pub unsafe trait Zeroed: Copy {}
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
        let start = NonNull::new(allocate(layout).cast::<T>());
        Self { start: start.unwrap_or_else(|| handle_alloc_error(layout)), len }
    }

    fn layout(len: usize) -> Layout {
        let size = (len * size_of::<T>()).max(64);
        // Half a huge page is not worth a whole one.
        let align = if size >= HUGE_PAGE { HUGE_PAGE } else { 64 };
        #[expect(clippy::expect_used, reason = "sizes are compile-time table sizes")]
        Layout::from_size_align(size, align).expect("a table is far smaller than the address space")
    }
}

/// Zeroed memory that takes room only where it is written to: the allocator would write the zeros.
/// Null when there is none.
#[cfg(target_os = "linux")]
fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: a new private mapping, larger than requested so that it can be aligned; the unused
    // ends are unmapped below.
    unsafe {
        let align = layout.align().max(PAGE);
        let size = mapped_size(layout) + align;
        let mapped =
            libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        if mapped == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        let mapped = mapped.cast::<u8>();
        let before = mapped.align_offset(align);
        if before > 0 {
            libc::munmap(mapped.cast(), before);
        }
        let start = mapped.add(before);
        let behind = size - before - mapped_size(layout);
        if behind > 0 {
            libc::munmap(start.add(mapped_size(layout)).cast(), behind);
        }
        if align == HUGE_PAGE {
            // Advice only: a refusal changes nothing but speed.
            libc::madvise(start.cast(), mapped_size(layout), libc::MADV_HUGEPAGE);
        }
        start
    }
}

#[cfg(target_os = "linux")]
fn mapped_size(layout: Layout) -> usize {
    layout.size().next_multiple_of(layout.align().max(PAGE))
}

#[cfg(not(target_os = "linux"))]
fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: the layout is not empty.
    unsafe { std::alloc::alloc_zeroed(layout) }
}

impl<T: Zeroed> Drop for HugeSlice<T> {
    fn drop(&mut self) {
        let layout = Self::layout(self.len);
        // SAFETY: allocated by `new` with this very layout.
        unsafe {
            #[cfg(target_os = "linux")]
            libc::munmap(self.start.as_ptr().cast(), mapped_size(layout));
            #[cfg(not(target_os = "linux"))]
            std::alloc::dealloc(self.start.as_ptr().cast(), layout);
        }
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
