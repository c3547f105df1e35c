import { callback, integer, resolveOptions, type OptionsOf, type Resolved } from '../common/option.js';
import type { QueueClass } from './queue-class.js';

/** The call that a function of `QueueOptions` is asked about. */
export interface QueuedCaller {
  /** The model group that the call asks for. */
  readonly model: string;
  /** `CallOptions.request`: the HTTP request, with what the app's guards have put on it. */
  readonly request?: object;
  readonly promptTokens?: number;
}

/** More calls would make one step of the queue felt by the event loop. */
const CALLS = { min: 1, max: 10_000 };

export const QUEUE = {
  /** Most calls that wait. Default 256. */
  maxCalls: integer({ ...CALLS, default: 256 }),
  /** Most prompt tokens of all calls that wait. Default 2,000,000. */
  maxPromptTokens: integer({ min: 1, max: 1_000_000_000, default: 2_000_000 }),
  /** Most calls of one tenant that wait. Default 64. */
  maxCallsPerTenant: integer({ ...CALLS, default: 64 }),
  /** Longest time that one call waits, in all its model groups together. Default 10,000. */
  maxWaitMs: integer({ min: 1, max: 600_000, default: 10_000 }),
  /**
   * Returns who pays for a call: tenants share by tokens. Default: `CallOptions.tenant`, else the
   * request's principal, else the hash of its API key, else its address.
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
   * Returns whether the body's `priority` may be more urgent than the caller's class. Default:
   * never, it may only be less urgent.
   */
  mayRaise: callback<(caller: QueuedCaller) => boolean>(),
};

/** How calls wait in `LlmClient` when no deployment can take them now. */
export interface QueueOptions extends OptionsOf<typeof QUEUE> {}
export type ResolvedQueueOptions = Resolved<typeof QUEUE>;

/** @throws InvalidConfigurationError naming the option. */
export function resolveQueueOptions(path: string, value: unknown): ResolvedQueueOptions {
  return resolveOptions(QUEUE, path, value);
}
