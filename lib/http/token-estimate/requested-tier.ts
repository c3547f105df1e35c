import { nanoUsd } from '../../common/nano-usd.js';
import type { Fields } from '../../common/objects.js';
import { SERVICE_TIERS, type PricedTier } from '../../common/token-cost.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import type { PriceOf } from '../answer-usage.js';

/** `service_tier` of OpenAI, `serviceTier` of Gemini, and of Bedrock with the tier in `type`. */
const NAME = /^service_?tier$/i;

/** Tiers that are more expensive than the standard one, by their names in requests. */
const DEAR_TIERS: ReadonlyMap<unknown, PremiumTier> = new Map([
  ['priority', 'priority'],
  ['fast', 'priority'],
  ['ultrafast', 'ultrafast'],
]);
/** Names of the standard tier in answers. */
const STANDARD = new Set(['default', 'standard', 'on_demand', 'standard_only']);

/** A service tier that is more expensive than the standard one. */
export type PremiumTier = 'priority' | 'ultrafast';

/**
 * The tier that a request sets, if it is more expensive than the standard one: a request for
 * another tier may be billed at the standard prices.
 */
export function requestedTier(fields: Fields): PremiumTier | undefined {
  let asked: PremiumTier | undefined;
  for (const name of Object.keys(fields)) if (NAME.test(name)) asked = dearerTier(asked, tierIn(fields[name]));
  return asked;
}

/** The more expensive of two tiers. */
export function dearerTier(one: PremiumTier | undefined, other: PremiumTier | undefined): PremiumTier | undefined {
  return one === 'ultrafast' ? one : (other ?? one);
}

/**
 * The tier at which an answer is billed: the one that its provider reports. If it reports none with
 * a price, the more expensive of the standard tier and the requested one.
 */
export function billedTier(told: string | undefined, asked: PremiumTier | undefined): PricedTier | undefined {
  if (told === undefined) return asked;
  const name = told.toLowerCase();
  return SERVICE_TIERS.find((tier) => tier === name) ?? DEAR_TIERS.get(name) ?? (STANDARD.has(name) ? undefined : asked);
}

/** Prices the usage of an answer by the model and the tier that the body of its request names. */
export function priceByBody(counter: TokenCounterService, body: unknown, model = modelOf(body)): PriceOf {
  // A body that is a Buffer names no model, and `Object.keys` of 4 MB takes seconds.
  const asked = model === undefined ? undefined : requestedTier(body as Fields);
  return ({ promptTokens, completionTokens, details, serviceTier }) => {
    const usd = counter.estimateCost(promptTokens, completionTokens, model, { ...details, serviceTier: billedTier(serviceTier, asked) });
    return usd === null ? undefined : nanoUsd(usd);
  };
}

/** The `model` of a body. */
export function modelOf(body: unknown): string | undefined {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  return typeof model === 'string' ? model : undefined;
}

function tierIn(value: unknown): PremiumTier | undefined {
  const tier = typeof value === 'object' && value !== null ? (value as Fields).type : value;
  return typeof tier === 'string' ? DEAR_TIERS.get(tier.toLowerCase()) : undefined;
}
