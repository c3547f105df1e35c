//! The vectors that all engines answer.

use super::{policy, scope};
use crate::rate_limit::policy::{Ask, Policy};
use crate::rate_limit::table::key::Scope;
use crate::rate_limit::table::space::{Correction, Space};
use crate::rate_limit::{Decision, Spec};
use serde_json::Value;

const NAMES: [&str; 8] = ["allowed", "second", "minute", "hour", "day", "tokens", "concurrency", "window"];

struct Case {
    space: Space,
    policies: Vec<Policy>,
    start_ms: f64,
}

fn number(value: &Value, field: &str, otherwise: f64) -> f64 {
    value[field].as_f64().unwrap_or(otherwise)
}

fn policy_of(name: &str, spec: &Value) -> Policy {
    let limit = |field: &str| spec[field].as_f64();
    policy(&Spec {
        scope: format!("{name} {}", spec["scope"]),
        requests_per_second: limit("requestsPerSecond"),
        burst: limit("burst"),
        requests_per_minute: limit("requestsPerMinute"),
        requests_per_hour: limit("requestsPerHour"),
        requests_per_day: limit("requestsPerDay"),
        requests_per_window: limit("requestsPerWindow"),
        window_ms: limit("windowMs"),
        tokens_per_minute: limit("tokensPerMinute"),
        max_concurrent: limit("maxConcurrent"),
    })
}

impl Case {
    fn run(&self, step: &Value) -> Decision {
        let now = self.start_ms + number(step, "at", 0.0);
        let one = scope(&self.policies[number(step, "policy", 0.0) as usize], step["key"].as_str().unwrap_or("a"));
        let ask = Ask::new(number(step, "cost", 1.0) as u64, number(step, "tokens", 0.0) as u64);
        let taken_at_ms = |otherwise| self.start_ms + number(step, "takenAt", otherwise);
        match step["call"].as_str() {
            Some("settle") => {
                let tokens = number(step, "actualTokens", 0.0) as i64 - ask.tokens as i64;
                self.space.settle(one, Correction { tokens, taken_at_ms: taken_at_ms(0.0) }, now);
            }
            Some("release") => self.space.release(one, taken_at_ms(f64::INFINITY)),
            Some("reset") => self.space.reset(one),
            Some("checkAll") => {
                let scopes: Vec<Scope<'_>> = step["scopes"].as_array().unwrap().iter().map(|scope| self.scope(scope)).collect();
                return self.space.check_all(&scopes, ask, now);
            }
            Some("peek") => return self.space.peek(one, ask, now),
            _ => return self.space.check(one, ask, now),
        }
        Decision::default()
    }

    fn scope(&self, value: &Value) -> Scope<'_> {
        scope(&self.policies[value[0].as_u64().unwrap() as usize], value[1].as_str().unwrap())
    }

    fn field(&self, decision: &Decision, field: &str) -> f64 {
        match field {
            "limit" => decision.limit,
            "remainingRequests" => decision.remaining_requests,
            "remainingTokens" => decision.remaining_tokens,
            "retryAfterMs" => decision.retry_after_ms,
            "resetMs" => decision.reset_ms,
            "tokensResetMs" => decision.tokens_reset_ms,
            "atMs" => decision.at_ms - self.start_ms,
            "index" => decision.index,
            _ => unreachable!("{field} is not a field"),
        }
    }
}

#[test]
fn the_shared_vectors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/rate-limit.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for vector in cases {
        let name = vector["name"].as_str().unwrap();
        let policies = vector["policies"].as_array().unwrap().iter().map(|spec| policy_of(name, spec)).collect();
        let case = Case { space: Space::new(10_000), policies, start_ms: vectors["startMs"].as_f64().unwrap() };
        for step in vector["steps"].as_array().unwrap() {
            for time in 0..number(step, "times", 1.0) as usize {
                let decision = case.run(step);
                let Some(expected) = step["expect"].as_object() else {
                    continue;
                };
                assert_eq!(NAMES[decision.code as usize], expected["code"], "{name}: {step} gave {decision:?}");
                for (field, value) in expected.iter().filter(|(field, _)| time == 0 && *field != "code") {
                    let value = if value == "never" { f64::INFINITY } else { value.as_f64().unwrap() };
                    assert_eq!(case.field(&decision, field), value, "{name}: {field} of {step}");
                }
            }
        }
    }
}
