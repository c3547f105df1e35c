import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';

/** A cost that `reportUsage` has stated for a request, once that request is settled. */
export interface ReportedCost {
  /** The model that the request's body names. */
  readonly model: string | undefined;
  /** The team of the request's key. */
  readonly team: string | undefined;
  /** Beyond what the client's own calls for the request have cost. */
  readonly nanoUsd: number;
}

type Listener = (cost: ReportedCost) => void;

/** One listener for each limiter: requests know the limiter that holds their money, and no more. */
const listeners = new WeakMap<RateLimiterService, Listener>();

/** Tells `listener` the reported costs of the requests that a limiter settles. */
export function onReportedCost(limiter: RateLimiterService, listener: Listener): void {
  listeners.set(limiter, listener);
}

export function tellReportedCost(limiter: RateLimiterService, cost: ReportedCost): void {
  listeners.get(limiter)?.(cost);
}
