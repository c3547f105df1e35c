//! Several keys, decided together.

use super::key::Key;
use super::policy::{Code, Policy};
use super::shard::Shard;
use super::space::{Guard, Space};
use super::state::State;
use super::verdict::{Ask, Decision, decide, stand};
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
                at = at.max(shard.used_at(number));
            }
        }
        let mut summary = Summary::default();
        for (index, scope) in scopes.iter().enumerate() {
            let same = |other: &&Scope<'_>| other.key == scope.key && other.policy.family == scope.policy.family;
            let times = scopes[..=index].iter().filter(same).count() as u64;
            let ask = Ask { cost: cost * times, tokens: tokens * times, places: times };
            let mut one = Decision { index: index as f64, ..Decision::default() };
            let code = look(&mut guards[guard_of(scope)], scope, at, |state| decide(scope.policy, state, at, ask, &mut one));
            summary.add(code, &one);
        }
        if summary.code != Code::Allowed {
            // Nothing is taken from the others either.
            summary.forget_what_is_left();
            for scope in scopes {
                let mut one = Decision::default();
                look(&mut guards[guard_of(scope)], scope, at, |state| stand(scope.policy, state, at, &mut one));
                summary.add_what_is_left(&one);
            }
        }
        if summary.code == Code::Allowed {
            for scope in scopes {
                self.take(&mut guards[guard_of(scope)], scope, Ask { cost, tokens, places: 1 }, at);
            }
        }
        if let Some(first) = guards.first_mut() {
            first.count(summary.code);
        }
        *decision = summary.decision();
        summary.code
    }

    fn take(&self, shard: &mut Shard, scope: &Scope<'_>, ask: Ask, at: u64) {
        let Scope { policy, key } = scope;
        let (number, mut state) = match shard.find(key.0, policy.family) {
            Some(number) => (number, shard.load(number)),
            None => (self.insert(shard, policy, *key, at), State::new(policy)),
        };
        state.prune(at);
        state.take(policy, ask, at);
        shard.store(number, &mut state, at);
    }
}

/// Lets `work` see the state of a scope's key, if it is held.
fn look<R>(shard: &mut Shard, scope: &Scope<'_>, at: u64, work: impl FnOnce(Option<&State>) -> R) -> R {
    let Some(number) = shard.find(scope.key.0, scope.policy.family) else {
        return work(None);
    };
    let mut state = shard.load(number);
    state.prune(at);
    let result = work(Some(&state));
    shard.store(number, &mut state, at);
    result
}

/// What several decisions come to: that of the scope that refuses longest or else has the least left, with the least that is left anywhere.
struct Summary {
    code: Code,
    decision: Decision,
    is_begun: bool,
    requests: f64,
    tokens: f64,
    tokens_reset_ms: f64,
}

impl Default for Summary {
    fn default() -> Self {
        let decision = Decision { limit: f64::INFINITY, ..Decision::default() };
        Self { code: Code::Allowed, decision, is_begun: false, requests: f64::INFINITY, tokens: f64::INFINITY, tokens_reset_ms: 0.0 }
    }
}

impl Summary {
    fn add(&mut self, code: Code, one: &Decision) {
        let is_chosen = !self.is_begun
            || match (code, self.code) {
                (Code::Allowed, Code::Allowed) => one.remaining_requests < self.requests,
                (Code::Allowed, _) => false,
                (_, Code::Allowed) => true,
                _ => one.retry_after_ms > self.decision.retry_after_ms,
            };
        if is_chosen {
            self.decision = *one;
            self.code = code;
        }
        self.is_begun = true;
        self.add_what_is_left(one);
    }

    fn add_what_is_left(&mut self, one: &Decision) {
        self.requests = self.requests.min(one.remaining_requests);
        if one.remaining_tokens < self.tokens {
            (self.tokens, self.tokens_reset_ms) = (one.remaining_tokens, one.tokens_reset_ms);
        }
    }

    fn forget_what_is_left(&mut self) {
        (self.requests, self.tokens, self.tokens_reset_ms) = (f64::INFINITY, f64::INFINITY, 0.0);
    }

    fn decision(&self) -> Decision {
        let (remaining_requests, remaining_tokens, tokens_reset_ms) = (self.requests, self.tokens, self.tokens_reset_ms);
        Decision { remaining_requests, remaining_tokens, tokens_reset_ms, ..self.decision }
    }
}
