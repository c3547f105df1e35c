import type { ConnectionOptions } from 'node:tls';
import { LONGEST_TIMER_MS } from '../common/clock.js';
import { custom, integer, limit, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkObject } from '../common/options.js';
import type { FlagsSettings } from '../feature-flags/feature-flags.file.js';
import { checkProxies, proxiesOfEnvironment, type Proxies, type ProxyOptions } from './connection/proxies.js';

/** An id holds the slot and the generation of a lease. */
const CONNECTIONS = { min: 1, max: 65_535 };
const TIME = { min: 1, max: LONGEST_TIMER_MS };

export const CONNECTION_POOL = {
  /** Maximum number of connections, leased and idle. Default 1,000. */
  maxConnections: integer({ ...CONNECTIONS, default: 1_000 }),
  /** Maximum number of connections to one origin. Default 500. */
  maxConnectionsPerEndpoint: integer({ ...CONNECTIONS, default: 500 }),
  /** An idle connection is closed after this time. Default 300,000. */
  maxIdleMs: integer({ ...TIME, default: 300_000 }),
  /**
   * A connection is closed this long after it was opened, as soon as it is not leased. Default:
   * never.
   */
  maxAgeMs: integer({ min: 1, default: Infinity }),
  /** How long `acquire` and `use` wait for a connection. 0: no limit. Default 30,000. */
  acquireTimeoutMs: limit({ max: LONGEST_TIMER_MS, default: 30_000 }),
  /** Longest time for TCP and TLS together. Default 30,000. */
  connectTimeoutMs: integer({ ...TIME, default: 30_000 }),
  /** Longest time from a request to the headers of its response. 0: no limit. Default 300,000. */
  headersTimeoutMs: limit({ max: LONGEST_TIMER_MS, default: 300_000 }),
  /** Longest time between two chunks of a response, read or not. 0: no limit. Default 300,000. */
  bodyTimeoutMs: limit({ max: LONGEST_TIMER_MS, default: 300_000 }),
  /** How long `drain` waits for leased connections. Default 10,000. */
  drainTimeoutMs: integer({ ...TIME, min: 0, default: 10_000 }),
  /**
   * Name of a pool whose caps and counts apply to all `worker_threads` of the process (native
   * engine). Default: not shared.
   */
  sharedAs: string({ default: null }),
  /** Options for `tls.connect`: `ca`, `cert`, `key`, `servername`, … Default: none. */
  tls: custom<ConnectionOptions>('object', checkObject, {}),
  /**
   * Proxies; `false`: none. Default: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment.
   *
   * @see docs/connection-pool.md#proxies
   */
  proxy: custom<ProxyOptions | string | false, Proxies>('URL, object or `false`', checkProxies),
};

/** Options of the connection pool. Names that end in `Ms` are in milliseconds. */
export interface ConnectionPoolOptions extends OptionsOf<typeof CONNECTION_POOL> {}

/** `Infinity` means no limit. */
export interface ResolvedConnectionPoolOptions extends Omit<Resolved<typeof CONNECTION_POOL>, 'proxy'> {
  readonly proxies: Proxies;
}

/**
 * Checks the options. `settings` of the flags file take precedence.
 * @throws InvalidConfigurationError naming the option (`connectionPool.maxConnections`).
 */
export function resolveConnectionPoolOptions(
  options: ConnectionPoolOptions = {},
  { maxConnectionsPerEndpoint, idleTimeoutMs }: FlagsSettings['connectionPool'] = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
  path = 'connectionPool',
): ResolvedConnectionPoolOptions {
  const over = { maxConnectionsPerEndpoint, maxIdleMs: idleTimeoutMs };
  const { proxy, ...resolved } = resolveOptions(CONNECTION_POOL, path, options, { over });
  return { ...resolved, proxies: proxy ?? proxiesOfEnvironment(env) };
}
