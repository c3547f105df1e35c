import { Redis } from 'ioredis';
import { FastLiteLLM, InvalidConfigurationError, type FastLiteLLMOptions, type RouterOptions } from 'nestjs-fast-litellm';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { resolveRouterOptions } from '../../../lib/router/router.options.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const PASSWORD = 'p@ss:w/ö%rd #1?';
const folder = mkdtempSync(join(tmpdir(), 'router-redis-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const MODELS = { model_list: [{ model_name: 'g', litellm_params: { model: 'openai/a', api_key: 'sk-1' }, model_info: { id: 'a' } }] };
const written = (config: object): string => {
  const path = join(folder, `config-${files++}.json`);
  writeFileSync(path, JSON.stringify({ ...MODELS, ...config }));
  return path;
};

(hasRedis ? describe : describe.skip)('the Redis of router_settings', () => {
  let redis: RedisServer;
  let watcher: Redis;
  const opened: FastLiteLLM[] = [];
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);

  beforeAll(async () => {
    redis = await RedisServer.start();
    watcher = new Redis(redis.url);
    await watcher.config('SET', 'requirepass', PASSWORD);
    await watcher.call('ACL', 'SETUSER', 'router', 'on', `>${PASSWORD}`, '~*', '+@all');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((llm) => llm.close()));
    lines.length = 0;
  });
  afterAll(async () => {
    watcher.disconnect();
    await redis.stop();
  });

  const open = (router: RouterOptions, options: Partial<FastLiteLLMOptions> = {}): FastLiteLLM => {
    const llm = new FastLiteLLM({ router, logger: { log: say, warn: say, error: say }, ...options });
    opened.push(llm);
    return llm;
  };
  const clients = async (): Promise<string[]> => {
    const list = (await watcher.client('LIST')) as string;
    return list.split('\n').filter((line) => line.includes('name=fast-litellm-router'));
  };
  const settings = (): object => ({ redis_host: '127.0.0.1', redis_port: redis.port, redis_password: PASSWORD });

  it('holds the shared state of routers with one config.yaml until they close', async () => {
    const configPath = written({ router_settings: { ...settings(), redis_db: 3 } });
    const [first, second] = [open({ configPath }), open({ configPath })];
    const selection = first.router.acquire('g');
    await until(() => second.router.status()[0].inFlight === 1);
    expect(second.router.health()).toMatchObject({ status: 'ok', sharedState: 'redis', processes: 2 });
    expect((await clients()).every((line) => line.includes(' db=3 '))).toBe(true);
    expect(await clients()).toHaveLength(2);
    first.router.succeeded(selection, { latencyMs: 1 });
    await Promise.all(opened.splice(0).map((llm) => llm.close()));
    await until(async () => (await clients()).length === 0);
    expect(lines.join('\n')).not.toContain(PASSWORD);
    expect(lines.filter((line) => line.includes('redis'))).toEqual([]);
  });

  it.each<[string, () => object, Readonly<Record<string, string>>]>([
    ['by redis_url', () => ({ redis_url: `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${redis.port}/3` }), {}],
    [
      'by redis_url before host and port',
      () => ({
        redis_url: `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${redis.port}`,
        redis_host: 'nowhere',
        redis_port: 1,
        redis_password: 'wrong',
      }),
      {},
    ],
    [
      'by names of the environment',
      () => ({ redis_host: 'os.environ/RH', redis_port: 'os.environ/RP', redis_password: 'os.environ/RW' }),
      { RH: '127.0.0.1', RP: 'port', RW: PASSWORD },
    ],
    [
      'with the password of REDIS_PASSWORD',
      () => ({ ...settings(), redis_password: undefined }),
      { REDIS_PASSWORD: PASSWORD, REDIS_URL: 'redis://nowhere:1' },
    ],
    ['as a user of cache_kwargs', () => ({ ...settings(), cache_kwargs: { username: 'router' } }), {}],
  ])('is configured %s', async (_, given, variables) => {
    const env = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value === 'port' ? String(redis.port) : value]));
    const { router } = open({ configPath: written({ router_settings: given(), environment_variables: env }) });
    await until(() => router.health().sharedState === 'redis' && router.health().status === 'ok');
  });

  it('is also read from the option routerSettings', async () => {
    const { router } = open({ modelList: MODELS.model_list, routerSettings: { ...settings() } });
    await until(() => router.health().status === 'ok' && router.health().sharedState === 'redis');
  });

  it('keeps a wrong password out of health reports and logs', async () => {
    const { router } = open({ configPath: written({ router_settings: { ...settings(), redis_password: 'sk-wrong' } }) });
    await until(() => router.metrics().some(({ name, value }) => name === 'router_shared_state_failures_total' && value > 2));
    expect(router.health()).toMatchObject({ status: 'degraded', sharedState: 'redis' });
    expect(inspect(router.health())).not.toContain('sk-wrong');
    expect(lines.join('\n')).not.toContain('sk-wrong');
  });
});

