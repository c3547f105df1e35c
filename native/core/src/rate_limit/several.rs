//! Several keys, decided together.

use super::key::Key;
use super::policy::{Code, Policy};
use super::shard::Shard;
use super::space::{Guard, Space};
use super::state::State;
use super::verdict::{Ask, Decision, decide};
use smallvec::SmallVec;

/// So many are decided without allocating.
const FEW_SCOPES: usize = 6;

/// One of several keys that are decided together.
pub struct Scope<'a> {
    pub policy: &'a Policy,
    pub key: Key,
}

impl Space {
    /// The same for several scopes, all or nothing.
    pub fn check_all(&self, scopes: &[Scope<'_>], cost: u64, tokens: u64, now_ms: f64, decision: &mut Decision) -> Code {
        let mut at = self.at(now_ms);
        let mut shards: SmallVec<[usize; FEW_SCOPES]> = scopes.iter().map(|scope| self.shard_of(scope.key)).collect();
        shards.sort_unstable();
        shards.dedup();
        // In the order of their numbers, so that two threads never wait for each other.
        let mut guards: SmallVec<[Guard<'_>; FEW_SCOPES]> = shards.iter().map(|&number| self.shards[number].lock()).collect();
        let guard_of = |scope: &Scope<'_>| shards.partition_point(|&number| number < self.shard_of(scope.key));
        for scope in scopes {
            let shard = &mut guards[guard_of(scope)];
            if let Some(number) = shard.find(scope.key.0, scope.policy.family) {
                shard.touch(number);
                at = at.max(shard.slot(number).used_at());
            }
        }
        let mut summary = Summary::default();
        for (index, scope) in scopes.iter().enumerate() {
            let same = |other: &&Scope<'_>| other.key == scope.key && other.policy.family == scope.policy.family;
            let times = scopes[..=index].iter().filter(same).count() as u64;
            let ask = Ask { cost: cost * times, tokens: tokens * times, places: times };
            let mut one = Decision { index: index as f64, ..Decision::default() };
            let shard = &mut guards[guard_of(scope)];
            let code = match shard.find(scope.key.0, scope.policy.family) {
                None => decide(scope.policy, None, at, ask, &mut one),
                Some(number) => {
                    let slot = shard.slot(number);
                    let mut state = slot.load();
                    state.prune(at);
                    let code = decide(scope.policy, Some(&state), at, ask, &mut one);
                    slot.store(&mut state, at);
                    code
                }
            };
            summary.add(code, &one);
        }
        if summary.code == Code::Allowed {
            for scope in scopes {
                self.take(&mut guards[guard_of(scope)], scope, Ask { cost, tokens, places: 1 }, at);
            }
        }
        if let Some(first) = guards.first_mut() {
            first.count(summary.code);
        }
        *decision = summary.decision;
        summary.code
    }

    fn take(&self, shard: &mut Shard, scope: &Scope<'_>, ask: Ask, at: u64) {
        let Scope { policy, key } = scope;
        let (number, mut state) = match shard.find(key.0, policy.family) {
            Some(number) => (number, shard.slot(number).load()),
            None => (self.insert(shard, policy, *key, at), State::new(policy)),
        };
        state.prune(at);
        state.take(policy, ask, at);
        shard.slot(number).store(&mut state, at);
    }
}

/// What several decisions come to: that of the scope that refuses longest or else has the least left, with the least that is left anywhere.
#[derive(Default)]
struct Summary {
    code: Code,
    decision: Decision,
    is_begun: bool,
}

impl Summary {
    fn add(&mut self, code: Code, one: &Decision) {
        let all = &mut self.decision;
        let is_chosen = !self.is_begun
            || match (code, self.code) {
                (Code::Allowed, Code::Allowed) => one.remaining_requests < all.remaining_requests,
                (Code::Allowed, _) => false,
                (_, Code::Allowed) => true,
                _ => one.retry_after_ms > all.retry_after_ms,
            };
        let before = *all;
        if is_chosen {
            *all = *one;
            self.code = code;
        }
        if self.is_begun {
            all.remaining_requests = before.remaining_requests.min(one.remaining_requests);
            let least = if one.remaining_tokens < before.remaining_tokens { one } else { &before };
            all.remaining_tokens = least.remaining_tokens;
            all.tokens_reset_ms = least.tokens_reset_ms;
        }
        self.is_begun = true;
    }
}
