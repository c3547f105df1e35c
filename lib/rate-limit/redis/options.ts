import {
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  joinPath,
  optional,
  refuseOption,
} from '../../common/options.js';
import { checkRedisClient, checkRedisPrefix, checkRedisUrl, type RedisClient } from '../../common/redis/client.js';

/** What is answered while Redis is away, out of time, out of memory. `local`: this process's memory decides, by the same limits. */
export type OnStoreError = 'deny' | 'allow' | 'local';
export type OnDataLoss = 'forget' | 'refuse';
const ON_DATA_LOSS: readonly OnDataLoss[] = ['forget', 'refuse'];
const ON_STORE_ERROR: readonly OnStoreError[] = ['deny', 'allow', 'local'];

/** Options of `redisRateLimitStore`. */
export interface RedisRateLimitStoreOptions {
  /** `redis://…` or `rediss://…`: a connection of the store's own. Either this or `client`. */
  readonly url?: string;
  /** A client of `ioredis` that the app has already (`Redis`, also with Sentinels, or `Cluster`); the store never closes it. */
  readonly client?: RedisClient;
  /** No default: whether an outage of Redis stops everybody, nobody, or falls back to limits per process is for the app to say. */
  readonly onStoreError: OnStoreError;
  /** What the names of all keys begin with. Default `fast-litellm:`. */
  readonly prefix?: string;
  /** Longest wait for Redis, in ms. Default 250. */
  readonly timeoutMs?: number;
  /**
   * Takes permits of hot keys in batches and spends them in this process, without asking. Never more than a limit allows; but what lies unspent in one
   * process, for a second at most, is refused to the others, and counts for up to a second longer. For limits without `requestsPerSecond` and
   * `maxConcurrent`; others are decided as without. Default `false`; `true` is batches of up to 512, and of a quarter of what is left at most.
   */
  readonly localLease?: boolean | { readonly maxPermits?: number };
  /**
   * Cluster: keeps all keys in one slot, so that scopes are decided together by one node. By default keys are spread, and scopes of different slots are
   * decided one after the other, with what was taken given back if a later one refuses. Default `false`.
   */
  readonly oneSlot?: boolean;
  /**
   * What to do with a Redis that was emptied, or that was started anew and kept nothing. `forget` (default): begin anew, so that a key may get one more
   * limit's worth than in that window. `refuse`: nothing passes until each limit's window has gone by. Then a Redis without the store's mark is taken for
   * one that forgot, a new one too: give that its mark by `SET fast-litellm:{all}mark 0`. In a Cluster only with `oneSlot`.
   */
  readonly onDataLoss?: OnDataLoss;
  /** For how long a running request of a process that died keeps its place under `maxConcurrent`, in ms. Default 60,000. */
  readonly slotTtlMs?: number;
}

/** The options, checked and complete. */
export interface ResolvedRedisOptions {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  readonly onStoreError: OnStoreError;
  readonly prefix: string;
  readonly timeoutMs: number;
  /** 0: no leases. */
  readonly maxLeasePermits: number;
  readonly oneSlot: boolean;
  readonly onDataLoss: OnDataLoss;
  readonly slotTtlMs: number;
}

const DEFAULT_PREFIX = 'fast-litellm:';
const DEFAULT_TIMEOUT_MS = 250;
const DEFAULT_LEASE_PERMITS = 512;
const DEFAULT_SLOT_TTL_MS = 60_000;
const KNOWN: readonly (keyof RedisRateLimitStoreOptions)[] = [
  'url',
  'client',
  'onStoreError',
  'prefix',
  'timeoutMs',
  'localLease',
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
    maxLeasePermits: optional(input.localLease, 0, (value) => checkLease(at('localLease'), value)),
    oneSlot: optional(input.oneSlot, false, (value) => checkBoolean(at('oneSlot'), value)),
    onDataLoss: optional(input.onDataLoss, 'forget', (value) => checkOneOf(at('onDataLoss'), value, ON_DATA_LOSS)),
    slotTtlMs: optional(input.slotTtlMs, DEFAULT_SLOT_TTL_MS, (value) => checkInteger(at('slotTtlMs'), value, { min: 1_000 })),
  };
}

function checkLease(path: string, value: unknown): number {
  if (typeof value === 'boolean') return value ? DEFAULT_LEASE_PERMITS : 0;
  const lease = checkObject(path, value);
  checkKnownKeys(path, lease, ['maxPermits']);
  return optional(lease.maxPermits, DEFAULT_LEASE_PERMITS, (permits) => checkPositiveInteger(joinPath(path, 'maxPermits'), permits));
}
