import type { Strategy } from './strategy.js';

/** Draws a deployment in proportion to `weight`, else to `rpm`, else to `tpm`. */
export const simpleShuffle: Strategy = {
  name: 'simple_shuffle',
  number: 0,
  aliases: ['simple-shuffle'],
  respectsLimits: false,
  isBuffered: false,
  needsPrices: false,
  figure: null,
};
