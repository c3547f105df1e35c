import { postgresRateLimitStore } from '../../../lib/postgres/budgets/rate-limit-store.js';
import { postgresStore } from '../../../lib/postgres/postgres-store.js';
import type { RateLimitOptions } from '../../../lib/rate-limit/rate-limit.options.js';
import { redisRateLimitStore } from '../../../lib/rate-limit/redis/redis-store.js';
import type { RedisRateLimitStoreOptions } from '../../../lib/rate-limit/redis/options.js';

/** Where processes keep the budget that they share: one of both. */
export interface SpendingStore {
  readonly redis?: RedisRateLimitStoreOptions;
  readonly postgres?: { readonly url: string; readonly holdTtlMs: number };
}

/** The JSON in the only argument of a process. */
export interface SpendingTask extends SpendingStore {
  readonly limits: RateLimitOptions;
  readonly key: string;
  readonly calls: number;
  readonly inFlight: number;
  readonly callMs: number;
}

export function storeOf({ redis, postgres }: SpendingStore): RateLimitOptions['store'] {
  if (redis !== undefined) return redisRateLimitStore(redis);
  const { url, holdTtlMs = 0 } = postgres ?? {};
  return postgresRateLimitStore({ store: postgresStore({ url, timeoutMs: 20_000 }), onStoreError: 'deny', holdTtlMs });
}
