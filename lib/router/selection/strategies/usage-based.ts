import type { Strategy } from './strategy.js';

/** Selects the deployment with the fewest tokens in the current minute. */
export const usageBased: Strategy = {
  name: 'usage_based',
  number: 4,
  aliases: ['usage-based-routing', 'usage-based-routing-v2'],
  respectsLimits: true,
  isBuffered: false,
  needsPrices: false,
  figure: ({ memory, minute }, slot) => memory.tokensOf(slot, minute),
};
