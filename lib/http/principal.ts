import type { RateLimits } from '../rate-limit/limits.js';

/** Classes of requests, from the first served to the last. */
export type PriorityClass = 'critical' | 'default' | 'batch';

/** Who sends a request, as a guard has authenticated it. Nothing in it comes from the body. */
export interface Principal {
  /** Counts under limits whose rule names no key: `key:` and the public id. */
  readonly limitKey: string;
  /** Public id of the API key; absent where it is none of the store. */
  readonly keyId?: string;
  readonly alias?: string;
  readonly user?: string;
  readonly team?: string;
  readonly tags: readonly string[];
  readonly priority?: PriorityClass;
  /** What the app has stored with the key. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Limits and budgets of its own, which count beside those of a route. */
  readonly limits?: RateLimits;
  /** Whether it may manage keys. */
  readonly isAdmin: boolean;
  /** Whether it may call a model. */
  readonly mayCall: (model: string) => boolean;
}

/** `mayCall` of an unrestricted principal: bodies are not searched for models. */
export const MAY_CALL_ANY = (): boolean => true;

/** Who sends a request with the master key. */
export const MASTER_PRINCIPAL: Principal = {
  limitKey: 'key:master',
  alias: 'master key',
  tags: [],
  metadata: {},
  mayCall: MAY_CALL_ANY,
  isAdmin: true,
};
