import { openOwnClient } from '../../common/redis/own-client.js';

/** To be called on its client. */
export type SendCommand = (this: RouterRedisClient, ...values: (string | number)[]) => Promise<unknown>;

/** What is used of a client of `ioredis`: a `Redis`, with Sentinels or without, or a `Cluster`. */
export interface RouterRedisClient {
  /** `ready`, or on its way there, or lost. */
  readonly status: string;
  /** How to send one, apart from what `enableAutoPipelining` gathers: that waits for its turn, and takes nodes of a Cluster by no script's keys. */
  createBuiltinCommand(name: string): { readonly string: SendCommand };
}

/** A client of this package's own, which it also closes. */
export interface OwnedRouterRedisClient extends RouterRedisClient {
  disconnect(): void;
}

/** An exchange without an answer for this many time-outs: the connection is given up and the address looked up anew. */
const TIMEOUTS_UNTIL_DEAD = 4;

/**
 * A connection to `url` that keeps no commands for later: what was to be told is told again.
 * @throws MissingPackageError without ioredis.
 */
export function openRouterRedis(url: string, timeoutMs: number): OwnedRouterRedisClient {
  const socketTimeout = Math.max(timeoutMs * TIMEOUTS_UNTIL_DEAD, 1_000);
  const options = { connectionName: 'fast-litellm-router', enableOfflineQueue: false, socketTimeout };
  // Every exchange tells what is wrong.
  return openOwnClient(url, 'the shared state of the router', options, () => {});
}
