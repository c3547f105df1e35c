import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';

/** A cost that the app has passed to `reportUsage`, once its request is settled. */
export interface AppCost {
  /** The model that the request's body names. */
  readonly model: string | undefined;
  /** The team of the request's key. */
  readonly team: string | undefined;
  /** Beyond what the client's own calls for the request have cost. */
  readonly nanoUsd: number;
}

type Listener = (cost: AppCost) => void;

/** One listener for each limiter: requests know the limiter that holds their money, and no more. */
const listeners = new WeakMap<RateLimiterService, Listener>();

/** Passes the costs of the requests that a limiter settles to `listener`. */
export function onAppCost(limiter: RateLimiterService, listener: Listener): void {
  listeners.set(limiter, listener);
}

export function reportAppCost(limiter: RateLimiterService, cost: AppCost): void {
  listeners.get(limiter)?.(cost);
}
