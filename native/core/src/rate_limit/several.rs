//! Several keys, decided together.

use super::key::Key;
use super::policy::{Code, Policy};
use super::shard::Shard;
use super::space::{Guard, Space};
use super::state::State;
use super::verdict::{Ask, Decision, decide};

/// One of several keys that are decided together.
pub struct Scope<'a> {
    pub policy: &'a Policy,
    pub key: Key,
}

impl Space {
    /// The same for several scopes, all or nothing.
    pub fn check_all(&self, scopes: &[Scope<'_>], cost: u64, tokens: u64, now_ms: f64) -> Decision {
        let mut at = self.at(now_ms);
        let mut numbers: Vec<usize> = scopes.iter().map(|scope| self.shard_of(scope.key)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        // In the order of their numbers, so that two threads never wait for each other.
        let mut guards: Vec<Guard<'_>> = numbers.iter().map(|&number| self.shards[number].lock()).collect();
        let places: Vec<usize> = scopes.iter().map(|scope| numbers.partition_point(|&number| number < self.shard_of(scope.key))).collect();
        for (scope, &place) in scopes.iter().zip(&places) {
            if let Some(number) = guards[place].find(scope.key.0, scope.policy.family) {
                at = at.max(guards[place].slot(number).used_at());
            }
        }
        let mut chosen: Option<Decision> = None;
        let (mut requests, mut left, mut left_reset_ms) = (f64::INFINITY, f64::INFINITY, 0.0);
        for (index, (scope, &place)) in scopes.iter().zip(&places).enumerate() {
            let times =
                1 + scopes[..index].iter().filter(|other| other.key == scope.key && other.policy.family == scope.policy.family).count()
                    as u64;
            let ask = Ask { cost: cost * times, tokens: tokens * times, places: times };
            let shard = &mut *guards[place];
            let mut decision = match shard.find(scope.key.0, scope.policy.family) {
                None => decide(scope.policy, None, at, ask),
                Some(number) => {
                    shard.touch(number);
                    let slot = shard.slot(number);
                    let mut state = slot.load();
                    state.prune(at);
                    let decision = decide(scope.policy, Some(&state), at, ask);
                    slot.store(&mut state, at);
                    decision
                }
            };
            decision.index = index as f64;
            if decision.remaining_tokens < left {
                (left, left_reset_ms) = (decision.remaining_tokens, decision.tokens_reset_ms);
            }
            let is_chosen = chosen.is_none_or(|chosen| match (decision.code, chosen.code) {
                (Code::Allowed, Code::Allowed) => decision.remaining_requests < requests,
                (Code::Allowed, _) => false,
                (_, Code::Allowed) => true,
                _ => decision.retry_after_ms > chosen.retry_after_ms,
            });
            requests = requests.min(decision.remaining_requests);
            if is_chosen {
                chosen = Some(decision);
            }
        }
        let mut decision = chosen.unwrap_or_default();
        decision.remaining_requests = requests;
        decision.remaining_tokens = left;
        decision.tokens_reset_ms = left_reset_ms;
        if decision.code == Code::Allowed {
            for (scope, &place) in scopes.iter().zip(&places) {
                self.take(&mut guards[place], scope, cost, tokens, at);
            }
        }
        if let Some(first) = guards.first_mut() {
            if decision.code == Code::Allowed {
                first.allowed += 1;
            } else {
                first.denied += 1;
            }
        }
        decision
    }

    fn take(&self, shard: &mut Shard, scope: &Scope<'_>, cost: u64, tokens: u64, at: u64) {
        let Scope { policy, key } = scope;
        let (number, mut state) = match shard.find(key.0, policy.family) {
            Some(number) => {
                let mut state = shard.slot(number).load();
                state.prune(at);
                (number, state)
            }
            None => (self.insert(shard, policy, *key, at), State::new(policy)),
        };
        state.take(policy, cost, tokens, at);
        shard.slot(number).store(&mut state, at);
    }
}
