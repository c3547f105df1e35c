//! Keys that are kept elsewhere for a while: their states as plain numbers.
//!
//! JavaScript decides on some keys of a space that only its thread uses without a call. A key is held in one of both places at any time.

use super::busy::Busy;
use super::key::Key;
use super::log::{Instant, LARGEST_COUNT, Log};
use super::policy::{Code, Kind, Policy, Window};
use super::space::Space;
use super::state::{Bucket, FEW, Few, Held, LATEST_MS, State};
use std::sync::atomic::Ordering::Relaxed;

/// Numbers of a state at most: enough for all but keys with more than four thousand million requests at an instant.
pub const STATE_NUMBERS: usize = 1024;
/// Requests under way; level of the bucket, its time, and when the key is idle.
const HEADER: usize = 4;
/// Of a window: how many instants, and when the newest began.
const WINDOW_HEADER: usize = 2;
/// Time, requests and tokens of an instant.
const INSTANT: usize = 3;

/// Numbers to be read one after the other; what is missing is 0.
struct Reader<'a>(&'a [f64]);

impl Reader<'_> {
    fn next(&mut self) -> f64 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0.0;
        };
        self.0 = rest;
        first
    }

    fn whole(&mut self) -> u64 {
        self.next() as u64
    }

    fn count(&mut self) -> u64 {
        self.whole().min(LARGEST_COUNT)
    }

    /// The instants of a window that it counts at `now`, and when the newest began. Whatever is written there, they are in order and none is later than `now`.
    fn window(&mut self, window: &Window, now: u64) -> (Vec<Instant>, u64) {
        let len = self.whole().min((self.0.len() / INSTANT) as u64);
        let start = self.whole().min(now);
        let mut before = 0;
        let instants = (0..len).map(|_| {
            before = self.whole().clamp(before, now);
            Instant { at: before, requests: self.count(), tokens: self.count() }
        });
        (instants.filter(|instant| now - instant.at < window.length_ms).collect(), start)
    }
}

impl Space {
    /// Takes a key out, with its place, and writes its state. Returns how many numbers that are: 0 if the key is not held, or too large.
    pub fn lend(&self, policy: &Policy, key: Key, numbers: &mut [f64]) -> usize {
        let mut shard = self.shard(key);
        let Some(number) = shard.find(key.0, policy.family) else {
            return 0;
        };
        let used_at = shard.used_at(number);
        let mut state = shard.load(number);
        let len = write(policy, &state, numbers);
        if len == 0 {
            shard.store(number, &mut state, used_at);
            return 0;
        }
        shard.remove(number);
        drop(shard);
        self.len.fetch_sub(1, Relaxed);
        self.max_keys.fetch_sub(1, Relaxed);
        len
    }

    /// Puts a key that was held elsewhere, as it is at `now_ms`.
    pub fn take_back(&self, policy: &Policy, key: Key, numbers: &[f64], now_ms: f64) {
        let now = self.at(now_ms);
        let mut state = read(policy, &mut Reader(numbers), now);
        let mut shard = self.shard(key);
        let shard = &mut *shard;
        let number = shard.find(key.0, policy.family).unwrap_or_else(|| self.insert(shard, policy, key, now));
        drop(shard.load(number));
        state.prune(now);
        shard.store(number, &mut state, now);
    }

    /// Lent keys that come back, or never will, have left their places.
    pub fn make_room(&self, places: usize) {
        self.max_keys.fetch_add(places, Relaxed);
    }
}

fn write(policy: &Policy, state: &State, numbers: &mut [f64]) -> usize {
    let mut out = Vec::with_capacity(HEADER + WINDOW_HEADER + 4 * INSTANT);
    let (level, level_at, idle_at) = match &state.held {
        Held::Few(few) => (0.0, 0, few.kept().last().map_or(0, |newest| newest.at + few.window_ms)),
        Held::Bucket(bucket) => (bucket.level, bucket.level_at, bucket.full_at),
        Held::Busy(busy) => (busy.bucket().level, busy.bucket().level_at, busy.idle_at()),
    };
    out.extend([state.in_flight as f64, level, level_at as f64, idle_at as f64]);
    let mut window = |instants: &mut dyn Iterator<Item = Instant>, start: u64| {
        let at = out.len();
        out.extend([0.0, start as f64]);
        for instant in instants {
            out[at] += 1.0;
            out.extend([instant.at as f64, instant.requests as f64, instant.tokens as f64]);
        }
    };
    match &state.held {
        Held::Few(few) if !policy.windows().is_empty() => {
            window(&mut few.kept().iter().copied(), few.kept().last().map_or(0, |newest| newest.at));
        }
        Held::Few(_) | Held::Bucket(_) => {}
        Held::Busy(busy) => busy.logs().take(policy.windows().len()).for_each(|log| window(&mut log.instants(), log.start())),
    }
    let Some(room) = numbers.get_mut(..out.len()) else {
        return 0;
    };
    room.copy_from_slice(&out);
    out.len()
}

fn read(policy: &Policy, numbers: &mut Reader<'_>, now: u64) -> State {
    let in_flight = numbers.count();
    let (level, level_at, idle_at) = (numbers.next(), numbers.whole().min(now), numbers.whole().min(LATEST_MS));
    let bucket = Bucket { level, level_at, full_at: idle_at };
    let kind = policy.family.kind();
    if kind == Kind::Bucket {
        return State { in_flight, held: Held::Bucket(bucket) };
    }
    let mut logs = policy.windows().iter().map(|window| (window, numbers.window(window, now)));
    if kind == Kind::Places {
        return State { in_flight, held: Held::default() };
    }
    let restored = |(window, (instants, start)): (&Window, (Vec<Instant>, u64))| {
        Log::restored(window.length_ms, window.code == Code::Minute, instants.into_iter(), start)
    };
    if kind == Kind::Heap {
        return State { in_flight, held: Held::Busy(Box::new(Busy::of(policy.has_bucket.then_some(bucket), logs.map(restored)))) };
    }
    let Some(only) = logs.next() else {
        return State { in_flight, held: Held::default() };
    };
    if only.1.0.len() > FEW {
        return State { in_flight, held: Held::Busy(Box::new(Busy::of(None, std::iter::once(restored(only))))) };
    }
    let mut few = Few { window_ms: kind.window_ms(), ..Few::default() };
    for (place, instant) in few.instants.iter_mut().zip(&only.1.0) {
        *place = *instant;
    }
    few.len = only.1.0.len();
    State { in_flight, held: Held::Few(few) }
}
