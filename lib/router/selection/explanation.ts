import type { Uncallable } from '../deployments/callability.js';
import type { QuotaState } from '../quota/quota-domain.js';
import type { RoutingStrategy } from './strategies/strategy.js';

/** How a model name leads to a model group. */
export type Route = 'alias' | 'id' | 'name' | 'wildcard' | 'model' | 'any' | 'default_fallback';

/** Why a deployment is not eligible. */
export type ExclusionReason =
  | 'blocked'
  | 'uncallable'
  | 'excluded'
  | 'limit_is_0'
  | 'tags'
  | 'order'
  | 'cooling'
  | 'budget'
  | 'unhealthy'
  | 'concurrency'
  | 'quota'
  | 'requests'
  | 'tokens'
  | 'context_window';

/** State of a deployment. It holds no key, header or credential. */
export interface DeploymentState {
  readonly id: string;
  readonly group: string;
  readonly model: string;
  readonly state: 'available' | 'cooling' | 'over_budget' | 'unhealthy' | 'blocked' | 'uncallable';
  /** For a deployment that cannot be called: why, and how to mend it. */
  readonly uncallable?: Uncallable;
  /** Rest of the cooldown in milliseconds. */
  readonly coolingForMs: number;
  /** The last call that failed since the start, in this process. */
  readonly lastFailure?: {
    /** `status 429`, `no answer in time`, `connection failed`, or what is misconfigured. */
    readonly cause: string;
    readonly agoMs: number;
  };
  /** Requests in flight. */
  readonly inFlight: number;
  /** Of the current minute, as the next three. */
  readonly requests: number;
  readonly tokens: number;
  readonly successes: number;
  readonly failures: number;
  /**
   * Means of the last samples, `latencyMs` per output token where a call reports tokens; 0 without
   * samples, and `strategyOptions.sampleTtlMs` after the newest.
   */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
  /** With `learnLimits`, once the deployment was called: what is known of its provider's quota. */
  readonly quota?: QuotaState;
}

/** What `explain` returns. */
export interface RoutingExplanation {
  readonly model: string;
  /** How the name led to the model group; absent for an unknown name. */
  readonly route?: Route;
  readonly group?: string;
  readonly strategy?: RoutingStrategy | 'custom';
  /** Id of the deployment that a request would get now; one of them where several are equal. */
  readonly chosen: string | null;
  /** All deployments of the model group. */
  readonly deployments: readonly (DeploymentState & { readonly eligible: boolean; readonly reason?: ExclusionReason })[];
}
