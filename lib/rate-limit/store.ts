import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { ExceededLimit, RateLimit } from './limits.js';

/** One limit on one key. All scopes of a request are decided together: either each takes its part, or none does. */
export interface RateLimitScope {
  readonly limit: RateLimit;
  /** Any string. Together with `limit.name` it is one counter. */
  readonly key: string;
}

/** Where one scope stands after a decision. */
export interface RateLimitStanding {
  /** The limit that is closest to refusing: of the bucket (its burst) or of a window. `Infinity` where no requests are counted. */
  readonly limit: number;
  /** Requests that would pass right now. `Infinity` where no requests are counted. */
  readonly remainingRequests: number;
  /** Tokens that would pass right now, under `tokensPerMinute`. */
  readonly remainingTokens?: number;
  /** Until all of the limit is free again, if nothing more is asked for. */
  readonly resetMs: number;
  /** The same for `tokensPerMinute`. */
  readonly tokensResetMs?: number;
}

/** What a store answers. */
export interface RateLimitDecision {
  readonly allowed: boolean;
  /** Index of the scope that refused; of the tightest one when allowed. */
  readonly scope: number;
  /** Which of that scope's limits refused. */
  readonly exceeded?: ExceededLimit;
  /** Until this very request would pass; `Infinity` if it never would. 0 when allowed. */
  readonly retryAfterMs: number;
  /** One per scope, in their order. Empty when the store could not be asked. */
  readonly standings: readonly RateLimitStanding[];
  /** The store's clock at the decision: where `settle` finds the reservation. */
  readonly atMs: number;
  /** The store's own mark of what was taken, handed back with `settle` and `release`. */
  readonly lease?: string;
  /** The store was away, and this is the configured answer instead of its own. */
  readonly outage?: 'deny' | 'allow' | 'local';
}

/** What an allowed `check` took, as `settle` and `release` want it back. */
export interface TakenRateLimit {
  readonly scopes: readonly RateLimitScope[];
  readonly tokens: number;
  /** `Infinity` where a place is given back by its key alone: then it is that of any request. */
  readonly atMs: number;
  readonly lease?: string;
  readonly outage?: RateLimitDecision['outage'];
}

/** Keys and decisions, as far as this process knows. */
export interface RateLimitStoreStats {
  /** Keys that are remembered; `undefined` where that is not known without asking a server. */
  readonly keys?: number;
  /** Keys that were dropped before their time because there were too many. */
  readonly evicted?: number;
}

/**
 * Keeps the counters and decides. In memory the answers come at once; a store elsewhere may answer later, and reads its own clock.
 * Arguments are already checked: the service does it once for every store.
 */
export interface RateLimitStore {
  /** `memory`, `redis`. */
  readonly kind: string;
  /** Every answer comes at once, never as a promise. */
  readonly synchronous?: boolean;

  /** Decides over all scopes and takes `cost` requests, `tokens` tokens and a slot of each that has them; takes nothing when refused. */
  check(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision | Promise<RateLimitDecision>;

  /** The same answer without taking anything. */
  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number): RateLimitDecision | Promise<RateLimitDecision>;

  /** Replaces the reserved tokens by those that were used, where they were reserved. The service calls it once for a reservation. */
  settle(taken: TakenRateLimit, actualTokens: number): void | Promise<void>;

  /** Frees the slots under `maxConcurrent`. The service calls it once for a reservation. */
  release(taken: TakenRateLimit): void | Promise<void>;

  /** Forgets everything about one key under one limit. */
  reset(scope: RateLimitScope): void | Promise<void>;

  /** How many keys the store holds and has evicted. */
  stats(): RateLimitStoreStats;
  /** Beside what the service tells of itself. */
  metrics(): readonly MetricSample[];
  /** What differs from an ordinary, healthy memory store; the service adds the engine. */
  health(): Partial<CapabilityHealth> | Promise<Partial<CapabilityHealth>>;
  /** Gives up connections and timers. More than once is safe. */
  close(): void | Promise<void>;
}
