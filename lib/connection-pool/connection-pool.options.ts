import type { ConnectionOptions } from 'node:tls';
import { LONGEST_TIMER_MS } from '../common/clock.js';
import { checkInteger, checkKnownKeys, checkObject, checkPositiveInteger, checkString, joinPath, optional } from '../common/options.js';
import type { FlagsSettings } from '../feature-flags/feature-flags.settings.js';
import type { ProxyOptions } from './connection/proxies.environment.js';
import { resolveProxies, type Proxies } from './connection/proxies.js';

/** All in milliseconds where the name ends in `Ms`. */
export interface ConnectionPoolOptions {
  /** Most connections of the pool, leased and idle. Default 1,000. */
  readonly maxConnections?: number;
  /** Most of these to one origin. Default 500. */
  readonly maxConnectionsPerEndpoint?: number;
  /** An idle connection is closed after this time. Default 300,000. */
  readonly maxIdleMs?: number;
  /**
   * A connection is closed this long after it was opened, once it is not leased. Default: never.
   */
  readonly maxAgeMs?: number;
  /** How long `acquire` and `use` wait for a connection. 0: no limit. Default 30,000. */
  readonly acquireTimeoutMs?: number;
  /** For TCP and TLS together. Default 30,000. */
  readonly connectTimeoutMs?: number;
  /** From the request to the end of the response's headers. 0: no limit. Default 300,000. */
  readonly headersTimeoutMs?: number;
  /** Between two chunks of a response, read or unread. 0: no limit. Default 300,000. */
  readonly bodyTimeoutMs?: number;
  /** How long `drain` waits for leased connections. Default 10,000. */
  readonly drainTimeoutMs?: number;
  /**
   * Name of a pool whose caps and counts hold for all `worker_threads` of the process (native
   * engine). Default: not shared.
   */
  readonly sharedAs?: string;
  /** What `tls.connect` takes: `ca`, `cert`, `key`, `servername`, … */
  readonly tls?: ConnectionOptions;
  /** Default: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment. `false`: none. */
  readonly proxy?: ProxyOptions | string | false;
}

/** The checked options with defaults; `Infinity` is no limit. */
export interface ResolvedConnectionPoolOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerEndpoint: number;
  readonly maxIdleMs: number;
  readonly maxAgeMs: number;
  readonly acquireTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly sharedAs: string | null;
  readonly tls: ConnectionOptions;
  readonly proxies: Proxies;
}

const KNOWN = [
  'maxConnections',
  'maxConnectionsPerEndpoint',
  'maxIdleMs',
  'maxAgeMs',
  'acquireTimeoutMs',
  'connectTimeoutMs',
  'headersTimeoutMs',
  'bodyTimeoutMs',
  'drainTimeoutMs',
  'sharedAs',
  'tls',
  'proxy',
] as const satisfies readonly (keyof ConnectionPoolOptions)[];

/** As in LiteLLM: a call uses its connection until the model has answered. */
const MOST_OF_POOL = 1_000;
const MOST_OF_ENDPOINT = 500;

/** An id holds the slot and the generation of a lease. */
const MOST_CONNECTIONS = 65_535;

/**
 * Checks the options. `settings` of the flags file take precedence.
 * @throws InvalidConfigurationError naming the option (`connectionPool.maxConnections`).
 */
export function resolveConnectionPoolOptions(
  options: ConnectionPoolOptions = {},
  settings: FlagsSettings['connectionPool'] = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
  path = 'connectionPool',
): ResolvedConnectionPoolOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: (typeof KNOWN)[number]): string => joinPath(path, key);
  const count = (key: (typeof KNOWN)[number], value: unknown, fallback: number): number =>
    optional(value, fallback, (given) => checkInteger(at(key), given, { min: 1, max: MOST_CONNECTIONS }));
  const time = (key: (typeof KNOWN)[number], value: unknown, fallback: number, min = 1): number =>
    optional(value, fallback, (given) => checkInteger(at(key), given, { min, max: LONGEST_TIMER_MS }));
  const limit = (key: (typeof KNOWN)[number], fallback: number): number => time(key, input[key], fallback, 0) || Infinity;
  return {
    maxConnections: count('maxConnections', input.maxConnections, MOST_OF_POOL),
    maxConnectionsPerEndpoint: count(
      'maxConnectionsPerEndpoint',
      settings.maxConnectionsPerEndpoint ?? input.maxConnectionsPerEndpoint,
      MOST_OF_ENDPOINT,
    ),
    maxIdleMs: time('maxIdleMs', settings.idleTimeoutMs ?? input.maxIdleMs, 300_000),
    maxAgeMs: optional(input.maxAgeMs, Infinity, (value) => checkPositiveInteger(at('maxAgeMs'), value)),
    acquireTimeoutMs: limit('acquireTimeoutMs', 30_000),
    connectTimeoutMs: time('connectTimeoutMs', input.connectTimeoutMs, 30_000),
    headersTimeoutMs: limit('headersTimeoutMs', 300_000),
    bodyTimeoutMs: limit('bodyTimeoutMs', 300_000),
    drainTimeoutMs: time('drainTimeoutMs', input.drainTimeoutMs, 10_000, 0),
    sharedAs: optional(input.sharedAs, null, (value) => checkString(at('sharedAs'), value)),
    tls: optional(input.tls, {}, (value) => checkObject(at('tls'), value)),
    proxies: resolveProxies(input.proxy, env, at('proxy')),
  };
}
