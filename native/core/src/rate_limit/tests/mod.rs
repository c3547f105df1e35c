//! What shows inside only: how states are kept, many threads, keys that come and go. Whole
//! histories are judged from the TypeScript side, beside the other engine.

mod oracle;
mod table;
mod vectors;

use super::policy::Policy;
use super::registry::intern;
use super::{Decision, Key, Scope, Spec};

pub const NOW: f64 = 1.7e12;

pub fn policy(spec: &Spec) -> Policy {
    intern(spec).unwrap().1
}

/// A policy without limits, in a scope of its own.
pub fn unlimited(scope: &str) -> Spec {
    Spec { scope: scope.to_owned(), ..Spec::default() }
}

pub fn scope<'a>(policy: &'a Policy, text: &str) -> Scope<'a> {
    Scope { policy, key: Key::new(policy, &text.encode_utf16().collect::<Vec<_>>()) }
}

pub fn code(decision: Decision) -> u8 {
    decision.code as u8
}
