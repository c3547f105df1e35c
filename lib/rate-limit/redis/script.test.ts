import fc from 'fast-check';
import { Redis } from 'ioredis';
import { histories } from '../../../test/support/long.js';
import { fractionalHistories, judgeFractions } from '../../../test/support/rate-limit-fractions.js';
import { randomHistories } from '../../../test/support/rate-limit-history.js';
import { judge } from '../../../test/support/rate-limit-replay.js';
import { ShadowedEngine, TIMELESS_SCRIPT } from '../../../test/support/rate-limit-shadow.js';
import { answersTo, vectors } from '../../../test/support/rate-limit-vectors.js';
import { hasRedis, RedisServer } from '../../../test/support/redis-server.js';

const LONG_MS = 3_600_000;

(hasRedis ? describe : describe.skip)('the script in Redis', () => {
  let server: RedisServer;
  let client: Redis;

  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
    await client.script('LOAD', TIMELESS_SCRIPT);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  it.each(vectors.cases.map((vector) => [vector.name, vector] as const))('answers as the engine in memory: %s', async (_, vector) => {
    const engine = new ShadowedEngine();
    const answers = answersTo(engine, vector);
    expect(answers.map(({ answer }) => answer)).toEqual(answers.map(({ expected }) => expected));
    await engine.compare(client);
  });

  it(
    'answers random histories as the engine in memory, and as an exact log allows',
    async () => {
      // Never back: Redis does not note the time of a refusal, so it would know less of it than the
      // engines.
      const answered = fc.asyncProperty(randomHistories({ clockRunsBack: false }), async (history) => {
        const engine = new ShadowedEngine();
        judge(engine, history);
        await engine.compare(client);
      });
      await fc.assert(answered, { numRuns: histories(100) });
    },
    LONG_MS,
  );

  it(
    'answers between the milliseconds as the engine in memory',
    async () => {
      const answered = fc.asyncProperty(fractionalHistories, async (history) => {
        const engine = new ShadowedEngine();
        judgeFractions(engine, history);
        await engine.compare(client);
      });
      await fc.assert(answered, { numRuns: histories(100) });
    },
    LONG_MS,
  );
});
