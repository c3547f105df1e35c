import type * as IORedis from 'ioredis';
import { loadOptionalPackage } from '../common/optional-package.js';

/** What is used of a client of `ioredis`: a `Redis`, with Sentinels or without, or a `Cluster`. */
export interface RouterRedisClient {
  /** `ready`, or on its way there, or lost. */
  readonly status: string;
  call(command: string, ...values: (string | number)[]): Promise<unknown>;
}

/** A client of this package's own, which it also closes. */
export interface OwnedRouterRedisClient extends RouterRedisClient {
  disconnect(): void;
}

const CONNECT_TIMEOUT_MS = 2_000;
const LAST_RECONNECT_MS = 3_000;

/**
 * A connection to `url` that keeps no commands for later: what was to be told is told again.
 * @throws MissingPackageError without ioredis.
 */
export function openRouterRedis(url: string): OwnedRouterRedisClient {
  const { Redis } = loadOptionalPackage(
    'ioredis',
    'the shared state of the router',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('ioredis') as typeof IORedis,
  );
  const client = new Redis(url, {
    connectionName: 'fast-litellm-router',
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // At random, so that processes that lost it together do not come back together.
    retryStrategy: (attempt) => Math.ceil(Math.random() * Math.min(LAST_RECONNECT_MS, 50 * 2 ** Math.min(attempt, 16))),
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  // Every exchange tells what is wrong; without a listener an error would end the process.
  client.on('error', () => {});
  return client;
}
