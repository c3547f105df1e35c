import type { Strategy } from './strategy.js';

/**
 * Selects the deployment with the lowest mean latency per token of the answer. One without samples
 * comes first.
 */
export const latencyBased: Strategy = {
  name: 'latency_based',
  number: 2,
  aliases: ['latency-based-routing'],
  respectsLimits: true,
  isBuffered: true,
  needsPrices: false,
  figure: ({ memory, nowMs, sampleTtlMs }, slot) => (nowMs - memory.latencyAt[slot] < sampleTtlMs ? memory.latency[slot] : 0),
};

/** `latency_based` for streams: compares the time to first token. */
export const firstTokenBased: Strategy = {
  ...latencyBased,
  number: 3,
  figure: ({ memory, nowMs, sampleTtlMs }, slot) => (nowMs - memory.firstTokenAt[slot] < sampleTtlMs ? memory.firstToken[slot] : 0),
};
