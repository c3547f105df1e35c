//! The time in shared memory, written once a millisecond by a thread that sleeps while unused.
//! It starts with the wall clock and continues with the monotonic one, so a corrected system time
//! moves nothing. JavaScript reads it with a load and a store; `Date.now()` costs more.

use crate::CoreError;
use crate::runtime::shared_memory::Region;
use std::sync::LazyLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The region's name and layout: a double with the time in milliseconds, then these integers.
pub const NAME: &str = "clock";
pub const BYTES: usize = 16;
/// Set by every reader, cleared by the thread.
const READ: usize = 2;
/// Whether the thread writes the time.
const RUNNING: usize = 3;

const TICK: Duration = Duration::from_millis(1);
/// So many ticks without a reader, and the thread sleeps.
const IDLE_TICKS: u32 = 100;

struct Clock {
    region: Region,
    ticker: Option<Thread>,
}

static CLOCK: LazyLock<Result<Clock, CoreError>> = LazyLock::new(|| {
    let region = Region::named(NAME, BYTES)?;
    let ticker = thread::Builder::new().name("fast-litellm-clock".to_owned()).spawn(move || tick(region)).ok();
    Ok(Clock { region, ticker: ticker.map(|handle| handle.thread().clone()) })
});

/// When the clock was first asked: the wall's time since 1970, and the monotonic clock's beside it.
static START: LazyLock<(Duration, Instant)> =
    LazyLock::new(|| (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now()));

fn write(region: Region) {
    let (wall, instant) = *START;
    let now = wall + instant.elapsed();
    region.doubles()[0].store((now.as_micros() as f64 / 1000.0).floor().to_bits(), Release);
}

fn tick(region: Region) -> ! {
    let integers = region.integers();
    loop {
        let mut idle = 0;
        while idle < IDLE_TICKS {
            write(region);
            thread::sleep(TICK);
            idle = if integers[READ].swap(0, AcqRel) == 0 { idle + 1 } else { 0 };
        }
        integers[RUNNING].store(0, Release);
        while integers[RUNNING].load(Acquire) == 0 {
            thread::park();
        }
    }
}

/// Writes the time and makes the thread go on: for a reader that finds it asleep.
///
/// # Errors
/// When no thread could be started; the reader then asks the system.
pub fn wake() -> Result<(), CoreError> {
    let clock = CLOCK.as_ref().map_err(|error| error.clone())?;
    let ticker = clock.ticker.as_ref().ok_or(CoreError::NoClock)?;
    write(clock.region);
    clock.region.integers()[READ].store(1, Relaxed);
    clock.region.integers()[RUNNING].store(1, Release);
    ticker.unpark();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now_ms() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs_f64() * 1000.0
    }

    fn eventually(condition: impl Fn() -> bool) -> bool {
        (0..20_000).any(|_| {
            thread::sleep(TICK);
            condition()
        })
    }

    #[test]
    fn it_goes_on_while_it_is_read_and_sleeps_when_not() {
        wake().expect("a thread");
        let region = Region::named(NAME, BYTES).expect("the clock's region");
        let read = || f64::from_bits(region.doubles()[0].load(Acquire));
        let first = read();
        assert!(first <= now_ms());
        assert!(eventually(|| {
            region.integers()[READ].store(1, Relaxed);
            read() > first + 5.0
        }));
        assert!(eventually(|| region.integers()[RUNNING].load(Acquire) == 0));
        let asleep_since = read();
        wake().expect("a thread");
        assert!(read() > asleep_since);
        assert!(read() <= now_ms());
    }
}
