import type { RateLimits } from '../rate-limit/limits.js';

/** Priority classes of requests, from the highest to the lowest. */
export type PriorityClass = 'critical' | 'default' | 'batch';

/** Limits that a request shares with others: those of its team or organization. */
export interface PrincipalScope {
  /** Name of the limits, in errors and stores: `teams`. */
  readonly name: string;
  /** `team:7` */
  readonly key: string;
  /** Absent if only the spend is counted. */
  readonly limits?: RateLimits;
  /** Budgets that only count the spend and never deny requests. */
  readonly counted?: RateLimits;
  /** Soft budget in USD: exceeding it is reported, but denies nothing. */
  readonly softBudgetUsd?: number;
}

/** The authenticated sender of a request. Nothing in it comes from the body. */
export interface Principal {
  /** The key for limits whose rule sets none: `key:` and the public id. */
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
  /** The same of its team. */
  readonly teamMetadata?: Readonly<Record<string, unknown>>;
  /** The sender's own limits and budgets, which apply in addition to those of a route. */
  readonly limits?: RateLimits;
  /** Soft budget in USD: exceeding it is reported, but denies nothing. */
  readonly softBudgetUsd?: number;
  /** Further limits, decided together with the sender's own. */
  readonly scopes?: readonly PrincipalScope[];
  /** Returns further limits for a requested model. */
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
