import { suggestion } from '../../../common/nearest-name.js';
import { refuseOption, type Refuse } from '../../../common/options.js';
import { firstTokenBased, latencyBased } from './latency-based.js';
import { leastBusy } from './least-busy.js';
import { simpleShuffle } from './simple-shuffle.js';
import type { RoutingStrategy, Strategy } from './strategy.js';
import { Fact, factIndex } from '../../engine/engine.js';

/** Selects the deployment with the lowest price of an input token and an output token. */
const costBased: Strategy = {
  name: 'cost_based',
  number: 5,
  aliases: ['cost-based-routing'],
  respectsLimits: true,
  isBuffered: false,
  needsPrices: true,
  figure: ({ members }, _, position) => members.facts[factIndex(members, Fact.cost, position)],
};

/** Selects the deployment with the fewest tokens in the current minute. */
const usageBased: Strategy = {
  name: 'usage_based',
  number: 4,
  aliases: ['usage-based-routing', 'usage-based-routing-v2'],
  respectsLimits: true,
  isBuffered: false,
  needsPrices: false,
  figure: ({ memory, minute }, slot) => memory.tokensOf(slot, minute),
};

/** All strategies, by their number: `strategy.rs` of the native engine has the same order. */
export const STRATEGIES: readonly Strategy[] = [simpleShuffle, leastBusy, latencyBased, firstTokenBased, usageBased, costBased];

/** The same by name, without the variant for streams. */
export const BY_NAME: Readonly<Record<RoutingStrategy, Strategy>> = {
  simple_shuffle: simpleShuffle,
  least_busy: leastBusy,
  latency_based: latencyBased,
  cost_based: costBased,
  usage_based: usageBased,
};

/** The names of the strategies. */
export const ROUTING_STRATEGIES: readonly RoutingStrategy[] = Object.keys(BY_NAME) as RoutingStrategy[];

const ALIASES = new Map(STRATEGIES.flatMap(({ name, aliases }) => aliases.map((alias) => [alias, name] as const)));

/**
 * Returns the strategy's name for a name of its own or of LiteLLM; `undefined` for any other value.
 */
export function strategyNamed(name: unknown): RoutingStrategy | undefined {
  if (typeof name !== 'string') return undefined;
  return Object.hasOwn(BY_NAME, name) ? (name as RoutingStrategy) : ALIASES.get(name);
}

/** @throws what `refuse` makes, naming the strategies. */
export function checkStrategy(path: string, value: unknown, refuse: Refuse = refuseOption): RoutingStrategy {
  const strategy = strategyNamed(value);
  if (strategy !== undefined) return strategy;
  const hint = typeof value === 'string' ? suggestion(value, [...ROUTING_STRATEGIES, ...ALIASES.keys()]) : '';
  throw refuse(path, value, `must be one of ${ROUTING_STRATEGIES.join(', ')}, or the LiteLLM name of a strategy${hint}`);
}