describe('the settings of Redis in router_settings', () => {
  const resolve = (settings: object, env: Readonly<Record<string, string>> = {}) =>
    resolveRouterOptions({ configPath: written({ router_settings: settings }) }, env);

  it('have no effect without host and port, as in LiteLLM, and log that', () => {
    for (const given of [
      { redis_host: 'h' },
      { redis_port: 6379 },
      { redis_password: 'sk-secret' },
      { redis_host: 'os.environ/NONE', redis_port: 1 },
    ]) {
      const { sharedState, warnings } = resolve(given);
      expect(sharedState).toBeUndefined();
      expect(warnings.join()).toMatch(
        /router_settings: these settings have no effect here unless redis_url, or redis_host and redis_port, are set: redis_/,
      );
      expect(warnings.join()).not.toContain('sk-secret');
    }
    expect(resolve({}, { REDIS_HOST: 'h', REDIS_PORT: '1', REDIS_URL: 'redis://h' })).toMatchObject({
      sharedState: undefined,
      warnings: [],
    });
  });

  it('are overridden by sharedState of the options', () => {
    const own = { start: () => {}, health: () => ({}), close: () => Promise.resolve() };
    const configPath = written({ router_settings: { redis_host: 'h', redis_port: 1 } });
    expect(resolveRouterOptions({ configPath, sharedState: own }, {}).sharedState).toBe(own);
  });

  it.each<[object, string]>([
    [{ redis_url: 'sk-secret' }, 'redis_url: must be a redis:// or rediss:// URL'],
    [{ redis_url: 7 }, 'redis_url: must be a non-empty string'],
    [{ redis_host: 'sk-secret/x', redis_port: 1 }, 'redis_host: must be a host name or an IP address'],
    [{ redis_host: 'redis://sk-secret', redis_port: 1 }, 'redis_host: must be a host name or an IP address'],
    [{ redis_host: 'sk-secret@h', redis_port: 1 }, 'redis_host: must be a host name or an IP address'],
    [{ redis_host: ['sk-secret'], redis_port: 1 }, 'redis_host: must be a string'],
    [{ redis_host: 'h', redis_port: 'sk-secret' }, 'redis_port: must be an integer from 0 to 65535'],
    [{ redis_host: 'h', redis_port: 70_000 }, 'redis_port: must be an integer from 0 to 65535'],
    [{ redis_host: 'h', redis_port: 1, redis_db: 'sk-secret' }, 'redis_db: must be an integer'],
    [{ redis_host: 'h', redis_port: 1, redis_password: ['sk-secret'] }, 'redis_password: must be a string'],
    [{ redis_host: 'h', redis_port: 1, cache_kwargs: 'sk-secret' }, 'cache_kwargs: must be an object'],
  ])('are rejected without being quoted: %j', (settings, message) => {
    let thrown: unknown;
    try {
      resolve(settings);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidConfigurationError);
    expect((thrown as Error).message).toContain(message);
    expect(inspect(thrown)).not.toContain('sk-secret');
  });

  it('throw an error that names ioredis if it is not installed', () => {
    jest.isolateModules(() => {
      jest.doMock('ioredis', () => {
        throw Object.assign(new Error("Cannot find module 'ioredis'"), { code: 'MODULE_NOT_FOUND' });
      });
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- anew, without ioredis
      const fresh = require('nestjs-fast-litellm') as { readonly FastLiteLLM: typeof FastLiteLLM };
      const configPath = written({ router_settings: { redis_host: 'h', redis_port: 1 } });
      const start = () => new fresh.FastLiteLLM({ router: { configPath }, logger: { log: () => {}, warn: () => {}, error: () => {} } });
      expect(start).toThrow('the shared state of the router requires ioredis, which is not installed: npm install ioredis');
      jest.dontMock('ioredis');
    });
  });
});
