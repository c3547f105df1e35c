import type { LogSink } from '../../common/log-sink.js';
import type { RateLimitStore } from '../../rate-limit/store.js';
import type * as DecidingStore from './deciding-store.js';
import { resolvePostgresRateLimitStoreOptions, type PostgresRateLimitStoreOptions } from './options.js';

/**
 * Stores budgets in PostgreSQL and shares them between processes, for apps without Redis. Each
 * process limits requests, tokens and concurrency on its own. One database function decides on all
 * waiting requests, using the database's clock, with the same results as the memory store.
 *
 * @throws InvalidConfigurationError naming the option.
 * @example
 * const store = postgresStore({ url: process.env.DATABASE_URL });
 * FastLiteLLMModule.forRoot({
 *   rateLimit: { usdPerDay: 5, store: postgresRateLimitStore({ store, onStoreError: 'deny' }) },
 * });
 */
export function postgresRateLimitStore(options: PostgresRateLimitStoreOptions): (memory: RateLimitStore, log?: LogSink) => RateLimitStore {
  const resolved = resolvePostgresRateLimitStoreOptions(options);
  return (memory, log) => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with budgets in PostgreSQL load it
    const { PostgresRateLimitStore } = require('./deciding-store.js') as typeof DecidingStore;
    return new PostgresRateLimitStore(resolved, memory, log);
  };
}
