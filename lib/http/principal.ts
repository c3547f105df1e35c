import type { RateLimits } from '../rate-limit/limits.js';

/** Priority classes of requests, from the first served to the last. */
export type PriorityClass = 'critical' | 'default' | 'batch';

/** Limits of someone else that a request counts under: its team, its organization. */
export interface PrincipalScope {
  /** The name that the limits count under, in errors and stores: `teams`. */
  readonly name: string;
  /** `team:7` */
  readonly key: string;
  /** Absent: only the spend is counted. */
  readonly limits?: RateLimits;
  /** USD whose spending is reported, and not denied. */
  readonly softBudgetUsd?: number;
}

/** The authenticated sender of a request. Nothing in it comes from the body. */
export interface Principal {
  /** The key for limits whose rule names no key: `key:` and the public id. */
  readonly limitKey: string;
  /** Public id of the API key; absent if the key is not in the store. */
  readonly keyId?: string;
  readonly alias?: string;
  readonly user?: string;
  readonly team?: string;
  readonly organization?: string;
  readonly tags: readonly string[];
  readonly priority?: PriorityClass;
  /** Data that the app has stored with the key. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The sender's own limits and budgets, which apply in addition to those of a route. */
  readonly limits?: RateLimits;
  /** USD whose spending is reported, and not denied. */
  readonly softBudgetUsd?: number;
  /** More limits that apply, decided together with its own. */
  readonly scopes?: readonly PrincipalScope[];
  /** Limits for a requested model, in addition. */
  readonly modelScopes?: (model: string) => readonly PrincipalScope[];
  /** The sender's own names for models, which the gateway replaces in bodies. */
  readonly modelAliases?: Readonly<Record<string, string>>;
  /** Returns whether the sender can request a path, such as `/chat/completions`. Absent: any. */
  readonly mayRequest?: (path: string) => boolean;
  /** Whether the sender can manage keys. */
  readonly isAdmin: boolean;
  /** Returns whether the sender can call a model. */
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
