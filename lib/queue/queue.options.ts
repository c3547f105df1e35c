import { checkFunction, checkInteger, checkKnownKeys, checkObject, joinPath, optional } from '../common/options.js';
import type { QueueBounds } from './call-queue.js';
import type { QueueClass } from './queue-class.js';

/** The call that a function of `QueueOptions` is asked about. */
export interface QueuedCaller {
  /** The model group that the call asks for. */
  readonly model: string;
  /** `CallOptions.request`: the HTTP request, with what the app's guards have put on it. */
  readonly request?: object;
  readonly promptTokens?: number;
}

/** How calls wait in `LlmClient` when no deployment can take them now. */
export interface QueueOptions {
  /** Most calls that wait. Default 256. */
  readonly maxCalls?: number;
  /** Most prompt tokens of all calls that wait. Default 2,000,000. */
  readonly maxPromptTokens?: number;
  /** Most calls of one tenant that wait. Default 64. */
  readonly maxCallsPerTenant?: number;
  /** Longest time that one call waits, in all its model groups together. Default 10,000. */
  readonly maxWaitMs?: number;
  /**
   * Returns who pays for a call: tenants share by tokens. Default: `CallOptions.tenant`, else the
   * request's principal, else the hash of its API key, else its address.
   */
  readonly tenantOf?: (caller: QueuedCaller) => string;
  /** Returns a tenant's share beside the others', from 0.1 to 1,000. Default 1. */
  readonly weightOf?: (tenant: string) => number;
  /**
   * Returns the class of a call. Default: `CallOptions.queueClass`, else the priority of the
   * request's API key, else `default`.
   */
  readonly classOf?: (caller: QueuedCaller) => QueueClass;
  /**
   * Returns whether the body's `priority` may be more urgent than the caller's class. Default:
   * never, it may only be less urgent.
   */
  readonly mayRaise?: (caller: QueuedCaller) => boolean;
}

export type ResolvedQueueOptions = QueueOptions & QueueBounds;

const NUMBERS = ['maxCalls', 'maxPromptTokens', 'maxCallsPerTenant', 'maxWaitMs'] as const;
const FUNCTIONS = ['tenantOf', 'weightOf', 'classOf', 'mayRaise'] as const;
/** More calls than these would make one step of the queue felt by the event loop. */
const MOST_CALLS = 10_000;
const LONGEST_WAIT_MS = 600_000;
const MOST_TOKENS = 1_000_000_000;

/** @throws InvalidConfigurationError naming the option. */
export function resolveQueueOptions(path: string, value: unknown): ResolvedQueueOptions {
  const given = checkObject(path, value);
  checkKnownKeys(path, given, [...NUMBERS, ...FUNCTIONS] satisfies (keyof QueueOptions)[]);
  const integer = (key: (typeof NUMBERS)[number], fallback: number, max: number): number =>
    optional(given[key], fallback, (number) => checkInteger(joinPath(path, key), number, { min: 1, max }));
  for (const key of FUNCTIONS) optional(given[key], undefined, (each) => checkFunction(joinPath(path, key), each as () => unknown));
  return {
    ...(given as QueueOptions),
    maxCalls: integer('maxCalls', 256, MOST_CALLS),
    maxPromptTokens: integer('maxPromptTokens', 2_000_000, MOST_TOKENS),
    maxCallsPerTenant: integer('maxCallsPerTenant', 64, MOST_CALLS),
    maxWaitMs: integer('maxWaitMs', 10_000, LONGEST_WAIT_MS),
  };
}
