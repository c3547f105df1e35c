import { SERVICE_TIERS, type PricedTier } from '../../common/token-cost.js';
import type { CostOf } from './worst-cost.js';

type Fields = Readonly<Record<string, unknown>>;

/** `service_tier` of OpenAI, `serviceTier` of Gemini, and of Bedrock with the tier in `type`. */
const NAME = /^service_?tier$/i;

/**
 * Whether a request asks for the priority tier, which is dearer than the standard one. A request
 * for flex may be billed at the standard prices.
 */
export function asksPriority(fields: Fields): boolean {
  return Object.keys(fields).some((name) => NAME.test(name) && isPriority(fields[name]));
}

/**
 * The tier that an answer is billed at: the one that its provider tells. Where it tells none, the
 * dearer one of the standard tier and what was asked for.
 */
export function billedTier(told: string | undefined, asksForPriority: boolean): PricedTier | undefined {
  if (told === undefined) return asksForPriority ? 'priority' : undefined;
  return SERVICE_TIERS.find((tier) => tier === told.toLowerCase());
}

/** The dearer one of the standard and the priority prices, where that tier is asked for. */
export function foreseenCost(costOf: CostOf, asksForPriority: boolean): CostOf {
  if (!asksForPriority) return costOf;
  return (input, output, details) => {
    const costs = [costOf(input, output, details), costOf(input, output, { ...details, serviceTier: 'priority' })];
    const known = costs.filter((cost) => cost !== null && cost !== undefined);
    return known.length < costs.length ? undefined : Math.max(...known);
  };
}

function isPriority(value: unknown): boolean {
  const tier = typeof value === 'object' && value !== null ? (value as Fields).type : value;
  return typeof tier === 'string' && tier.toLowerCase() === 'priority';
}
