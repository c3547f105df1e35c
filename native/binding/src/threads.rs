//! The threads that count and scan beside the calling one.

use crate::error::{Error, Result};
use std::sync::OnceLock;

/// One thread a core, started by the first work that needs them.
pub fn threads() -> Result<&'static rayon::ThreadPool> {
    static THREADS: OnceLock<std::result::Result<rayon::ThreadPool, String>> = OnceLock::new();
    THREADS
        .get_or_init(|| {
            let threads = rayon::ThreadPoolBuilder::new().thread_name(|i| format!("fast-litellm-{i}")).start_handler(|_| yield_to_others());
            threads.build().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|error| Error::new("THREADS_UNAVAILABLE", error.clone()))
}

/// On a machine without a core to spare, the event loop wakes beside these threads: a tenth of its
/// weight each, and it need not wait for their turns to end.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    // SAFETY: on Linux this sets the calling thread alone. A refusal changes nothing but who waits.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}
