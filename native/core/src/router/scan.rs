//! Selects a member: the same answers as those of `lib/router/engine/typescript.ts`, number for
//! number.

use super::members::{Members, RPM, TPM, TURN, WEIGHT};
use super::question::Question;
use super::strategy::Strategy;

/// The position of the member that the strategy prefers, and how many members are eligible.
#[must_use]
pub fn scan(members: &Members<'_>, strategy: Strategy, excluded: &[u8], question: &Question) -> (Option<usize>, usize) {
    let question = Question { limits: question.limits || strategy.respects_limits(), ..*question };
    let is_eligible = |position: usize| excluded.get(position) != Some(&1) && members.is_eligible(position, &question);
    if strategy == Strategy::SimpleShuffle {
        let eligible: Vec<usize> = (0..members.len()).filter(|&position| is_eligible(position)).collect();
        return (draw(members, &eligible, question.random), eligible.len());
    }
    let figure = |position: usize| strategy.figure(members, position, &question);
    let turn = |position: usize| members.fact(position, TURN);
    // The lowest figure, of equals the lowest turn: one pass that allocates nothing.
    let (mut best, mut least, mut first, mut ties, mut count) = (None, f64::INFINITY, f64::INFINITY, 0, 0);
    for position in 0..members.len() {
        if !is_eligible(position) {
            continue;
        }
        count += 1;
        let figure = figure(position);
        if figure > least || figure.is_nan() {
            continue;
        }
        let turn = turn(position);
        if best.is_none() || figure < least || turn < first {
            (best, least, first, ties) = (Some(position), figure, turn, 1);
        } else if turn == first {
            ties += 1;
        }
    }
    let buffer = if strategy.is_buffered() { question.buffer } else { 0.0 };
    if buffer <= 0.0 && ties < 2 {
        return (best, count);
    }
    let limit = least * (1.0 + buffer);
    let is_equal = |&position: &usize| figure(position) <= limit && (buffer > 0.0 || turn(position) == first);
    let equals: Vec<usize> = (0..members.len()).filter(|&position| is_eligible(position)).filter(is_equal).collect();
    (one_of(&equals, question.random), count)
}

/// By weight where one is set and not all are 0; else by rpm; else by tpm; else evenly.
fn draw(members: &Members<'_>, eligible: &[usize], random: f64) -> Option<usize> {
    for fact in [WEIGHT, RPM, TPM] {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        let weights: Vec<f64> = eligible.iter().map(|&position| finite(members.fact(position, fact))).collect();
        let sum: f64 = weights.iter().sum();
        if sum > 0.0 {
            return drawn(eligible, &weights, sum * random);
        }
    }
    one_of(eligible, random)
}

fn drawn(eligible: &[usize], weights: &[f64], share: f64) -> Option<usize> {
    let mut left = share;
    let mut last = *eligible.first()?;
    for (&position, &weight) in eligible.iter().zip(weights).filter(|&(_, &weight)| weight != 0.0) {
        last = position;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    Some(last)
}

fn one_of(positions: &[usize], random: f64) -> Option<usize> {
    let index = ((random * positions.len() as f64).floor() as usize).min(positions.len().saturating_sub(1));
    positions.get(index).copied()
}
