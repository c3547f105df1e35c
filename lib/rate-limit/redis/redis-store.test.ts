import { Cluster, Redis } from 'ioredis';
import { engineNames } from '../../../test/support/engine-names.js';
import { InvalidConfigurationError, MissingPackageError } from '../../common/errors.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { openRedisClient } from '../../common/redis/client.js';
import { RedisKeys } from './keys.js';
import { compileLimit } from '../limits.js';
import { resolveRedisOptions, type RedisRateLimitStoreOptions } from './options.js';
import { redisRateLimitStore } from './redis-store.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const url = 'redis://127.0.0.1:1';
const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
const client = new Redis({ lazyConnect: true });

describe('the options of the Redis store', () => {
  it('have defaults for all but who is asked and what an outage means', () => {
    expect(resolveRedisOptions({ url, onStoreError: 'deny' })).toEqual({
      url,
      client: undefined,
      onStoreError: 'deny',
      prefix: 'fast-litellm:',
      timeoutMs: 250,
      oneSlot: false,
      onDataLoss: 'forget',
      slotTtlMs: 60_000,
    });
  });

  it.each([
    [{ onStoreError: 'deny' }, 'redis: must have either a url or a client'],
    [{ url, client, onStoreError: 'deny' }, 'redis: must have either a url or a client'],
    [{ url }, 'redis.onStoreError: must be one of deny, allow, local, got undefined'],
    [{ url, onStoreError: 'alow' }, 'redis.onStoreError: must be one of deny, allow, local (did you mean allow?), got "alow"'],
    [{ url: 'http://a:secret@b', onStoreError: 'deny' }, 'redis.url: must be a redis:// or rediss:// URL, got a string of 17 characters'],
    [{ client: {}, onStoreError: 'deny' }, 'redis.client: must be an ioredis client, got an object (Object)'],
    [{ url, onStoreError: 'deny', timeoutMs: 0 }, 'redis.timeoutMs: must be an integer from 1 to 60000, got 0'],
    [
      { url, onStoreError: 'deny', prefix: 'a{b}' },
      'redis.prefix: must not contain { or }, which mark the hash slot in a Cluster, got "a{b}"',
    ],
    [{ url, onStoreError: 'deny', timeOutMs: 5 }, 'redis.timeOutMs: is not a known option (did you mean timeoutMs?), got 5'],
    [
      { client: cluster, onStoreError: 'deny', onDataLoss: 'refuse' },
      'redis.onDataLoss: requires oneSlot in a Cluster, because all keys share one data loss marker, got "refuse"',
    ],
  ])('are refused with their path (%#)', (options, message) => {
    const make = (): unknown => redisRateLimitStore(options as RedisRateLimitStoreOptions);
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(expect.objectContaining({ message }));
  });

  it('say that a url needs ioredis, where that is not installed', () => {
    jest.isolateModules(() => {
      jest.doMock('ioredis', () => {
        throw Object.assign(new Error("Cannot find module 'ioredis'"), { code: 'MODULE_NOT_FOUND' });
      });
      expect(() => openRedisClient(url, { purpose: 'a test', connectionName: 'test', timeoutMs: 250 })).toThrow(MissingPackageError);
      jest.dontMock('ioredis');
    });
  });
});

describe('a Redis that is away, onStoreError local', () => {
  it.each(engineNames())('a key is reset, and its places are given back, where they were taken: on the %s engine', async (engine) => {
    const store = redisRateLimitStore({ url, onStoreError: 'local' });
    const rateLimit = {
      requestsPerMinute: 2,
      limits: { one: { maxConcurrent: 1 }, call: { tokensPerMinute: 10, maxConcurrent: 1 } },
      store,
    };
    const llm = new FastLiteLLM({ logger, engine, rateLimit });
    const { rateLimiter } = llm;
    const ask = async (limit?: string) => (await rateLimiter.checkAsync('k', { limit })).allowed;
    expect([await ask(), await ask(), await ask()]).toEqual([true, true, false]);
    await rateLimiter.resetAsync('k');
    expect(await ask()).toBe(true);
    expect([await ask('one'), await ask('one')]).toEqual([true, false]);
    await rateLimiter.releaseAsync('k', { limit: 'one' });
    await rateLimiter.releaseAsync('k', { limit: 'one' });
    expect([await ask('one'), await ask('one')]).toEqual([true, false]);
    // By their reservation, too.
    const held = await rateLimiter.reserveAsync('r', { limit: 'call', tokens: 10 });
    expect(await rateLimiter.reserveAsync('r', { limit: 'call' })).toMatchObject({
      allowed: false,
      exceeded: 'concurrency',
      outage: 'local',
    });
    await rateLimiter.settleAsync(held, 4);
    expect(await rateLimiter.reserveAsync('r', { limit: 'call' })).toMatchObject({ allowed: true, remainingTokens: 6 });
    await llm.close();
  });
});

describe('the names of keys', () => {
  const limit = compileLimit('chat', { requestsPerMinute: 1 }, 'limit');
  const running = compileLimit('chat:gpt', { maxConcurrent: 1 }, 'limit');

  it('can be read where they are plain, and carry the hash tag of their slot', () => {
    const keys = new RedisKeys('app:', false);
    expect(keys.scope({ limit, key: 'user:1@x.y' })).toMatchObject({
      stateKey: 'app:{chat/user:1@x.y}/m',
      slotsKey: '',
      tag: 'chat/user:1@x.y',
    });
    expect(keys.scope({ limit: running, key: 'k' })).toMatchObject({ slotsKey: 'app:{chat:gpt/k}/c/running' });
    expect(new RedisKeys('app:', true).scope({ limit, key: 'k' })).toMatchObject({ stateKey: 'app:{all}chat/k/m', tag: 'all' });
  });

  it.each([
    [{ tokensPerMinute: 1 }, 'm'],
    [{ tokensPerMinute: 1, requestsPerMinute: 1 }, 'm'],
    [{ tokensPerMinute: 1, requestsPerHour: 1 }, 'mh'],
    [{ requestsPerWindow: 1, windowMs: 1_500 }, 'w1500'],
    [{ requestsPerSecond: 1, requestsPerMinute: 1, requestsPerHour: 1, requestsPerDay: 1, maxConcurrent: 1 }, 'bmhdc'],
  ])('say what kinds of limits they are of: %j', (limits, kinds) => {
    const scope = { limit: compileLimit('a', limits, ''), key: 'k' };
    expect(new RedisKeys('', false).scope(scope).stateKey).toBe(`{a/k}/${kinds}`);
  });

  it('are told apart, whatever the key', () => {
    const keys = new RedisKeys('app:', false);
    const strange = ['', ' ', '/', '{a}', 'a\nb', '\ud800', '\udc00', '\u00e4', 'a\u0308', 'x'.repeat(97), 'x'.repeat(98), '~', '*'];
    const names = strange.map((key) => keys.scope({ limit, key }).stateKey);
    expect(new Set(names).size).toBe(strange.length);
    for (const name of names) expect(name).toMatch(/^app:\{chat\/~[\w-]{43}\}\/m$/);
  });
});
