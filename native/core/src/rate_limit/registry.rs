//! The policies and spaces of the process, each as long as it is in use.

use super::policy::{Code, DAY_MS, Family, HOUR_MS, Kind, LATEST_MS, MAX_FAMILIES, MINUTE_MS, Policy, Spec, UNLIMITED, Window};
use super::table::space::Space;
use crate::CoreError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// What policies of one family have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Common {
    scope: String,
    has_bucket: bool,
    windows: Vec<(Code, u64)>,
    limits_concurrency: bool,
}

/// Something that is in use, and how often.
struct Used<T> {
    thing: T,
    times: usize,
}

type Identity = (String, [Option<u64>; 9]);

struct Interned {
    policy: Policy,
    identity: Identity,
    common: Common,
}

#[derive(Default)]
struct Policies {
    interned: Vec<Option<Used<Interned>>>,
    free: Vec<u32>,
    handles: HashMap<Identity, u32>,
    /// Number and salt of each.
    families: HashMap<Common, Used<(usize, u64)>>,
    free_families: Vec<usize>,
    families_made: u64,
}

static POLICIES: LazyLock<Mutex<Policies>> = LazyLock::new(Mutex::default);

/// A policy and its handle: the same one for equal limits, in every thread, until it was released
/// as often as it was interned.
pub fn intern(spec: &Spec) -> Result<(u32, Policy), CoreError> {
    let mut policies = POLICIES.lock();
    let policies = &mut *policies;
    let identity = identity_of(spec);
    if let Some(&handle) = policies.handles.get(&identity)
        && let Some(Some(used)) = policies.interned.get_mut(handle as usize)
    {
        used.times += 1;
        return Ok((handle, used.thing.policy.clone()));
    }
    let (policy, common) = policies.compile(spec)?;
    let handle = policies.free.pop().unwrap_or(policies.interned.len() as u32);
    if handle as usize == policies.interned.len() {
        policies.interned.push(None);
    }
    policies.handles.insert(identity.clone(), handle);
    let thing = Interned { policy: policy.clone(), identity, common };
    policies.interned[handle as usize] = Some(Used { thing, times: 1 });
    Ok((handle, policy))
}

/// Gives back what one `intern` took. The last one frees the handle and, with the last policy of a
/// family, the family: keys that are still held under it are never found again.
pub fn release(handle: u32) {
    let mut policies = POLICIES.lock();
    let policies = &mut *policies;
    let Some(place) = policies.interned.get_mut(handle as usize) else {
        return;
    };
    if let Some(used) = place
        && used.times > 1
    {
        used.times -= 1;
        return;
    }
    let Some(Used { thing: Interned { identity, common, .. }, .. }) = place.take() else {
        return;
    };
    policies.handles.remove(&identity);
    policies.free.push(handle);
    let Some(family) = policies.families.get_mut(&common) else {
        return;
    };
    family.times -= 1;
    if family.times == 0 {
        policies.free_families.push(family.thing.0);
        policies.families.remove(&common);
    }
}

fn identity_of(spec: &Spec) -> Identity {
    let numbers = [
        spec.requests_per_second,
        spec.burst,
        spec.requests_per_minute,
        spec.requests_per_hour,
        spec.requests_per_day,
        spec.requests_per_window,
        spec.window_ms,
        spec.tokens_per_minute,
        spec.max_concurrent,
    ];
    (spec.scope.clone(), numbers.map(|number| set(number).map(f64::to_bits)))
}

