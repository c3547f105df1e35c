//! The strategies, under the numbers that `lib/router/selection/strategies` gives them.

use super::members::{COST, Members};
use super::memory::{Double, Int};
use super::question::Question;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    SimpleShuffle,
    LeastBusy,
    LatencyBased,
    FirstTokenBased,
    UsageBased,
    CostBased,
}

impl Strategy {
    /// `None` for a number that no strategy has.
    #[must_use]
    pub fn from_number(number: f64) -> Option<Self> {
        let all = [Self::SimpleShuffle, Self::LeastBusy, Self::LatencyBased, Self::FirstTokenBased, Self::UsageBased, Self::CostBased];
        all.into_iter().nth(number as usize)
    }

    /// Whether rpm and tpm limit without being asked for.
    #[must_use]
    pub fn respects_limits(self) -> bool {
        !matches!(self, Self::SimpleShuffle | Self::LeastBusy)
    }

    /// Whether figures near the lowest count as equal.
    #[must_use]
    pub fn is_buffered(self) -> bool {
        matches!(self, Self::LatencyBased | Self::FirstTokenBased)
    }

    /// What a member is compared by: the lowest is selected. Members of `SimpleShuffle` are drawn
    /// instead.
    #[inline(always)]
    #[must_use]
    pub fn figure(self, members: &Members<'_>, position: usize, question: &Question) -> f64 {
        let memory = &members.memory;
        let slot = members.slot(position);
        let unless_expired = |figure: Double, at: Double| {
            if question.now_ms - memory.double(at, slot) < question.sample_ttl_ms { memory.double(figure, slot) } else { 0.0 }
        };
        match self {
            Self::SimpleShuffle => 0.0,
            Self::LeastBusy => f64::from(memory.in_flight(slot)),
            Self::LatencyBased => unless_expired(Double::Latency, Double::LatencyAt),
            Self::FirstTokenBased => unless_expired(Double::FirstToken, Double::FirstTokenAt),
            Self::UsageBased => members.of_minute(slot, question.minute, Int::Tokens, Int::ElsewhereTokens),
            Self::CostBased => members.fact(position, COST),
        }
    }
}
