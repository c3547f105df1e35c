import { boolean, custom, integer, oneOf, required, resolveOptions, type OptionsOf, type Resolved } from '../../common/option.js';
import { refuseOption } from '../../common/options.js';
import {
  checkRedisClient,
  checkRedisConnection,
  checkRedisPrefix,
  checkRedisUrl,
  DEFAULT_PREFIX,
  type RedisClient,
} from '../../common/redis/client.js';

export const REDIS_STORE = {
  /** `redis://…` or `rediss://…`: opens a connection for the store. Either this or `client`. */
  url: custom<string>('`redis://` URL', (path, value) => checkRedisUrl(path, value)),
  /**
   * A client of `ioredis` that the app already has (`Redis`, with or without Sentinels, or
   * `Cluster`); the store does not close it.
   */
  client: custom<RedisClient>('client of `ioredis`', checkRedisClient),
  /**
   * Required: whether an outage of Redis denies all requests, allows all, or falls back to limits
   * per process.
   *
   * @see docs/budgets.md#without-redis
   */
  onStoreError: required(oneOf(['deny', 'allow', 'local'])),
  /** Prefix of all key names, without `{` and `}`. Default `fast-litellm:`. */
  prefix: custom<string>('string', checkRedisPrefix, DEFAULT_PREFIX),
  /** Longest wait for Redis, in ms. Default 250. */
  timeoutMs: integer({ min: 1, max: 60_000, default: 250 }),
  /**
   * Cluster: keeps all keys in one slot, so that one node decides all scopes together. By default
   * keys are spread, and scopes in different slots are decided one after the other; if a later one
   * denies, the earlier charges are released. Default `false`.
   */
  oneSlot: boolean({ default: false }),
  /**
   * Behavior after Redis has lost its data (flushed, or restarted without persistence). `forget`
   * (default): counting starts again, so that a key can get one more limit within that window.
   * `refuse`: requests are denied until each limit's window has passed. A Redis without the store's
   * mark counts as one that lost its data, and so does a new one: set the mark with `SET
   * fast-litellm:{all}mark 0`. In a Cluster only with `oneSlot`.
   */
  onDataLoss: oneOf(['forget', 'refuse'], { default: 'forget' }),
  /**
   * How long a request in flight of a dead process still counts under `maxConcurrent`, in ms; its
   * holds in budgets are then settled at their expected cost. Default 60,000.
   */
  slotTtlMs: integer({ min: 1_000, default: 60_000 }),
};

/** Options of `redisRateLimitStore`. */
export interface RedisRateLimitStoreOptions extends OptionsOf<typeof REDIS_STORE> {}

export type ResolvedRedisOptions = Resolved<typeof REDIS_STORE>;

/** @throws InvalidConfigurationError naming the option (`redis.timeoutMs`). */
export function resolveRedisOptions(options: RedisRateLimitStoreOptions, path = 'redis'): ResolvedRedisOptions {
  const resolved = resolveOptions(REDIS_STORE, path, options);
  checkRedisConnection(path, resolved);
  const { client, onDataLoss, oneSlot } = resolved;
  if (client?.isCluster === true && onDataLoss === 'refuse' && !oneSlot)
    throw refuseOption(`${path}.onDataLoss`, onDataLoss, 'requires oneSlot in a Cluster, because all keys share one data loss marker');
  return resolved;
}
