import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';

/** A cost that the app has passed to `reportUsage`, once its request is settled. */
export interface AppCost {
  /** The model that the request's body names. */
  readonly model: string | undefined;
  /** The team of the request's key. */
  readonly team: string | undefined;
  /** In addition to the cost of the client's own calls for the request. */
  readonly nanoUsd: number;
}

type Listener = (cost: AppCost) => void;

/** One listener per limiter, because requests only refer to the limiter of their holds. */
const listeners = new WeakMap<RateLimiterService, Listener>();

/** Passes the costs of the requests that a limiter settles to `listener`. */
export function onAppCost(limiter: RateLimiterService, listener: Listener): void {
  listeners.set(limiter, listener);
}

export function reportAppCost(limiter: RateLimiterService, cost: AppCost): void {
  listeners.get(limiter)?.(cost);
}
