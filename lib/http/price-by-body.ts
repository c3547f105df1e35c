import { nanoUsd } from '../common/nano-usd.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { PriceOf } from './request-money.js';

/** Prices the usage of an answer by the `model` that the body of its request names. */
export function priceByBody(counter: TokenCounterService, body: unknown): PriceOf {
  const name = modelOf(body);
  return ({ promptTokens, completionTokens, details }) => {
    const usd = counter.estimateCost(promptTokens, completionTokens, name, details);
    return usd === null ? undefined : nanoUsd(usd);
  };
}

/** The `model` of a body. */
export function modelOf(body: unknown): string | undefined {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  return typeof model === 'string' ? model : undefined;
}
