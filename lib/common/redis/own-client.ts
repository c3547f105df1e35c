import type * as IORedis from 'ioredis';
import { errorMessage } from '../errors.js';
import { loadOptionalPackage } from '../optional-package.js';
import { checkString, refuseOption } from '../options.js';

const CONNECT_TIMEOUT_MS = 2_000;
/** A connection that was lost is waited for in vain: ioredis keeps the process for that long, by itself two seconds. */
const DISCONNECT_TIMEOUT_MS = 100;
const FIRST_RECONNECT_MS = 50;
const LAST_RECONNECT_MS = 3_000;

/**
 * How long to wait before the `attempt`th try (from 1) to reach Redis again: at random between nothing and a bound that doubles up to 3 s,
 * so that the processes that lost it together do not come back together.
 */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  return Math.ceil(random() * Math.min(LAST_RECONNECT_MS, FIRST_RECONNECT_MS * 2 ** Math.min(attempt, 16)));
}

/**
 * A client of this package's own, connected to `url` (`redis://`, `rediss://`), that never waits long and repeats nothing: what was sent may have been done.
 * @param purpose What it is for, as `MissingPackageError` says it.
 * @param options On top of what all of them have.
 * @param onError Hears of lost connections; without a listener they would end the process.
 * @throws MissingPackageError without ioredis.
 */
export function openOwnClient(url: string, purpose: string, options: IORedis.RedisOptions, onError: (error: Error) => void): IORedis.Redis {
  const { Redis } = loadOptionalPackage(
    'ioredis',
    purpose,
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('ioredis') as typeof IORedis,
  );
  const client = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    retryStrategy: (attempt) => reconnectDelayMs(attempt),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // After a failover the old master answers so: the address has to be looked up anew.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...options,
  });
  client.on('error', onError);
  return client;
}

/** An option that says where Redis is. */
export function checkRedisUrl(path: string, value: unknown): string {
  const url = checkString(path, value);
  // Not in the message: it may hold a password.
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) throw refuseOption(path, undefined, 'must be a URL of redis:// or rediss://');
  return url;
}

/** An option that the names of keys begin with. */
export function checkRedisPrefix(path: string, value: unknown): string {
  const prefix = checkString(path, value);
  if (!/[{}]/.test(prefix)) return prefix;
  throw refuseOption(path, value, 'must have no { or }: these mark the slot of a Cluster');
}

/** Why a command failed. What ioredis says of a connection that was lost is about an option that nobody has set. */
export function failureReason(error: unknown): string {
  return (error as Error | undefined)?.name === 'MaxRetriesPerRequestError' ? 'the connection to Redis is lost' : errorMessage(error);
}

/** Whether Redis itself has answered with an error. Not by `instanceof`: the client may be of another copy of its package. */
export function isReplyError(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'ReplyError';
}
