import { Fact, factIndex } from '../../engine/engine.js';
import type { Strategy } from './strategy.js';

/** Selects the deployment with the lowest price of an input token and an output token. */
export const costBased: Strategy = {
  name: 'cost_based',
  number: 5,
  aliases: ['cost-based-routing'],
  respectsLimits: true,
  isBuffered: false,
  needsPrices: true,
  figure: ({ members }, _, position) => members.facts[factIndex(members, Fact.cost, position)],
};
