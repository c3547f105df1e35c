//! Bytes for another thread. To copy megabytes holds up the calling thread for milliseconds, most
//! of them for pages of memory that are new, so bytes of the gateway's own are read where they are.

use crate::environment::Stop;
use napi::bindgen_prelude::Uint8Array;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Weak};

thread_local! {
    /// Addresses of what other threads read for this one.
    static LENT: RefCell<Vec<(Range<usize>, Weak<()>)>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that another thread may read.
pub enum LentBytes {
    Copied(Vec<u8>),
    /// Kept by a reference, and `free_memory` leaves them alone while the mark is there.
    InPlace {
        bytes: Uint8Array,
        _mark: Arc<()>,
    },
}

impl LentBytes {
    /// `is_own`: nothing else writes them until the addon has answered. Others are copied, because
    /// a program must not change memory while Rust reads it.
    pub fn of(bytes: Uint8Array, is_own: bool) -> Self {
        if !is_own {
            return Self::Copied(bytes.to_vec());
        }
        let mark = Arc::new(());
        let place = addresses(&bytes);
        LENT.with_borrow_mut(|lent| {
            lent.retain(|(_, mark)| mark.strong_count() > 0);
            lent.push((place, Arc::downgrade(&mark)));
        });
        Self::InPlace { bytes, _mark: mark }
    }

    /// Reads them on any thread; `None` once the environment has ended, and its memory with it.
    pub fn read<R>(&self, stop: &Stop, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let _reading = stop.reading()?;
        Some(match self {
            Self::Copied(bytes) => read(bytes),
            Self::InPlace { bytes, .. } => read(bytes),
        })
    }
}

/// Whether another thread reads some of these bytes.
pub fn is_lent(memory: &[u8]) -> bool {
    let asked = addresses(memory);
    LENT.with_borrow(|lent| lent.iter().any(|(place, mark)| mark.strong_count() > 0 && place.start < asked.end && asked.start < place.end))
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr() as usize;
    start..start + bytes.len()
}
