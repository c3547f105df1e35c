import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import { InvalidConfigurationError } from '../../common/errors.js';
import { custom, integer, resolveOptions, type OptionsOf } from '../../common/option.js';
import {
  checkRedisClient,
  checkRedisConnection,
  checkRedisPrefix,
  checkRedisUrl,
  DEFAULT_PREFIX,
  type RedisClient,
} from '../../common/redis/client.js';
import type * as Links from './state-exchange.js';
import type { StateExchange, StateExchangeOptions } from './state-exchange.js';
import { HASH_TAG, type RouterSharedState, type StateOfRouter } from './shared-state.js';

const LONGEST_MS = 600_000;

export const REDIS_ROUTER_STATE = {
  /** `redis://…` or `rediss://…`: opens a connection for the router. Either this or `client`. */
  url: custom<string>('`redis://` URL', (path, value) => checkRedisUrl(path, value)),
  /** A client of `ioredis` that the app already has; the router does not close it. */
  client: custom<RedisClient>('client of `ioredis`', checkRedisClient),
  /** Prefix of all key names. Default `fast-litellm:`. */
  prefix: custom<string>('string', checkRedisPrefix, DEFAULT_PREFIX),
  /** Time between two exchanges, in ms. Cooldowns are sent at once. Default 100. */
  intervalMs: integer({ min: 10, max: LONGEST_MS, default: 100 }),
  /** Longest wait for Redis, in ms. Default 250. */
  timeoutMs: integer({ min: 1, max: LONGEST_MS, default: 250 }),
  /** How long the requests in flight of a silent process still count, in ms. Default 5,000. */
  silenceMs: integer({ min: 100, max: LONGEST_MS, default: 5_000 }),
};

/** Options of `redisRouterState`. */
export interface RedisRouterStateOptions extends OptionsOf<typeof REDIS_ROUTER_STATE> {}

/**
 * Shares cooldowns, the current minute's usage, requests in flight and spend between all processes
 * that use this Redis and prefix. While Redis is unreachable, each process uses its own state, and
 * health is `degraded`.
 *
 * @throws InvalidConfigurationError naming the option (`redis.timeoutMs`); MissingPackageError
 * without ioredis, when the router starts.
 * @example
 * FastLiteLLMModule.forRoot({ router: { configPath: 'config.yaml', sharedState: redisRouterState({ url: 'redis://localhost:6379' }) } })
 */
export function redisRouterState(options: RedisRouterStateOptions): RouterSharedState {
  const resolved = resolveOptions(REDIS_ROUTER_STATE, 'redis', options);
  checkRedisConnection('redis', resolved);
  return new RedisRouterState({ ...resolved, prefix: `${resolved.prefix}{${HASH_TAG}}` });
}

/**
 * Opens an exchange for each router in turn: options can outlive the app that was started with
 * them, as in tests.
 */
class RedisRouterState implements RouterSharedState {
  private exchange: StateExchange | undefined = undefined;

  constructor(private readonly options: StateExchangeOptions) {}

  /** @throws InvalidConfigurationError while another router uses it. */
  start(router: StateOfRouter): void {
    if (this.exchange?.isOpen === true) {
      throw new InvalidConfigurationError('router.sharedState', 'must not be shared by several routers; create one for each router');
    }
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with Redis load it
    const { StateExchange } = require('./state-exchange.js') as typeof Links;
    this.exchange = new StateExchange(this.options, router);
  }

  cooled(id: string, untilMs: number): void {
    this.exchange?.cooled(id, untilMs);
  }

  metrics(): readonly MetricSample[] {
    return this.exchange?.metrics() ?? [];
  }

  health(): Partial<CapabilityHealth> {
    return this.exchange?.health() ?? {};
  }

  async close(): Promise<void> {
    await this.exchange?.close();
  }
}
