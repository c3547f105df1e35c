import type { Strategy } from './strategy.js';

/** Selects the deployment with the fewest requests in flight. */
export const leastBusy: Strategy = {
  name: 'least_busy',
  number: 1,
  aliases: ['least-busy'],
  respectsLimits: false,
  isBuffered: false,
  needsPrices: false,
  figure: ({ memory }, slot) => memory.inFlightOf(slot),
};
