//! What an engine is asked: `Question` of `lib/router/engine/engine.ts`.

/// Numbers of a question.
pub const QUESTION: usize = 10;
/// Place of the number that the engine writes: how many members are eligible.
pub const COUNT: usize = 9;

#[derive(Clone, Copy)]
pub struct Question {
    pub now_ms: f64,
    pub minute: i32,
    pub input_tokens: f64,
    /// From 0 to 1, without 1.
    pub random: f64,
    /// Whether this request can reach a limit or a context window.
    pub limited: bool,
    /// Whether rpm and tpm limit under every strategy.
    pub limits: bool,
    /// Whether failed health checks are ignored.
    pub any_health: bool,
    pub buffer: f64,
    pub sample_ttl_ms: f64,
}

impl Question {
    /// The first number is that of the strategy.
    #[must_use]
    pub fn read(numbers: &[f64; QUESTION]) -> Self {
        let &[_, now_ms, input_tokens, random, limits, any_health, buffer, sample_ttl_ms, limited, _] = numbers;
        let minute = (now_ms / 60_000.0).floor() as i32;
        Self {
            now_ms,
            minute,
            input_tokens,
            random,
            limited: limited == 1.0,
            limits: limits == 1.0,
            any_health: any_health == 1.0,
            buffer,
            sample_ttl_ms,
        }
    }
}
