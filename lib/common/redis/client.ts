import type * as IORedis from 'ioredis';
import { errorMessage, InvalidConfigurationError, unshown } from '../errors.js';
import { loadOptionalPackage } from '../optional-package.js';
import { checkString, refuseOption } from '../options.js';

/** Sends one command; called on its client. */
export type SendCommand = (this: CommandSender, ...values: (string | number)[]) => Promise<unknown>;

/**
 * How a client sends a command without `enableAutoPipelining`, which routes a script to the wrong
 * node of a Cluster.
 */
export interface CommandSender {
  /** Creates the function that sends a command. */
  createBuiltinCommand(name: string): { readonly buffer: SendCommand; readonly string: SendCommand };
}

/**
 * The part of an `ioredis` client that this package uses: a `Redis`, with or without Sentinels, or
 * a `Cluster`, connected to Redis 6 or later or to Valkey. This is not ioredis's own type, so that
 * apps can compile without ioredis.
 */
export interface RedisClient extends CommandSender {
  /** `ready`, still connecting, or lost: `reconnecting`, `end`. */
  readonly status: string;
  readonly isCluster?: boolean;
  /** For a Cluster, by slot: the addresses of its nodes, the master first. */
  readonly slots?: readonly (readonly string[] | undefined)[];
  /** Checks whether the server responds. */
  ping(): Promise<unknown>;
  /** Adds a listener that is called when the connection is ready. */
  on(event: 'ready', listener: () => void): unknown;
  /** Removes a listener. */
  off(event: 'ready', listener: () => void): unknown;
}

/** A client that this package opened and closes. */
export interface OwnedRedisClient extends RedisClient {
  disconnect(): void;
}

/** A connection that other parts of the process use until its owner is closed. */
export interface SharedRedis {
  readonly client: RedisClient;
  /** Prefix of all key names. */
  readonly prefix: string;
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
}

/** Settings of a client. */
export interface RedisClientSettings {
  /** For `MissingPackageError`: `the Redis store of the rate limiter`. */
  readonly purpose: string;
  /** As `CLIENT LIST` shows it. */
  readonly connectionName: string;
  /**
   * Longest wait for an answer; after four of them without one the connection is closed and the
   * address resolved again.
   */
  readonly timeoutMs: number;
  /** Whether commands wait for a connection. Default `true`. */
  readonly enableOfflineQueue?: boolean;
  /** Receives lost connections; without a listener they would end the process. Default: ignored. */
  readonly onError?: (error: Error) => void;
}

const CONNECT_TIMEOUT_MS = 2_000;
/** ioredis waits this long for a lost connection when it is closed; its default is 2 s. */
const DISCONNECT_TIMEOUT_MS = 100;
const FIRST_RECONNECT_MS = 50;
const LAST_RECONNECT_MS = 3_000;
const TIMEOUTS_UNTIL_DEAD = 4;
const SHORTEST_SOCKET_TIMEOUT_MS = 1_000;

/**
 * Delay before reconnection `attempt` (from 1), in ms: random, below a bound that doubles up to 3
 * s, so that processes that lost Redis together do not return together.
 */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  return Math.ceil(random() * Math.min(LAST_RECONNECT_MS, FIRST_RECONNECT_MS * 2 ** Math.min(attempt, 16)));
}

/**
 * Opens a client to `url` (`redis://`, `rediss://`) that never waits long and repeats no command: a
 * command without an answer may have been executed.
 * @throws MissingPackageError without ioredis.
 */
export function openRedisClient(url: string, settings: RedisClientSettings): OwnedRedisClient {
  const { purpose, connectionName, timeoutMs, enableOfflineQueue = true, onError = () => {} } = settings;
  const { Redis } = loadOptionalPackage(
    'ioredis',
    purpose,
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only when asked: an optional peer
    () => require('ioredis') as typeof IORedis,
  );
  const client = new Redis(url, {
    connectionName,
    enableOfflineQueue,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: Math.max(timeoutMs * TIMEOUTS_UNTIL_DEAD, SHORTEST_SOCKET_TIMEOUT_MS),
    retryStrategy: (attempt) => reconnectDelayMs(attempt),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // After a failover the old master answers READONLY: the address has to be resolved again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  client.on('error', (error: Error) => {
    connectionFaults.set(client, faultOf(error));
    onError(error);
  });
  client.on('ready', () => connectionFaults.delete(client));
  return client;
}

/** Why a connection cannot be opened or was closed. */
const connectionFaults = new WeakMap<object, string | undefined>();

/**
 * Why the connection of a client of ours is lost: `ECONNREFUSED`, `WRONGPASS`. Without the address,
 * because pages of health are often public.
 */
export function connectionFault(client: object): string | undefined {
  return connectionFaults.get(client);
}

/** An answer of Redis begins with its code. */
function faultOf(error: Error): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? /^[A-Z]{2,}(?= )/.exec(error.message)?.[0];
}

/** Prefix of the keys of all stores. */
export const DEFAULT_PREFIX = 'fast-litellm:';

/** A store opens a connection to `url`, or uses `client`. */
export function checkRedisConnection(path: string, { url, client }: { readonly url?: string; readonly client?: RedisClient }): void {
  if ((url === undefined) === (client === undefined)) throw new InvalidConfigurationError(path, 'must have either a url or a client');
}

/** Checks an option that is a client of `ioredis`. */
export function checkRedisClient(path: string, value: unknown): RedisClient {
  const client = value as RedisClient | null;
  if (typeof client === 'object' && typeof client?.createBuiltinCommand === 'function' && typeof client.status === 'string') return client;
  throw refuseOption(path, value, 'must be an ioredis client');
}

/**
 * Checks an option that is the URL of a Redis server. The error shows of the value what `shown`
 * makes of it, by default nothing: it may hold a password.
 */
export function checkRedisUrl(path: string, value: unknown, shown: (url: string) => unknown = unshown): string {
  const url = checkString(path, value);
  const rule = ruleBrokenBy(url);
  if (rule !== undefined) throw refuseOption(path, shown(url), rule);
  return url;
}

/** ioredis throws a `URIError` for such a login, and takes database 0 for a name. */
function ruleBrokenBy(url: string): string | undefined {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) return 'must be a redis:// or rediss:// URL';
  const { username, password, pathname } = new URL(url);
  try {
    decodeURIComponent(username);
    decodeURIComponent(password);
  } catch {
    return 'must encode % in its user and password as %25';
  }
  return /^\/?\d*$/.test(pathname) ? undefined : 'must have a database number as its path, such as redis://localhost:6379/1';
}

/** Checks an option that is the prefix of key names. */
export function checkRedisPrefix(path: string, value: unknown): string {
  const prefix = checkString(path, value);
  if (!/[{}]/.test(prefix)) return prefix;
  throw refuseOption(path, value, 'must not contain { or }, which mark the hash slot in a Cluster');
}

/**
 * Why a command failed. ioredis explains a lost connection by a retry option that no user of this
 * package set.
 */
export function failureReason(error: unknown): string {
  return (error as Error | undefined)?.name === 'MaxRetriesPerRequestError' ? 'the connection to Redis is lost' : errorMessage(error);
}

/**
 * Whether Redis itself answered with an error. Not by `instanceof`: the client may come from
 * another copy of its package.
 */
export function isReplyError(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'ReplyError';
}
