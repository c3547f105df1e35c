import { suggestion } from '../../../common/nearest-name.js';
import { refuseOption, type Refuse } from '../../../common/options.js';

/** How one of several deployments is chosen. */
export type RoutingStrategy = 'simple_shuffle' | 'least_busy' | 'latency_based' | 'cost_based' | 'usage_based';

/** The strategies, by their names here. */
export const ROUTING_STRATEGIES: readonly RoutingStrategy[] = [
  'simple_shuffle',
  'least_busy',
  'latency_based',
  'cost_based',
  'usage_based',
];

/** LiteLLM's names for them. */
const ALIASES: Readonly<Record<string, RoutingStrategy>> = {
  'simple-shuffle': 'simple_shuffle',
  'least-busy': 'least_busy',
  'latency-based-routing': 'latency_based',
  'cost-based-routing': 'cost_based',
  'usage-based-routing': 'usage_based',
  'usage-based-routing-v2': 'usage_based',
};

/** What an engine orders by: a strategy, with the time to the first token apart. */
export const Order = { shuffle: 0, inFlight: 1, latency: 2, firstToken: 3, tokens: 4, cost: 5 } as const;
export type Order = (typeof Order)[keyof typeof Order];

/** The strategy of this name, here or LiteLLM's; `undefined` when there is none. */
export function strategyNamed(name: unknown): RoutingStrategy | undefined {
  if (typeof name !== 'string') return undefined;
  if ((ROUTING_STRATEGIES as readonly string[]).includes(name)) return name as RoutingStrategy;
  return Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
}

/** @throws what `refuse` makes, naming the strategies. */
export function checkStrategy(path: string, value: unknown, refuse: Refuse = refuseOption): RoutingStrategy {
  const strategy = strategyNamed(value);
  if (strategy !== undefined) return strategy;
  const hint = typeof value === 'string' ? suggestion(value, [...ROUTING_STRATEGIES, ...Object.keys(ALIASES)]) : '';
  throw refuse(path, value, `must be one of ${ROUTING_STRATEGIES.join(', ')}, or LiteLLM's name of one${hint}`);
}

export function orderOf(strategy: RoutingStrategy, stream: boolean): Order {
  switch (strategy) {
    case 'simple_shuffle':
      return Order.shuffle;
    case 'least_busy':
      return Order.inFlight;
    case 'latency_based':
      return stream ? Order.firstToken : Order.latency;
    case 'usage_based':
      return Order.tokens;
    case 'cost_based':
      return Order.cost;
  }
}
