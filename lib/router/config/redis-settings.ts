import { isIPv6 } from 'node:net';
import { unshown } from '../../common/errors.js';
import { checkObject, joinPath, type Refuse } from '../../common/options.js';
import { checkRedisUrl } from '../../common/redis/client.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { Reporting } from './file-values.js';
import { redisRouterState } from '../redis/redis-shared-state.js';
import type { RouterSharedState } from '../redis/shared-state.js';

type Settings = Readonly<Record<string, unknown>>;

/** Connection parameters of Redis, in LiteLLM's names. */
interface Connection {
  readonly username?: unknown;
  readonly password?: unknown;
  readonly db?: unknown;
  readonly ssl?: unknown;
}

const CONNECTION_KEYS = ['username', 'password', 'db', 'ssl'] as const;

/**
 * Returns the state shared over the Redis of LiteLLM's `router_settings`: `redis_url`, else
 * `redis_host` with `redis_port`, completed by the other settings, `cache_kwargs` and then the
 * variables `REDIS_USERNAME`, `REDIS_PASSWORD`, `REDIS_DB` and `REDIS_SSL`, as in LiteLLM.
 *
 * @param path of the settings, for errors; these quote no value, because it may be a password
 * @returns `undefined` if the settings name no Redis
 */
export function sharedStateOf(
  path: string,
  settings: Settings,
  reporting: Reporting & { readonly env: Environment },
): RouterSharedState | undefined {
  const url = redisUrlOf(path, settings, reporting);
  return url === undefined ? undefined : redisRouterState({ url });
}

/** The address of that Redis. @returns `undefined` if the settings name none */
export function redisUrlOf(
  path: string,
  settings: Settings,
  { env, refuse, warn }: Reporting & { readonly env: Environment },
): string | undefined {
  const at = (key: string): string => joinPath(path, key);
  const { redis_url: url, redis_host: host, redis_port: port } = settings;
  if (isSet(url)) return checkRedisUrl(at('redis_url'), url);
  if (!isSet(host) || !isSet(port)) {
    const known = Object.keys(settings).filter((key) => key.startsWith('redis_') && isSet(settings[key]));
    if (known.length > 0)
      warn(`${path}: these settings have no effect here unless redis_url, or redis_host and redis_port, are set: ${known.join(', ')}`);
    return undefined;
  }
  for (const key of Object.keys(checkObject(at('cache_kwargs'), settings.cache_kwargs ?? {}, refuse))) {
    if (!(CONNECTION_KEYS as readonly string[]).includes(key)) warn(`option without effect: ${at('cache_kwargs')}.${key}`);
  }
  return addressOf(path, settings, env, refuse);
}

function addressOf(path: string, settings: Settings, env: Environment, refuse: Refuse): string {
  const at = (key: string): string => joinPath(path, key);
  const words = (key: string, value: unknown): string => {
    if (typeof value === 'string' || typeof value === 'number') return String(value);
    throw refuse(at(key), value, 'must be a string');
  };
  const { username, password, db, ssl } = connectionOf(settings, env);
  const user = isSet(username) ? encodeURIComponent(words('cache_kwargs.username', username)) : '';
  const secret = isSet(password) ? `:${encodeURIComponent(words('redis_password', password))}` : '';
  const login = user === '' && secret === '' ? '' : `${user}${secret}@`;
  const name = words('redis_host', settings.redis_host);
  const host = isIPv6(name) ? `[${name}]` : name;
  const port = numberOf(at('redis_port'), settings.redis_port, 65_535, refuse);
  const database = isSet(db) ? `/${numberOf(at('redis_db'), db, 1_000_000, refuse)}` : '';
  const url = `${isTrue(ssl) ? 'rediss' : 'redis'}://${login}${host}:${port}${database}`;
  // With a name such as `redis://cache` or `a/b`, the URL would point to another host.
  if (!URL.canParse(url) || new URL(url).hostname !== host)
    throw refuse(at('redis_host'), unshown(name), 'must be a host name or an IP address');
  return url;
}

function connectionOf(settings: Settings, env: Environment): Connection {
  const given = (settings.cache_kwargs ?? {}) as Settings;
  const own: Settings = { password: settings.redis_password, db: settings.redis_db };
  const entries = CONNECTION_KEYS.map((key) => [key, [given[key], own[key], env[`REDIS_${key.toUpperCase()}`]].find(isSet)] as const);
  return Object.fromEntries(entries);
}

/** An empty variable counts as not set. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function isTrue(value: unknown): boolean {
  return value === true || (typeof value === 'string' && /^(?:true|1|yes)$/i.test(value));
}

function numberOf(path: string, value: unknown, max: number, refuse: Refuse): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max) return number;
  throw refuse(path, unshown(value), `must be an integer from 0 to ${max}`);
}
