import { openOwnClient } from '../../common/redis/own-client.js';

/** To be called on its client. */
export type SendCommand = (this: RedisClient, ...values: (string | number)[]) => Promise<unknown>;

/**
 * What is used of a client of `ioredis` (a `Redis`, with Sentinels or without, or a `Cluster`; Redis from version 6 or Valkey behind it).
 * Not its own type, so that those who do without it can compile against this package.
 */
export interface RedisClient {
  /** `ready`, or on its way there, or lost: `reconnecting`, `end`. */
  readonly status: string;
  readonly isCluster?: boolean;
  /** Of a Cluster, by slot: its nodes, the master first. */
  readonly slots?: readonly (readonly string[] | undefined)[];
  /** How to send one, apart from what `enableAutoPipelining` gathers: that loses the name of a `callBuffer`, and takes nodes of a Cluster by no script's keys. */
  createBuiltinCommand(name: string): { readonly buffer: SendCommand };
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
