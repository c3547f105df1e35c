//! Zeroed memory by name for the whole process: the JavaScript of every thread uses it with
//! Atomics. A region is never released, because a thread may hold it as long as the process lives.
//! Names are few (one for each pool and router, one for the clock).

use crate::CoreError;
use parking_lot::Mutex;
use std::alloc::{Layout, alloc_zeroed};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Two cache lines: neighbouring lines are fetched in pairs.
const ALIGNMENT: usize = 128;
/// A name that a program makes up per request would never be given back.
const MAX_REGIONS: usize = 4096;
const MAX_BYTES: usize = 1 << 30;

/// Memory that lives as long as the process.
#[derive(Clone, Copy)]
pub struct Region {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory is only reached through atomics here, and lives as long as the process.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

static REGIONS: LazyLock<Mutex<HashMap<String, Region>>> = LazyLock::new(Mutex::default);

impl Region {
    /// The region of this name, made when it is asked for first.
    ///
    /// # Errors
    /// When it exists with another size, when there are too many, when the size is zero, no
    /// multiple of 8 or over 1 GiB, or when the system has no memory.
    pub fn named(name: &str, bytes: usize) -> Result<Self, CoreError> {
        let mut regions = REGIONS.lock();
        if let Some(region) = regions.get(name) {
            return if region.bytes == bytes { Ok(*region) } else { Err(CoreError::RegionSize { expected: region.bytes, got: bytes }) };
        }
        if bytes == 0 || !bytes.is_multiple_of(8) || bytes > MAX_BYTES {
            return Err(CoreError::RegionBytes(bytes));
        }
        if regions.len() == MAX_REGIONS {
            return Err(CoreError::TooManyRegions);
        }
        let region = Self::zeroed(bytes)?;
        regions.insert(name.to_owned(), region);
        Ok(region)
    }

    fn zeroed(bytes: usize) -> Result<Self, CoreError> {
        let layout = Layout::from_size_align(bytes, ALIGNMENT).map_err(|_| CoreError::RegionBytes(bytes))?;
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        NonNull::new(start).map(|start| Self { start, bytes }).ok_or(CoreError::NoMemory(bytes))
    }

    #[must_use]
    pub fn start(self) -> *mut u8 {
        self.start.as_ptr()
    }

    #[must_use]
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// The region as JavaScript's `Int32Array` sees it.
    #[must_use]
    pub fn integers(self) -> &'static [AtomicI32] {
        // SAFETY: aligned, initialized, never freed, and of atomics, whatever else writes to it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<AtomicI32>(), self.bytes / 4) }
    }

    /// The bits of what JavaScript's `Float64Array` sees.
    #[must_use]
    pub fn doubles(self) -> &'static [AtomicU64] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<AtomicU64>(), self.bytes / 8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn one_name_is_one_region_in_every_thread() {
        let adds = || {
            let region = Region::named("one name", 64).expect("a region of 64 bytes");
            for _ in 0..10_000 {
                region.integers()[3].fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(adds);
            }
        });
        assert_eq!(Region::named("one name", 64).map(|region| region.integers()[3].load(Ordering::Relaxed)), Ok(40_000));
    }

    #[test]
    fn a_region_starts_zeroed_and_aligned() {
        let region = Region::named("zeroed", 4096).expect("a region of 4,096 bytes");
        assert!(region.integers().iter().all(|integer| integer.load(Ordering::Relaxed) == 0));
        assert_eq!(region.start() as usize % ALIGNMENT, 0);
    }

    #[test]
    fn a_size_that_differs_or_cannot_be_is_refused() {
        Region::named("sized", 64).expect("a region of 64 bytes");
        assert_eq!(Region::named("sized", 128).err(), Some(CoreError::RegionSize { expected: 64, got: 128 }));
        for bytes in [0, 12, MAX_BYTES + 8] {
            assert_eq!(Region::named("refused", bytes).err(), Some(CoreError::RegionBytes(bytes)));
        }
    }
}
