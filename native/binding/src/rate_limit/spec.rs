use fast_litellm_core::rate_limit::Spec;
use napi_derive::napi;

/// Limits of a policy; what is left out is unlimited.
#[napi(object)]
pub struct RateLimitSpec {
    pub scope: Option<String>,
    pub requests_per_second: Option<f64>,
    pub burst: Option<f64>,
    pub requests_per_minute: Option<f64>,
    pub requests_per_hour: Option<f64>,
    pub requests_per_day: Option<f64>,
    pub requests_per_window: Option<f64>,
    pub window_ms: Option<f64>,
    pub tokens_per_minute: Option<f64>,
    pub max_concurrent: Option<f64>,
}

impl From<RateLimitSpec> for Spec {
    fn from(spec: RateLimitSpec) -> Self {
        Self {
            scope: spec.scope.unwrap_or_default(),
            requests_per_second: spec.requests_per_second,
            burst: spec.burst,
            requests_per_minute: spec.requests_per_minute,
            requests_per_hour: spec.requests_per_hour,
            requests_per_day: spec.requests_per_day,
            requests_per_window: spec.requests_per_window,
            window_ms: spec.window_ms,
            tokens_per_minute: spec.tokens_per_minute,
            max_concurrent: spec.max_concurrent,
        }
    }
}
