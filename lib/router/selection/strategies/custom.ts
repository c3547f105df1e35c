import type { Deployment } from '../../deployments/deployment.js';
import type { RoutingContext } from '../../routing-context.js';

/** An eligible deployment and its state. */
export interface RoutingCandidate {
  readonly deployment: Deployment;
  readonly inFlight: number;
  /** In the current minute. */
  readonly requests: number;
  readonly tokens: number;
  /** Mean of the last samples, in ms per token of the answer; 0 without samples. */
  readonly latencyMs: number;
  /** Mean of the last samples, in ms; 0 without samples. */
  readonly timeToFirstTokenMs: number;
}

/**
 * Selects one of the candidates (at least one), or returns `null` to reject the request.
 * Synchronous; called for every request.
 */
export type CustomRoutingStrategy = (candidates: readonly RoutingCandidate[], context: RoutingContext) => Deployment | null;
