import { Redis } from 'ioredis';
import { openRedisClient } from '../../common/redis/client.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { redisRateLimitStore } from '../../rate-limit/redis/redis-store.js';
import { hasRedis, RedisServer } from '../../../test/support/redis-server.js';
import { until } from '../../../test/support/until.js';
import { ContentSample } from './content-class.js';
import { SharedEstimates } from './shared-estimates.js';
import { TokenEstimates, type PromptMeasurement } from './token-estimates.js';

const prefix = 'test:';
const key = `${prefix}{estimates}/1/hidden`;

function measured(tokens = 1000, model = 'hidden'): PromptMeasurement {
  const sample = new ContentSample();
  sample.add('word '.repeat(tokens));
  return { model, contentClass: sample.contentClass, tokens, features: sample.features(tokens) };
}

(hasRedis ? describe : describe.skip)('estimates over Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  const open: SharedEstimates[] = [];
  beforeAll(async () => {
    server = await RedisServer.start();
    redis = new Redis(server.url);
    redis.setMaxListeners(50);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close()));
    await redis.flushall();
  });
  afterAll(async () => {
    redis.disconnect();
    await server?.stop();
  });

  function start(client = redis, timeoutMs = 1000): { estimates: TokenEstimates; shared: SharedEstimates } {
    const estimates = new TokenEstimates();
    const shared = new SharedEstimates(estimates, { client, prefix, timeoutMs });
    open.push(shared);
    return { estimates, shared };
  }
  const learn = (estimates: TokenEstimates, ratio: number, reports: number): void => {
    for (let i = 0; i < reports; i++) estimates.observe(measured(), Math.round(1000 * ratio * (1 + ((i % 5) - 2) / 100)));
  };
  const expectedOf = (estimates: TokenEstimates): number => estimates.factors(measured()).expected;
  const valueOf = (shared: SharedEstimates, name: string): number | undefined =>
    shared.metrics().find((metric) => metric.name === `token_estimates_shared_${name}`)?.value;

  it('share the reports of each process with the others', async () => {
    const [first, second, third] = [start(), start(), start()];
    learn(first.estimates, 1.5, 12);
    learn(second.estimates, 1.5, 12);
    await first.shared.exchange();
    await second.shared.exchange();
    expectedOf(third.estimates);
    await third.shared.exchange();
    const { expected, bound } = third.estimates.factors(measured());
    expect(expected).toBeCloseTo(1.5, 1);
    expect(bound / expected).toBeLessThan(1.2);
    // What comes from others is not told as news.
    await third.shared.exchange();
    expect(await redis.hlen(key)).toBe(2);
    expect(third.estimates.summaryOf('hidden')).toBeUndefined();
  });

  it('reach a process by themselves when a model is new to it', async () => {
    const [first, second] = [start(), start()];
    learn(first.estimates, 1.5, 30);
    await first.shared.exchange();
    expect(expectedOf(second.estimates)).toBe(1);
    await until(() => Math.abs(expectedOf(second.estimates) - 1.5) < 0.05);
  });

  it('are bounded, forgotten after a day, and rid of what is too old', async () => {
    await redis.hset(key, 'silent', `${Date.now() - 90_000_000}|{}`, 'broken', 'x');
    const [reader] = [start()];
    for (let i = 0; i < 20; i++) {
      const { estimates, shared } = start();
      learn(estimates, 1.5, 3);
      await shared.exchange();
    }
    expect(await redis.hlen(key)).toBe(16);
    expect(await redis.hmget(key, 'silent', 'broken')).toEqual([null, null]);
    expect(await redis.pttl(key)).toBeGreaterThan(86_000_000);
    expectedOf(reader.estimates);
    await reader.shared.exchange();
    expect(expectedOf(reader.estimates)).toBeCloseTo(1.5, 1);
  });

  it('resist a process that sends false or malformed reports', async () => {
    const liar = start();
    learn(liar.estimates, 4, 1000);
    await liar.shared.exchange();
    await redis.hset(key, 'broken', `${Date.now()}|{"text":{"evidence":[1e9,[],[]]}}`, 'cut', `${Date.now()}|{"text`);
    const honest = [start(), start(), start()];
    for (const { estimates, shared } of honest) {
      learn(estimates, 1.5, 12);
      await shared.exchange();
    }
    for (const { estimates, shared } of honest) {
      await shared.exchange();
      expect(expectedOf(estimates)).toBeCloseTo(1.5, 1);
    }
    const young = start();
    expectedOf(young.estimates);
    await young.shared.exchange();
    expect(expectedOf(young.estimates)).toBeCloseTo(1.5, 1);
  });

  it('stay finite where values are written whose sum has no number', async () => {
    const squares = Array.from({ length: 14 }, (_, row) =>
      Array.from({ length: row + 1 }, (__, at) => (row === 0 ? 1 : at === row ? 1e308 : at && 9e307)),
    );
    // Large ones fail in the sum; those below in the digits that a sum has.
    for (const scale of [1, 1e-60, 1e-290, 1e-300]) {
      const evidence = [30, squares.flat().map((square, at) => (at === 0 ? 1 : square * scale)), Array<number>(14).fill(0)];
      const forged = `${Date.now()}|${JSON.stringify({ text: { published: 1, evidence, variance: 0.01 } })}`;
      const { estimates, shared } = start();
      expectedOf(estimates);
      await redis.hset(key, 'one', forged, 'two', forged, 'three', forged);
      await shared.exchange();
      const { expected, bound } = estimates.factors(measured());
      expect([scale, expected > 0.9 && expected < 5, bound >= expected && bound < 5]).toEqual([scale, true, true]);
    }
  });

  it('are shared for other models where the key of one has another type', async () => {
    const [first, second] = [start(), start()];
    await redis.set(key, 'x'.repeat(1_000_000));
    for (const model of ['hidden', 'other']) {
      for (let i = 0; i < 12; i++) first.estimates.observe(measured(1000, model), 1500);
      second.estimates.factors(measured(1000, model));
    }
    await first.shared.exchange();
    await second.shared.exchange();
    for (const model of ['hidden', 'other']) expect(second.estimates.factors(measured(1000, model)).expected).toBeCloseTo(1.5, 1);
  });

  it('drop values that no process can have written', async () => {
    const { estimates, shared } = start();
    expectedOf(estimates);
    await redis.hset(
      key,
      'long',
      `${Date.now()}|"${'x'.repeat(5_000_000)}"`,
      'ahead',
      `${'9'.repeat(400)}|{}`,
      'x'.repeat(200_000),
      `${Date.now()}|{}`,
    );
    await shared.exchange();
    expect(valueOf(shared, 'up')).toBe(1);
    expect(await redis.hlen(key)).toBe(0);
  });

  it('are learned alone while Redis is unavailable, and shared when it is back', async () => {
    const client = openRedisClient(server.url, { purpose: 'a test', connectionName: 'test', timeoutMs: 100 }) as unknown as Redis;
    const { estimates, shared } = start(client, 100);
    learn(estimates, 1.5, 12);
    await server.kill();
    for (let i = 0; i < 5; i++) await shared.exchange();
    expect(expectedOf(estimates)).toBeCloseTo(1.5, 1);
    expect([valueOf(shared, 'up'), valueOf(shared, 'exchanges_total'), valueOf(shared, 'failures_total')]).toEqual([0, 0, 5]);
    await server.start();
    await until(async () => {
      await shared.exchange();
      return valueOf(shared, 'up') === 1;
    });
    await shared.close();
    client.disconnect();
    const other = start();
    await until(async () => {
      const expected = expectedOf(other.estimates);
      await other.shared.exchange();
      return Math.abs(expected - 1.5) < 0.05;
    });
  });

  it("use the limiter's connection, and are written before it closes", async () => {
    const openApp = (): FastLiteLLM =>
      new FastLiteLLM(
        {
          engine: 'typescript',
          logger: { log: () => {}, warn: () => {}, error: () => {} },
          rateLimit: { requestsPerMinute: 10, store: redisRateLimitStore({ url: server.url, prefix, onStoreError: 'local' }) },
        },
        { env: {} },
      );
    const body = () => ({ model: 'hidden', messages: [{ role: 'user', content: 'Some words of a prompt that goes on. '.repeat(20) }] });
    const first = openApp();
    for (let i = 0; i < 25; i++) {
      const asked = body();
      first.tokenCounter.countRequest(asked);
      first.tokenCounter.reportPromptTokens(asked, 333);
    }
    await first.close();
    const second = openApp();
    try {
      await until(() => Math.abs(second.tokenCounter.countRequest(body()).promptTokens - 333) <= 5);
      expect(second.tokenCounter.metrics().find(({ name }) => name === 'token_estimates_shared_up')?.value).toBe(1);
    } finally {
      await second.close();
    }
  });
});
