import type { LogSink } from '../../common/log-sink.js';
import { resolveRedisOptions, type RedisRateLimitStoreOptions } from './options.js';
import type * as DecidingStore from './deciding-store.js';
import type { RateLimitStore } from '../store.js';

/**
 * Stores rate limits in Redis 6 or later, or Valkey, and shares them between processes. A Lua
 * script decides on all requests of one turn of the event loop, using the Redis clock, with the
 * same results as the memory store.
 *
 * If Redis loses its data, a key can get one more limit within that window, unless `onDataLoss` is
 * `refuse`.
 *
 * @throws InvalidConfigurationError naming the option; MissingPackageError if a `url` is given and
 * ioredis is not installed.
 * @example
 * FastLiteLLMModule.forRoot({
 *   rateLimit: { requestsPerMinute: 60, store: redisRateLimitStore({ url: 'redis://localhost', onStoreError: 'local' }) },
 * });
 */
export function redisRateLimitStore(options: RedisRateLimitStoreOptions): (memory: RateLimitStore, log?: LogSink) => RateLimitStore {
  const resolved = resolveRedisOptions(options);
  return (memory, log) => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with Redis load it
    const { RedisRateLimitStore } = require('./deciding-store.js') as typeof DecidingStore;
    return new RedisRateLimitStore(resolved, memory, log);
  };
}
