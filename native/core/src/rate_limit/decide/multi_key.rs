//! Several keys, decided together: all take their part, or none does.

use super::decision::Decision;
use crate::rate_limit::policy::Ask;
use crate::rate_limit::table::key::Scope;
use crate::rate_limit::table::space::{Guard, Space, look};
use smallvec::SmallVec;

/// So many are decided without allocating.
const FEW_SCOPES: usize = 6;

impl Space {
    /// `check` for several scopes, all or nothing. A scope that is named twice is taken from twice.
    pub fn check_all(&self, scopes: &[Scope<'_>], ask: Ask, now_ms: f64) -> Decision {
        let mut at = self.at(now_ms);
        let mut shards: SmallVec<[usize; FEW_SCOPES]> = scopes.iter().map(|scope| self.shard_of(scope.key)).collect();
        shards.sort_unstable();
        shards.dedup();
        // In the order of their numbers, so that two threads never wait for each other.
        let mut guards: SmallVec<[Guard<'_>; FEW_SCOPES]> = shards.iter().map(|&number| self.lock(number)).collect();
        let guard_of = |scope: &Scope<'_>| shards.partition_point(|&number| number < self.shard_of(scope.key));
        // One time for all, not before the last use of any.
        for scope in scopes {
            at = look(&mut guards[guard_of(scope)], *scope, at, |standing| standing.at);
        }
        let mut summary = Summary::default();
        for (index, scope) in scopes.iter().enumerate() {
            let times = scopes[..=index].iter().filter(|other| *other == scope).count() as u64;
            let decision = look(&mut guards[guard_of(scope)], *scope, at, |standing| standing.decide(ask.times(times)));
            summary.add(Decision { index: index as f64, ..decision });
        }
        if summary.decision.is_allowed() {
            for scope in scopes {
                let shard = &mut guards[guard_of(scope)];
                match shard.find(*scope) {
                    Some(number) => shard.update(number, at, |state, at| state.take(scope.policy, ask, at)),
                    None => self.insert(shard, *scope, ask, at),
                }
            }
        } else {
            // Nothing is taken from the others either.
            summary.left = Left::default();
            for scope in scopes {
                summary.left.add(&look(&mut guards[guard_of(scope)], *scope, at, |standing| standing.left()));
            }
        }
        if let Some(first) = guards.first_mut() {
            first.count(summary.decision.is_allowed());
        }
        summary.whole()
    }
}

/// The least that is left in any scope.
struct Left {
    requests: f64,
    tokens: f64,
    tokens_reset_ms: f64,
}

impl Default for Left {
    fn default() -> Self {
        Self { requests: f64::INFINITY, tokens: f64::INFINITY, tokens_reset_ms: 0.0 }
    }
}

impl Left {
    fn add(&mut self, one: &Decision) {
        self.requests = self.requests.min(one.remaining_requests);
        if one.remaining_tokens < self.tokens {
            (self.tokens, self.tokens_reset_ms) = (one.remaining_tokens, one.tokens_reset_ms);
        }
    }
}

/// What several decisions come to: that of the scope that denies for longest or, when allowed, has
/// the least requests left.
#[derive(Default)]
struct Summary {
    decision: Decision,
    is_begun: bool,
    left: Left,
}

impl Summary {
    fn add(&mut self, one: Decision) {
        let is_chosen = !self.is_begun
            || match (one.is_allowed(), self.decision.is_allowed()) {
                (true, true) => one.remaining_requests < self.left.requests,
                (allowed, was_allowed) if allowed != was_allowed => was_allowed,
                _ => one.retry_after_ms > self.decision.retry_after_ms,
            };
        if is_chosen {
            self.decision = one;
        }
        self.is_begun = true;
        self.left.add(&one);
    }

    fn whole(&self) -> Decision {
        Decision {
            remaining_requests: self.left.requests,
            remaining_tokens: self.left.tokens,
            tokens_reset_ms: self.left.tokens_reset_ms,
            ..self.decision
        }
    }
}