impl Policies {
    fn compile(&mut self, spec: &Spec) -> Result<(Policy, Common), CoreError> {
        let tokens_per_minute = set(spec.tokens_per_minute);
        // Bounded, so that the end of a window is a number, too.
        let window_ms = (set(spec.window_ms).unwrap_or_default() as u64).min(LATEST_MS);
        // Requests and tokens of a minute are taken at the same instants: one log holds both.
        let per_minute = set(spec.requests_per_minute).or(tokens_per_minute.map(|_| f64::INFINITY));
        let windows: Box<[Window]> = [
            (Code::Minute, MINUTE_MS, per_minute),
            (Code::Hour, HOUR_MS, set(spec.requests_per_hour)),
            (Code::Day, DAY_MS, set(spec.requests_per_day)),
            (Code::Window, window_ms, set(spec.requests_per_window)),
        ]
        .into_iter()
        .filter_map(|(code, length_ms, requests)| Some(Window { code, length_ms, requests: whole(Some(requests?)) }))
        .collect();
        let bucket = set(spec.requests_per_second);
        let common = Common {
            scope: spec.scope.clone(),
            has_bucket: bucket.is_some(),
            windows: windows.iter().map(|window| (window.code, window.length_ms)).collect(),
            limits_concurrency: set(spec.max_concurrent).is_some(),
        };
        let (number, salt) = self.family(&common)?;
        let rate = bucket.unwrap_or(0.0);
        let policy = Policy {
            family: Family::new(number, kind_of(bucket.is_some(), &windows)),
            salt,
            has_bucket: bucket.is_some(),
            rate,
            burst: if rate == 0.0 { 0.0 } else { set(spec.burst).unwrap_or(rate.max(1.0)) },
            windows,
            tokens_per_minute: whole(tokens_per_minute),
            max_concurrent: whole(set(spec.max_concurrent)),
        };
        Ok((policy, common))
    }

    fn family(&mut self, common: &Common) -> Result<(usize, u64), CoreError> {
        if let Some(used) = self.families.get_mut(common) {
            used.times += 1;
            return Ok(used.thing);
        }
        let number = match self.free_families.pop() {
            Some(free) => free,
            None if self.families.len() >= MAX_FAMILIES => return Err(CoreError::TooManyFamilies),
            None => self.families.len(),
        };
        self.families_made += 1;
        let thing = (number, self.families_made);
        self.families.insert(common.clone(), Used { thing, times: 1 });
        Ok(thing)
    }
}

fn kind_of(has_bucket: bool, windows: &[Window]) -> Kind {
    match (has_bucket, windows) {
        (true, []) => Kind::Bucket,
        (false, []) => Kind::InFlight,
        (false, [Window { code: Code::Minute, .. }]) => Kind::Minute,
        (false, [Window { code: Code::Hour, .. }]) => Kind::Hour,
        (false, [Window { code: Code::Day, .. }]) => Kind::Day,
        _ => Kind::Heap,
    }
}

fn set(limit: Option<f64>) -> Option<f64> {
    limit.filter(|limit| !limit.is_nan())
}

fn whole(limit: Option<f64>) -> u64 {
    limit.map_or(UNLIMITED, |limit| limit as u64)
}

struct Open {
    name: Option<String>,
    space: Arc<Space>,
}

#[derive(Default)]
struct Spaces {
    open: HashMap<u32, Used<Open>>,
    named: HashMap<String, u32>,
    next: u32,
}

static SPACES: LazyLock<Mutex<Spaces>> = LazyLock::new(Mutex::default);

/// Opens a space: one for all that name it, or a private one.
pub fn open(name: Option<&str>, max_keys: usize) -> (u32, Arc<Space>) {
    let mut spaces = SPACES.lock();
    let spaces = &mut *spaces;
    if let Some(&handle) = name.and_then(|name| spaces.named.get(name))
        && let Some(open) = spaces.open.get_mut(&handle)
    {
        open.times += 1;
        open.thing.space.set_max_keys(max_keys);
        return (handle, Arc::clone(&open.thing.space));
    }
    let handle = spaces.next;
    spaces.next += 1;
    if let Some(name) = name {
        spaces.named.insert(name.to_owned(), handle);
    }
    let space = Arc::new(Space::new(max_keys));
    spaces.open.insert(handle, Used { thing: Open { name: name.map(str::to_owned), space: Arc::clone(&space) }, times: 1 });
    (handle, space)
}

/// Closes what one `open` opened; the last one forgets the keys, once no thread decides in the
/// space.
pub fn close(handle: u32) {
    let mut spaces = SPACES.lock();
    let Some(open) = spaces.open.get_mut(&handle) else {
        return;
    };
    open.times -= 1;
    if open.times == 0
        && let Some(Used { thing: Open { name: Some(name), .. }, .. }) = spaces.open.remove(&handle)
    {
        spaces.named.remove(&name);
    }
}
