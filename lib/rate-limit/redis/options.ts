import {
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  joinPath,
  optional,
  refuseOption,
} from '../../common/options.js';
import { checkRedisClient, checkRedisPrefix, checkRedisUrl, type RedisClient } from '../../common/redis/client.js';

/**
 * Answer while Redis is unreachable, too slow or out of memory. `local`: this process decides by
 * the same limits, and with its share of the budgets.
 */
export type OnStoreError = 'deny' | 'allow' | 'local';
export type OnDataLoss = 'forget' | 'refuse';
const ON_DATA_LOSS: readonly OnDataLoss[] = ['forget', 'refuse'];
const ON_STORE_ERROR: readonly OnStoreError[] = ['deny', 'allow', 'local'];

/** Options of `redisRateLimitStore`. */
export interface RedisRateLimitStoreOptions {
  /** `redis://…` or `rediss://…`: opens a connection for the store. Either this or `client`. */
  readonly url?: string;
  /**
   * A client of `ioredis` that the app already has (`Redis`, with or without Sentinels, or
   * `Cluster`); the store does not close it.
   */
  readonly client?: RedisClient;
  /**
   * Required: whether an outage of Redis denies all requests, allows all, or falls back to limits
   * per process.
   */
  readonly onStoreError: OnStoreError;
  /** Prefix of all key names. Default `fast-litellm:`. */
  readonly prefix?: string;
  /** Longest wait for Redis, in ms. Default 250. */
  readonly timeoutMs?: number;
  /**
   * Cluster: keeps all keys in one slot, so that one node decides all scopes together. By default
   * keys are spread, and scopes in different slots are decided one after the other; a later denial
   * gives back what was taken. Default `false`.
   */
  readonly oneSlot?: boolean;
  /**
   * When Redis lost its data (flushed, or restarted without persistence). `forget` (default): start
   * again, so that a key may get one more limit within that window. `refuse`: deny requests until
   * each limit's window has passed. A Redis without the store's mark counts as one that lost its
   * data, a new one too: set it with `SET fast-litellm:{all}mark 0`. In a Cluster only with
   * `oneSlot`.
   */
  readonly onDataLoss?: OnDataLoss;
  /**
   * How long a request in flight of a process that died still counts under `maxConcurrent`, in ms;
   * its holds in budgets are then settled at their expected cost. Default 60,000.
   */
  readonly slotTtlMs?: number;
}

/** The options, checked and complete. */
export interface ResolvedRedisOptions {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  readonly onStoreError: OnStoreError;
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly oneSlot: boolean;
  readonly onDataLoss: OnDataLoss;
  readonly slotTtlMs: number;
}

const DEFAULT_PREFIX = 'fast-litellm:';
const DEFAULT_TIMEOUT_MS = 250;
const DEFAULT_SLOT_TTL_MS = 60_000;
const KNOWN: readonly (keyof RedisRateLimitStoreOptions)[] = [
  'url',
  'client',
  'onStoreError',
  'prefix',
  'timeoutMs',
  'oneSlot',
  'onDataLoss',
  'slotTtlMs',
];

/** @throws InvalidConfigurationError naming the option (`redis.timeoutMs`). */
export function resolveRedisOptions(options: RedisRateLimitStoreOptions, path = 'redis'): ResolvedRedisOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof RedisRateLimitStoreOptions): string => joinPath(path, key);
  if ((input.url === undefined) === (input.client === undefined)) {
    throw refuseOption(path, options, 'must name either a url or a client');
  }
  const client = optional(input.client, undefined, (value) => checkRedisClient(at('client'), value));
  if (client?.isCluster === true && input.onDataLoss === 'refuse' && input.oneSlot !== true) {
    throw refuseOption(at('onDataLoss'), input.onDataLoss, 'needs oneSlot in a Cluster: there is one mark for all keys');
  }
  return {
    url: optional(input.url, undefined, (value) => checkRedisUrl(at('url'), value)),
    client,
    onStoreError: checkOneOf(at('onStoreError'), input.onStoreError, ON_STORE_ERROR),
    prefix: optional(input.prefix, DEFAULT_PREFIX, (value) => checkRedisPrefix(at('prefix'), value)),
    timeoutMs: optional(input.timeoutMs, DEFAULT_TIMEOUT_MS, (value) => checkInteger(at('timeoutMs'), value, { min: 1, max: 60_000 })),
    oneSlot: optional(input.oneSlot, false, (value) => checkBoolean(at('oneSlot'), value)),
    onDataLoss: optional(input.onDataLoss, 'forget', (value) => checkOneOf(at('onDataLoss'), value, ON_DATA_LOSS)),
    slotTtlMs: optional(input.slotTtlMs, DEFAULT_SLOT_TTL_MS, (value) => checkInteger(at('slotTtlMs'), value, { min: 1_000 })),
  };
}
