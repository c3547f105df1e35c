//! The answers that take a look at every member: the same as those of `lib/router/engine/typescript.ts`, number for number.

use super::members::{Members, Order, Question};

/// What a look at all members found out: how many may be chosen, and until when that is so.
pub struct Seen {
    pub count: usize,
    pub wake_at_ms: f64,
}

fn next_minute(question: &Question) -> f64 {
    ((question.now_ms / 60_000.0).floor() + 1.0) * 60_000.0
}

/// The best member that may be chosen, and how many may.
#[must_use]
pub fn scan(members: &Members<'_>, excluded: &[u8], question: &Question) -> (Option<usize>, usize) {
    let is_excluded = |position: usize| excluded.get(position) == Some(&1);
    let free: Vec<usize> = (0..members.len()).filter(|&position| !is_excluded(position) && members.free(position, question)).collect();
    if free.is_empty() {
        return (None, 0);
    }
    if question.order == Order::Shuffle {
        return (Some(drawn(&free, &weights(members, &free), question.random)), free.len());
    }
    let figures: Vec<f64> = free.iter().map(|&position| members.figure(position, question)).collect();
    let lowest = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let buffered = matches!(question.order, Order::Latency | Order::FirstToken);
    let limit = if buffered { lowest * (1.0 + question.buffer) } else { lowest };
    let best: Vec<usize> = free.iter().zip(&figures).filter(|&(_, &figure)| figure <= limit).map(|(&position, _)| position).collect();
    let index = ((question.random * best.len() as f64).floor() as usize).min(best.len().saturating_sub(1));
    (best.get(index).copied(), free.len())
}

/// Ranks the members: their keys, and the tournament over them.
pub fn rank(members: &Members<'_>, question: &Question, keys: &mut [f64], ties: &[i32], winners: &mut [i32]) -> Seen {
    let mut seen = Seen { count: 0, wake_at_ms: if question.limits { next_minute(question) } else { f64::INFINITY } };
    // Of the input nothing is known in a ranking.
    let question = &Question { input_tokens: 0.0, ..*question };
    for (position, key) in keys.iter_mut().enumerate().take(members.len()) {
        seen.wake_at_ms = seen.wake_at_ms.min(members.wake_at(position, question));
        let free = members.free(position, question);
        seen.count += usize::from(free);
        *key = if free { members.figure(position, question) } else { f64::INFINITY };
    }
    let leaves = winners.len() / 2;
    for leaf in 0..leaves {
        winners[leaves + leaf] = leaf as i32;
    }
    for node in (1..leaves).rev() {
        let (left, right) = (winners[2 * node] as usize, winners[2 * node + 1] as usize);
        let later = keys[right] < keys[left] || (keys[right] == keys[left] && ties[right].wrapping_sub(ties[left]) < 0);
        winners[node] = if later { right } else { left } as i32;
    }
    seen
}

/// The alias table over the members that do not cool and are healthy.
pub fn lottery(members: &Members<'_>, question: &Question, chances: &mut [f64], aliases: &mut [i32]) -> Seen {
    // A draw knows no other order, whatever was asked.
    let question = &Question { order: Order::Shuffle, ..*question };
    let mut wake_at_ms = f64::INFINITY;
    let mut free = Vec::with_capacity(members.len());
    for position in 0..members.len() {
        if members.is_out(position, question) {
            wake_at_ms = wake_at_ms.min(members.wake_at(position, question));
        } else {
            free.push(position);
        }
    }
    let weights = weights(members, &free);
    fill(&free, &weights, chances, aliases);
    Seen { count: free.len(), wake_at_ms }
}

fn fill(free: &[usize], weights: &[f64], chances: &mut [f64], aliases: &mut [i32]) {
    let scale = free.len() as f64 / weights.iter().sum::<f64>();
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for (place, &position) in free.iter().enumerate() {
        chances[place] = weights[place] * scale;
        aliases[2 * place] = position as i32;
        aliases[2 * place + 1] = position as i32;
        if chances[place] < 1.0 { &mut small } else { &mut large }.push(place);
    }
    while let (Some(&poor), Some(&rich)) = (small.last(), large.last()) {
        small.pop();
        aliases[2 * poor + 1] = free[rich] as i32;
        chances[rich] -= 1.0 - chances[poor];
        if chances[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    // What is left is 1 but for rounding; a place without weight has given itself away before.
    for place in small.into_iter().chain(large) {
        if weights[place] > 0.0 {
            chances[place] = 1.0;
        }
    }
}

/// By weight where one is set and not all are 0; else by rpm; else by tpm; else all alike.
fn weights(members: &Members<'_>, free: &[usize]) -> Vec<f64> {
    for fact in [4, 0, 1] {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        let weights: Vec<f64> = free.iter().map(|&position| finite(members.fact(position, fact))).collect();
        if weights.iter().sum::<f64>() > 0.0 {
            return weights;
        }
    }
    vec![1.0; free.len()]
}

fn drawn(free: &[usize], weights: &[f64], random: f64) -> usize {
    let mut left = random * weights.iter().sum::<f64>();
    let mut last = free[0];
    for (&position, &weight) in free.iter().zip(weights).filter(|&(_, &weight)| weight != 0.0) {
        last = position;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}
