import type { Deployment } from './deployments/deployment.js';
import type { RoutingContext } from './routing-context.js';

/** A deployment that may be chosen, and how it stands at the moment. */
export interface RoutingCandidate {
  readonly deployment: Deployment;
  readonly inFlight: number;
  /** Of this minute. */
  readonly requests: number;
  readonly tokens: number;
  /** Means of the last samples, in ms (the first per token of the answer); 0 without any. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
}

/** Chooses one of the candidates, which are never none; `null` for none of them. Synchronous, and called for every request. */
export type CustomRoutingStrategy = (candidates: readonly RoutingCandidate[], context: RoutingContext) => Deployment | null;
