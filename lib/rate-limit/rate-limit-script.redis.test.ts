import fc from 'fast-check';
import { Redis } from 'ioredis';
import { policySpecs, replay, type History, type Step } from '../../test/rate-limit-history.js';
import { ShadowedEngine, TIMELESS_SCRIPT } from '../../test/rate-limit-shadow.js';
import { answersTo, vectors } from '../../test/rate-limit-vectors.js';
import { hasRedis, RedisServer } from '../../test/redis-server.js';
import type { PolicySpec } from './rate-limit.engine.js';

/** `LONG=1` replays as many random histories as the contract asks for. */
const HISTORIES = process.env.LONG ? 100_000 : 300;

const policy: fc.Arbitrary<PolicySpec> = policySpecs
  .filter((spec) => Object.keys(spec).some((name) => name !== 'burst' && name !== 'windowMs'))
  .map((spec) => ({ ...spec, scope: JSON.stringify(spec) }));
const which = { policy: fc.nat({ max: 2 }), key: fc.constantFrom('a', 'b', '') };
const amounts = { cost: fc.constantFrom(1, 1, 1, 1, 0, 2, 5, 30), tokens: fc.constantFrom(0, 1, 10, 50, 400) };
const scopes = fc.array(fc.tuple(which.policy, which.key), { minLength: 1, maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ call: fc.constant('check' as const), ...which, ...amounts }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('peek' as const), ...which, ...amounts }) },
  { weight: 5, arbitrary: fc.record({ call: fc.constant('checkAll' as const), scopes, ...amounts }) },
  { weight: 6, arbitrary: fc.record({ call: fc.constant('settle' as const), taking: fc.nat(), actual: amounts.tokens }) },
  { weight: 8, arbitrary: fc.record({ call: fc.constant('release' as const), ...which }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('reset' as const), ...which }) },
);
// Never back: Redis does not note the time of a refusal, so it would know less of it than the engines.
const advance = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 10, 100, 500, 999, 1000, 1001) },
  { weight: 2, arbitrary: fc.nat({ max: 20_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(59_999, 60_000, 60_001, 61_000, 3_600_000, 86_400_000) },
);
const history: fc.Arbitrary<History> = fc.record({
  policies: fc.array(policy, { minLength: 3, maxLength: 3 }),
  steps: fc.array(fc.tuple(advance, step), { minLength: 1, maxLength: 120, size: 'max' }),
});

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

  it('answers random histories as the engine in memory, and as an exact log allows', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (given) => {
        const engine = new ShadowedEngine();
        replay(engine, given);
        await engine.compare(client);
      }),
      { numRuns: HISTORIES },
    );
  }, 3_600_000);
});
