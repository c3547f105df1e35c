import { SERVICE_TIERS, type PricedTier } from '../../common/token-cost.js';

type Fields = Readonly<Record<string, unknown>>;

/** `service_tier` of OpenAI, `serviceTier` of Gemini, and of Bedrock with the tier in `type`. */
const NAME = /^service_?tier$/i;

/** Tiers that are dearer than the standard one, by their names in requests. */
const DEAR_TIERS: ReadonlyMap<unknown, DearTier> = new Map([
  ['priority', 'priority'],
  ['fast', 'priority'],
  ['ultrafast', 'ultrafast'],
]);
/** Names of the standard tier in answers. */
const STANDARD = new Set(['default', 'standard', 'on_demand', 'standard_only']);

/** A service tier that is dearer than the standard one. */
export type DearTier = 'priority' | 'ultrafast';

/**
 * The tier that a request asks for, if it is dearer than the standard one: a request for another
 * may be billed at the standard prices.
 */
export function askedTier(fields: Fields): DearTier | undefined {
  let asked: DearTier | undefined;
  for (const name of Object.keys(fields)) if (NAME.test(name)) asked = dearerTier(asked, tierIn(fields[name]));
  return asked;
}

/** The dearer one of two tiers. */
export function dearerTier(one: DearTier | undefined, other: DearTier | undefined): DearTier | undefined {
  return one === 'ultrafast' ? one : (other ?? one);
}

/**
 * The tier that an answer is billed at: the one that its provider tells. Where it tells none with a
 * price, the dearer one of the standard tier and what was asked for.
 */
export function billedTier(told: string | undefined, asked: DearTier | undefined): PricedTier | undefined {
  if (told === undefined) return asked;
  const name = told.toLowerCase();
  return SERVICE_TIERS.find((tier) => tier === name) ?? DEAR_TIERS.get(name) ?? (STANDARD.has(name) ? undefined : asked);
}

function tierIn(value: unknown): DearTier | undefined {
  const tier = typeof value === 'object' && value !== null ? (value as Fields).type : value;
  return typeof tier === 'string' ? DEAR_TIERS.get(tier.toLowerCase()) : undefined;
}
