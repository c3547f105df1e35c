import type { Uncallable } from '../deployments/callability.js';
import type { QuotaState } from '../quota/quota-domain.js';
import type { RoutingStrategy } from './strategies/strategy.js';

/** How a model name was resolved to a model group. */
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

/** State of a deployment, without keys, headers and credentials. */
export interface DeploymentState {
  readonly id: string;
  readonly group: string;
  readonly model: string;
  readonly state: 'available' | 'cooling' | 'over_budget' | 'unhealthy' | 'blocked' | 'uncallable';
  /** For a deployment that cannot be called: why, and how to fix it. */
  readonly uncallable?: Uncallable;
  /** Remaining cooldown in milliseconds. */
  readonly coolingForMs: number;
  /** The last failed call since the start, in this process. */
  readonly lastFailure?: {
    /** `status 429`, `no answer in time`, `connection failed`, or what is misconfigured. */
    readonly cause: string;
    readonly agoMs: number;
  };
  /** Requests in flight. */
  readonly inFlight: number;
  /** In the current minute, like the next three. */
  readonly requests: number;
  readonly tokens: number;
  readonly successes: number;
  readonly failures: number;
  /**
   * Averages of the last samples; `latencyMs` is per output token if calls report tokens. 0 without
   * samples, and `strategyOptions.sampleTtlMs` after the newest one.
   */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs: number;
  /** With `learnLimits`, after the first call: the known state of its provider's quota. */
  readonly quota?: QuotaState;
}

/** The result of `explain`. */
export interface RoutingExplanation {
  readonly model: string;
  /** How the name was resolved to the model group; absent for an unknown name. */
  readonly route?: Route;
  readonly group?: string;
  readonly strategy?: RoutingStrategy | 'custom';
  /** Id of the deployment that would be selected now; one of them if several are equal. */
  readonly chosen: string | null;
  /** All deployments of the model group. */
  readonly deployments: readonly (DeploymentState & { readonly eligible: boolean; readonly reason?: ExclusionReason })[];
}
