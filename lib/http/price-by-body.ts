import { nanoUsd } from '../common/nano-usd.js';
import { askedTier, billedTier } from './token-estimate/asked-tier.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { PriceOf } from './request-hold.js';

/** Prices the usage of an answer by the `model` that the body of its request names. */
export function priceByBody(counter: TokenCounterService, body: unknown): PriceOf {
  const name = modelOf(body);
  // A body that is a Buffer names no model, and `Object.keys` of 4 MB takes seconds.
  const asked = name === undefined ? undefined : askedTier(body as Readonly<Record<string, unknown>>);
  return ({ promptTokens, completionTokens, details, serviceTier }) => {
    const billed = { ...details, serviceTier: billedTier(serviceTier, asked) };
    const usd = counter.estimateCost(promptTokens, completionTokens, name, billed);
    return usd === null ? undefined : nanoUsd(usd);
  };
}

/** The `model` of a body. */
export function modelOf(body: unknown): string | undefined {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  return typeof model === 'string' ? model : undefined;
}
