import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import { InvalidConfigurationError } from '../../common/errors.js';
import { checkInteger, checkKnownKeys, checkObject, joinPath, optional, refuseOption } from '../../common/options.js';
import { checkRedisClient, checkRedisPrefix, checkRedisUrl, type RedisClient } from '../../common/redis/client.js';
import type * as Links from './redis-link.js';
import type { RedisLink, RedisLinkOptions } from './redis-link.js';
import { HASH_TAG, type RouterSharedState, type StateOfRouter } from './shared-state.js';

/** Options of `redisRouterState`. */
export interface RedisRouterStateOptions {
  /** `redis://…` or `rediss://…`: opens a connection for the router. Either this or `client`. */
  readonly url?: string;
  /** A client of `ioredis` that the app already has; it is not closed with the router. */
  readonly client?: RedisClient;
  /** Prefix of all key names. Default `fast-litellm:`. */
  readonly prefix?: string;
  /** Time between two exchanges, in ms. Cooldowns are sent at once. Default 100. */
  readonly intervalMs?: number;
  /** Longest wait for Redis, in ms. Default 250. */
  readonly timeoutMs?: number;
  /** How long the requests in flight of a silent process still count, in ms. Default 5,000. */
  readonly silenceMs?: number;
}

/**
 * Shares cooldowns, the usage of the minute, requests in flight and spending between all processes
 * that use this Redis and prefix. While Redis is unreachable each process decides by its own state,
 * and health is `degraded`.
 *
 * @throws InvalidConfigurationError naming the option (`redis.timeoutMs`); MissingPackageError
 * without ioredis, when the router starts.
 * @example
 * FastLiteLLMModule.forRoot({ router: { configPath: 'config.yaml', sharedState: redisRouterState({ url: 'redis://localhost:6379' }) } })
 */
export function redisRouterState(options: RedisRouterStateOptions): RouterSharedState {
  return new RedisRouterState(resolve(options));
}

/**
 * Opens a link for each router in turn: options may outlive the app that was started with them, as
 * in tests.
 */
class RedisRouterState implements RouterSharedState {
  private link: RedisLink | undefined = undefined;

  constructor(private readonly options: RedisLinkOptions) {}

  /** @throws InvalidConfigurationError while another router uses it. */
  start(router: StateOfRouter): void {
    if (this.link?.isOpen === true) {
      throw new InvalidConfigurationError('router.sharedState', 'is in use by another router: each needs one of its own');
    }
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with Redis load it
    const { RedisLink } = require('./redis-link.js') as typeof Links;
    this.link = new RedisLink(this.options, router);
  }

  cooled(id: string, untilMs: number): void {
    this.link?.cooled(id, untilMs);
  }

  metrics(): readonly MetricSample[] {
    return this.link?.metrics() ?? [];
  }

  health(): Partial<CapabilityHealth> {
    return this.link?.health() ?? {};
  }

  async close(): Promise<void> {
    await this.link?.close();
  }
}

function resolve(options: RedisRouterStateOptions, path = 'redis'): RedisLinkOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, ['url', 'client', 'prefix', 'intervalMs', 'timeoutMs', 'silenceMs']);
  if ((input.url === undefined) === (input.client === undefined)) throw refuseOption(path, options, 'must name either a url or a client');
  const time = (key: string, fallback: number, min: number): number =>
    optional(input[key], fallback, (value) => checkInteger(joinPath(path, key), value, { min, max: 600_000 }));
  return {
    url: optional(input.url, undefined, (value) => checkRedisUrl(joinPath(path, 'url'), value)),
    client: optional(input.client, undefined, (value) => checkRedisClient(joinPath(path, 'client'), value)),
    prefix: `${optional(input.prefix, 'fast-litellm:', (value) => checkRedisPrefix(joinPath(path, 'prefix'), value))}{${HASH_TAG}}`,
    intervalMs: time('intervalMs', 100, 10),
    timeoutMs: time('timeoutMs', 250, 1),
    silenceMs: time('silenceMs', 5_000, 100),
  };
}
