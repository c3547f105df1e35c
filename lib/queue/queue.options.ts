import { callback, integer, type OptionsOf, type Resolved } from '../common/option.js';
import type { QueueClass } from './queue-class.js';

/** The call that is passed to the functions in `QueueOptions`. */
export interface QueuedCaller {
  /** The requested model group. */
  readonly model: string;
  /** `CallOptions.request`: the HTTP request, including the properties set by the app's guards. */
  readonly request?: object;
  readonly promptTokens?: number;
}

/** More calls would make one step of the queue felt by the event loop. */
const CALLS = { min: 1, max: 10_000 };

export const QUEUE = {
  /** Maximum number of waiting calls. Default 256. */
  maxCalls: integer({ ...CALLS, default: 256 }),
  /** Maximum number of prompt tokens of all waiting calls. Default 2,000,000. */
  maxPromptTokens: integer({ min: 1, max: 1_000_000_000, default: 2_000_000 }),
  /** Maximum number of waiting calls of one tenant. Default 64. */
  maxCallsPerTenant: integer({ ...CALLS, default: 64 }),
  /** Longest wait of one call, over all its model groups. Default 10,000. */
  maxWaitMs: integer({ min: 1, max: 600_000, default: 10_000 }),
  /**
   * Returns the tenant of a call; tenants share the deployments by tokens. Default:
   * `CallOptions.tenant`, else the request's principal, else the hash of its API key, else its
   * address.
   */
  tenantOf: callback<(caller: QueuedCaller) => string>(),
  /** Returns a tenant's share relative to others, from 0.1 to 1,000. Default: 1. */
  weightOf: callback<(tenant: string) => number>(),
  /**
   * Returns the class of a call. Default: `CallOptions.queueClass`, else the priority of the
   * request's API key, else `default`.
   */
  classOf: callback<(caller: QueuedCaller) => QueueClass>(),
  /**
   * Returns whether the body's `priority` can be more urgent than the caller's class. Default:
   * never; it can only be less urgent.
   */
  mayRaise: callback<(caller: QueuedCaller) => boolean>(),
};

/** How calls wait in `LlmClient` while no deployment is eligible. */
export interface QueueOptions extends OptionsOf<typeof QUEUE> {}
export type ResolvedQueueOptions = Resolved<typeof QUEUE>;
