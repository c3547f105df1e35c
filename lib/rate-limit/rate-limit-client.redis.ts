import type * as IORedis from 'ioredis';
import { loadOptionalPackage } from '../common/optional-package.js';

/**
 * What is used of a client of `ioredis` (a `Redis`, with Sentinels or without, or a `Cluster`; Redis from version 6 or Valkey behind it).
 * Not its own type, so that those who do without it can compile against this package.
 */
export interface RedisClient {
  /** `ready`, or on its way there, or lost: `reconnecting`, `end`. */
  readonly status: string;
  readonly isCluster?: boolean;
  callBuffer(command: string, ...values: (string | number)[]): Promise<unknown>;
  ping(): Promise<unknown>;
  on(event: 'ready', listener: () => void): unknown;
  off(event: 'ready', listener: () => void): unknown;
}

/** A client of this package's own, which it also closes. */
export interface OwnedRedisClient extends RedisClient {
  disconnect(): void;
}

const CONNECT_TIMEOUT_MS = 2_000;
const FIRST_RECONNECT_MS = 50;
const LAST_RECONNECT_MS = 3_000;
/** Commands without an answer for this many time-outs: the connection is given up and the address looked up anew. */
const TIMEOUTS_UNTIL_DEAD = 4;

/**
 * How long to wait before the `attempt`th try (from 1) to reach Redis again: at random between nothing and a bound that doubles up to 3 s,
 * so that the processes that lost it together do not come back together.
 */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  return Math.ceil(random() * Math.min(LAST_RECONNECT_MS, FIRST_RECONNECT_MS * 2 ** Math.min(attempt, 16)));
}

/**
 * A connection to `url` (`redis://`, `rediss://`) that never waits long and repeats nothing: a permit must not be taken twice.
 * @throws MissingPackageError without ioredis.
 */
export function openRedisClient(url: string, timeoutMs: number, onError: (error: Error) => void): OwnedRedisClient {
  const { Redis } = loadOptionalPackage(
    'ioredis',
    'the Redis store of the rate limiter',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('ioredis') as typeof IORedis,
  );
  const client = new Redis(url, {
    connectionName: 'fast-litellm',
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: Math.max(timeoutMs * TIMEOUTS_UNTIL_DEAD, 1_000),
    retryStrategy: (attempt) => reconnectDelayMs(attempt),
    // What a lost connection owed is answered by `onStoreError`, at once.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // After a failover the old master answers so: the address has to be looked up anew.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  client.on('error', onError);
  return client;
}
