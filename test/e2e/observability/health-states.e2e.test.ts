import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HealthCheck, HealthCheckService, TerminusModule, type HealthCheckResult } from '@nestjs/terminus';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import {
  FastLiteLLM,
  FastLiteLLMHealthIndicator,
  FastLiteLLMModule,
  redisRateLimitStore,
  RUST_ACCELERATION_AVAILABLE,
  type FastLiteLLMOptions,
} from 'nestjs-fast-litellm';
import { Registry } from 'prom-client';
import { EXPECTED_TERMINUS, TERMINUS_DEGRADED } from './expected-health.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { SampleProcess } from '../sample-app/sample-process.js';
import { oneOrAll } from '../../support/long.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicator: FastLiteLLMHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.indicator.isHealthy('llm')]);
  }

  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([() => this.indicator.isAlive('process')]);
  }
}

interface Component {
  readonly status: string;
  readonly reason?: string;
}

describe('health under real failures', () => {
  let app: INestApplication;
  let url: string;
  let registry: Registry;

  async function start(options: FastLiteLLMOptions): Promise<FastLiteLLM> {
    registry = new Registry();
    const logger = { log: () => {}, warn: () => {}, error: () => {} };
    @Module({
      imports: [FastLiteLLMModule.forRoot({ logger, metrics: { registry }, ...options }), TerminusModule],
      controllers: [HealthController],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    return app.get(FastLiteLLM);
  }
  afterEach(async () => {
    await app?.close();
    await stopProviders();
  });

  /** The HTTP status, the status of all, and one component. */
  async function health(capability: string): Promise<{ http: number; status: string; component: Component }> {
    const response = await fetch(`${url}/health`);
    const { details } = (await response.json()) as { details: { llm: { status: string; components: Record<string, Component> } } };
    const { status, components } = details.llm;
    return { http: response.status, status, component: components[capability] };
  }
  async function metric(name: string, labels = ''): Promise<number> {
    const line = new RegExp(`^fast_litellm_${name}${labels === '' ? '' : `\\{${labels}\\}`} (\\S+)$`, 'm');
    return Number(line.exec(await registry.metrics())?.[1]);
  }
  const gauge = (capability: string): Promise<number> => metric('health', `capability="${capability}"`);

  const WELL = { http: 200, status: EXPECTED_TERMINUS, component: { status: 'ok' } };
  const isWell = async (capability: string): Promise<boolean> =>
    (await health(capability)).component.status === 'ok' && (await gauge(capability)) === 1;

  it('is 503 while all deployments are in cooldown', async () => {
    const upstream = await provider('only', { fault: 'status', status: 500 });
    const settings = { allowedFailsPolicy: { InternalServerErrorAllowedFails: 0 }, cooldownMs: 2000, numRetries: 0 };
    const llm = await start({ router: { modelList: [deploymentOf('m', upstream)], ...settings } });
    expect(await health('routing')).toMatchObject(WELL);
    await expect(llm.client.chat({ model: 'm', messages: [...HELLO] })).rejects.toMatchObject({ providerStatus: 500 });

    expect(await health('routing')).toMatchObject({ http: 503, status: 'down', component: { status: 'down' } });
    expect(await gauge('routing')).toBe(0);
    expect(await metric('router_deployments', 'state="cooling"')).toBe(1);
    // It is no reason to restart the process.
    expect((await fetch(`${url}/health/live`)).status).toBe(200);

    upstream.behave();
    await until(() => isWell('routing'));
    expect(await health('routing')).toMatchObject(WELL);
    expect(await metric('router_deployments', 'state="cooling"')).toBe(0);
    expect((await llm.client.chat({ model: 'm', messages: [...HELLO] })).usage?.totalTokens).toBeGreaterThan(0);
  });

  it('is degraded and 200 while one of two groups is in cooldown', async () => {
    const [bad, good] = [await provider('bad', { fault: 'status', status: 500 }), await provider('good')];
    const settings = { allowedFailsPolicy: { InternalServerErrorAllowedFails: 0 }, cooldownMs: 2000, numRetries: 0 };
    const llm = await start({ router: { modelList: [deploymentOf('a', bad), deploymentOf('b', good)], ...settings } });
    await expect(llm.client.chat({ model: 'a', messages: [...HELLO] })).rejects.toMatchObject({ providerStatus: 500 });
    const reason = 'no deployment available in a';
    expect(await health('routing')).toMatchObject({ http: 200, status: TERMINUS_DEGRADED, component: { status: 'degraded', reason } });
    expect(await gauge('routing')).toBe(0.5);
    await until(() => isWell('routing'));
  });

  it('is degraded while the pool is exhausted', async () => {
    const upstream = await provider('only');
    const llm = await start({ connectionPool: { maxConnections: 2 } });
    const { origin } = new URL(upstream.apiBase);
    const ids = [llm.connectionPool.getConnection(origin)!, llm.connectionPool.getConnection(origin)!];
    expect(llm.connectionPool.getConnection(origin)).toBeNull();
    const waiting = llm.connectionPool.acquire(origin);

    const reason = 'all 2 connections are leased, calls waiting: 1';
    expect(await health('connection_pooling')).toMatchObject({
      http: 200,
      status: TERMINUS_DEGRADED,
      component: { status: 'degraded', reason },
    });
    expect(await gauge('connection_pooling')).toBe(0.5);
    expect([await metric('connection_pool_connections', 'state="leased"'), await metric('connection_pool_waiting')]).toEqual([2, 1]);

    for (const id of ids) llm.connectionPool.returnConnection(id);
    llm.connectionPool.returnConnection(await waiting);
    await until(() => isWell('connection_pooling'));
    expect(await health('connection_pooling')).toMatchObject(WELL);
  });

  (hasRedis ? it : it.skip).each([
    ['deny', 503, 'down', 0],
    ['local', 200, 'degraded', 0.5],
  ] as const)('Redis stopped, with onStoreError %s: %i until it is back', async (onStoreError, http, status, value) => {
    const redis = await RedisServer.start();
    const client = new Redis(redis.port, '127.0.0.1', { maxRetriesPerRequest: 0, retryStrategy: () => 50 });
    client.on('error', () => {});
    try {
      const store = redisRateLimitStore({ client, onStoreError, timeoutMs: 200 });
      const llm = await start({ rateLimit: { requestsPerMinute: 1_000_000, store } });
      await llm.rateLimiter.checkAsync('a');
      await until(() => isWell('rate_limiting'));
      expect(await metric('rate_limit_store_up')).toBe(1);

      await redis.kill();
      expect((await llm.rateLimiter.checkAsync('a')).allowed).toBe(onStoreError === 'local');
      await until(async () => (await health('rate_limiting')).component.status === status);
      expect(await health('rate_limiting')).toMatchObject({ http, status: status === 'degraded' ? TERMINUS_DEGRADED : status });
      await until(async () => (await gauge('rate_limiting')) === value);
      expect(await metric('rate_limit_store_outage_answers_total', `answer="${onStoreError}"`)).toBeGreaterThan(0);
      expect((await fetch(`${url}/health/live`)).status).toBe(200);

      await redis.start();
      await until(async () => (await llm.rateLimiter.checkAsync('a')).allowed && (await isWell('rate_limiting')));
      expect(await health('rate_limiting')).toMatchObject(WELL);
      await until(async () => (await metric('rate_limit_store_up')) === 1);
    } finally {
      client.disconnect();
      await redis.stop();
    }
  });

  (RUST_ACCELERATION_AVAILABLE ? it : it.skip)('native errors: degraded until a call after the cool-off goes well', async () => {
    const llm = await start({ featureFlags: { errorThreshold: 1, coolOffMs: 4_000 } });
    llm.featureFlags.recordError('rust_token_counting', new Error('panicked'));
    expect(await health('token_counting')).toMatchObject({ http: 200, status: TERMINUS_DEGRADED, component: { status: 'degraded' } });
    expect([await gauge('token_counting'), await metric('feature_tripped', 'feature="rust_token_counting"')]).toEqual([0.5, 1]);
    await until(async () => {
      expect(llm.tokenCounter.countTokens('hello world', 'gpt-4')).toBe(2);
      return isWell('token_counting');
    });
    expect(await metric('feature_tripped', 'feature="rust_token_counting"')).toBe(0);
  });
});

describe('health without the addon', () => {
  const missing = [
    ['that cannot be found', { FAST_LITELLM_ENGINE: 'auto', NAPI_RS_NATIVE_LIBRARY_PATH: '/no/such/addon.node' }, TERMINUS_DEGRADED],
    ['disabled by FAST_LITELLM_ENGINE', { FAST_LITELLM_ENGINE: 'typescript' }, 'up'],
  ] as const;

  it.each(oneOrAll(missing))('answers 200 with the reason: %s', async (_, env, status) => {
    const gateway = await SampleProcess.start(env);
    try {
      const response = await fetch(`${gateway.url}/health`);
      const { details } = (await response.json()) as { details: { fast_litellm: object } };
      expect([response.status, details.fast_litellm]).toEqual([200, expect.objectContaining({ status, rustAvailable: false })]);
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      expect(metrics).toContain('\nfast_litellm_addon_open 0\n');
      expect(metrics).toContain('\nfast_litellm_engine_info{capability="routing",engine="typescript"} 1\n');
    } finally {
      await gateway.kill();
    }
  });
});
