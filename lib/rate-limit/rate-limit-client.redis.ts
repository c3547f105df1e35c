import { openOwnClient } from '../common/own-client.redis.js';

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

/** Commands without an answer for this many time-outs: the connection is given up and the address looked up anew. */
const TIMEOUTS_UNTIL_DEAD = 4;

/**
 * A connection to `url`; what it owed when it was lost is answered by `onStoreError`, at once: a permit must not be taken twice.
 * @throws MissingPackageError without ioredis.
 */
export function openRedisClient(url: string, timeoutMs: number, onError: (error: Error) => void): OwnedRedisClient {
  const socketTimeout = Math.max(timeoutMs * TIMEOUTS_UNTIL_DEAD, 1_000);
  return openOwnClient(url, 'the Redis store of the rate limiter', { connectionName: 'fast-litellm', socketTimeout }, onError);
}
