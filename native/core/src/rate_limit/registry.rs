//! The process's policies, each as long as somebody has it.

use super::key::salt;
use super::policy::{Code, DAY_MS, Family, HOUR_MS, Kind, MAX_FAMILIES, MINUTE_MS, Policy, Spec, UNLIMITED, Window};
use crate::CoreError;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What policies of one family have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Common {
    scope: String,
    has_bucket: bool,
    windows: Vec<(Code, u64)>,
    limits_places: bool,
}

/// Something that is in use, and how often.
struct Used<T> {
    thing: T,
    times: usize,
}

type Identity = (String, [u64; 9]);

struct Interned {
    policy: Policy,
    identity: Identity,
    common: Common,
}

#[derive(Default)]
struct Registry {
    policies: Vec<Option<Used<Interned>>>,
    free_policies: Vec<u32>,
    handles: HashMap<Identity, u32>,
    /// Number and salt of each.
    families: HashMap<Common, Used<(usize, u64)>>,
    free_families: Vec<usize>,
    families_made: u64,
}

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);

/// The handle of a policy: the same one for equal policies, in every thread, until it was released as often as it was interned.
pub fn intern(spec: &Spec) -> Result<u32, CoreError> {
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
    // All ways to write "not set" are one.
    let bits = numbers.map(|number| if number.is_nan() { u64::MAX } else { number.to_bits() });
    let identity = (spec.scope.clone(), bits);
    let mut registry = REGISTRY.write();
    let registry = &mut *registry;
    if let Some(&handle) = registry.handles.get(&identity)
        && let Some(Some(used)) = registry.policies.get_mut(handle as usize)
    {
        used.times += 1;
        return Ok(handle);
    }
    let (policy, common) = registry.compile(spec)?;
    let handle = registry.free_policies.pop().unwrap_or(registry.policies.len() as u32);
    if handle as usize == registry.policies.len() {
        registry.policies.push(None);
    }
    registry.handles.insert(identity.clone(), handle);
    registry.policies[handle as usize] = Some(Used { thing: Interned { policy, identity, common }, times: 1 });
    Ok(handle)
}

/// The policy of a handle.
pub fn policy_of(handle: u32) -> Option<Policy> {
    REGISTRY.read().policies.get(handle as usize)?.as_ref().map(|used| used.thing.policy.clone())
}

/// Gives back what one `intern` took. The last one frees the handle and, with the last policy of a family, the family: what is still held under it is never found again.
pub fn release(handle: u32) {
    let mut registry = REGISTRY.write();
    let registry = &mut *registry;
    let Some(place) = registry.policies.get_mut(handle as usize) else {
        return;
    };
    let Some(used) = place else {
        return;
    };
    used.times -= 1;
    if used.times > 0 {
        return;
    }
    let Some(Used { thing: Interned { identity, common, .. }, .. }) = place.take() else {
        return;
    };
    registry.handles.remove(&identity);
    registry.free_policies.push(handle);
    let Some(family) = registry.families.get_mut(&common) else {
        return;
    };
    family.times -= 1;
    if family.times == 0 {
        registry.free_families.push(family.thing.0);
        registry.families.remove(&common);
    }
}

impl Registry {
    fn compile(&mut self, spec: &Spec) -> Result<(Policy, Common), CoreError> {
        let has_tokens = !spec.tokens_per_minute.is_nan();
        let unset = Window { code: Code::Allowed, length_ms: 0, requests: 0 };
        let mut windows = [unset; 4];
        let mut window_count = 0;
        let mut add = |code, length_ms, requests: f64, always: bool| {
            if requests.is_nan() && !always {
                return;
            }
            windows[window_count] = Window { code, length_ms, requests: whole(requests) };
            window_count += 1;
        };
        // Requests and tokens of a minute are taken at the same instants: one log holds both.
        add(Code::Minute, MINUTE_MS, spec.requests_per_minute, has_tokens);
        add(Code::Hour, HOUR_MS, spec.requests_per_hour, false);
        add(Code::Day, DAY_MS, spec.requests_per_day, false);
        add(Code::Window, spec.window_ms as u64, spec.requests_per_window, false);
        let has_bucket = !spec.requests_per_second.is_nan();
        let common = Common {
            scope: spec.scope.clone(),
            has_bucket,
            windows: windows[..window_count].iter().map(|window| (window.code, window.length_ms)).collect(),
            limits_places: !spec.max_concurrent.is_nan(),
        };
        let kind = match (has_bucket, &windows[..window_count]) {
            (true, []) => Kind::Bucket,
            (false, []) => Kind::Places,
            (false, [only]) => match only.code {
                Code::Minute => Kind::Minute,
                Code::Hour => Kind::Hour,
                Code::Day => Kind::Day,
                _ => Kind::Heap,
            },
            _ => Kind::Heap,
        };
        let (number, salt) = self.family(&common)?;
        let rate = if has_bucket { spec.requests_per_second } else { 0.0 };
        let policy = Policy {
            family: Family::new(number, kind),
            salt,
            has_bucket,
            rate,
            burst: if rate == 0.0 {
                0.0
            } else if spec.burst.is_nan() {
                rate.max(1.0)
            } else {
                spec.burst
            },
            windows,
            window_count,
            tokens_per_minute: whole(spec.tokens_per_minute),
            max_concurrent: whole(spec.max_concurrent),
            is_plain: !has_bucket && window_count == 1 && windows[0].requests != UNLIMITED && spec.max_concurrent.is_nan(),
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
        let thing = (number, salt(self.families_made));
        self.families.insert(common.clone(), Used { thing, times: 1 });
        Ok(thing)
    }
}

fn whole(limit: f64) -> u64 {
    if limit.is_nan() { UNLIMITED } else { limit as u64 }
}
