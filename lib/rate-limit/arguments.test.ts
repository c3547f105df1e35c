import { rateLimitEngines } from '../../test/support/rate-limit-engines.js';
import { InvalidArgumentError } from '../common/errors.js';
import { FastLiteLLM } from '../fast-litellm.js';
import type { RateLimiterService } from './rate-limit.service.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };

describe('arguments of the rate limiter', () => {
  let limits: RateLimiterService;
  beforeEach(() => {
    limits = new FastLiteLLM({ engine: 'typescript', logger, rateLimit: { requestsPerMinute: 3 } }, { env: {} }).rateLimiter;
  });

  it.each<[string, string, RegExp, (wrong: never) => unknown, unknown]>([
    ['settle', 'reservation', /got null$/, (wrong) => limits.settle(wrong, 0), null],
    ['release', 'held', /got undefined$/, (wrong) => limits.release(wrong), undefined],
    ['release of a key', 'options', /got null$/, (wrong) => limits.release('a', wrong), null],
    ['check', 'options', /got null$/, (wrong) => limits.check('a', wrong), null],
    ['check', 'options', /got 5$/, (wrong) => limits.check('a', wrong), 5],
    ['reserve', 'options', /got null$/, (wrong) => limits.reserve([{ key: 'a', limits: { requestsPerMinute: 1 } }], wrong), null],
    ['peek', 'options', /got null$/, (wrong) => limits.peek('a', wrong), null],
    ['reset', 'options', /got null$/, (wrong) => limits.reset('a', wrong), null],
    ['limitOf', 'options', /got null$/, (wrong) => limits.limitOf(wrong), null],
    ['getStats', 'keys', /got null$/, (wrong) => limits.getStats(wrong), null],
    ['getStats', 'keys[0]', /got 1$/, (wrong) => limits.getStats(wrong), [1]],
  ])('names the invalid argument: %s, %s', (_, path, message, call, wrong) => {
    const refused = expect(() => call(wrong as never));
    refused.toThrow(InvalidArgumentError);
    refused.toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path, message: expect.stringMatching(message) as string }));
  });

  it('rejects with the same error in methods that end in Async', async () => {
    const told = await Promise.allSettled([
      limits.settleAsync(null as never, 0),
      limits.releaseAsync(null as never),
      limits.checkAsync('a', null as never),
    ]);
    const reason = expect.objectContaining({ code: 'INVALID_ARGUMENT', name: 'InvalidArgumentError' }) as Error;
    expect(told).toEqual(told.map(() => ({ status: 'rejected', reason })));
  });
});

describe.each(rateLimitEngines().map(({ engine }) => engine))('an unbounded number of limit names, on the %s engine', (engine) => {
  it('is an error of the caller, not of the engine', async () => {
    const { rateLimiter } = new FastLiteLLM({ logger, engine, rateLimit: { requestsPerMinute: 1 } }, { env: {} });
    const limits = { requestsPerMinute: 1 };
    const refused = expect.objectContaining({ code: 'TOO_MANY_POLICIES', path: 'limit' }) as Error;
    const ask = (number: number): unknown => rateLimiter.check('a', { limit: `user:${number}`, limits });
    expect(() => Array.from({ length: 8193 }, (_, number) => ask(number))).toThrow(refused);
    // More often than a flag takes errors of an engine.
    for (let number = 9000; number < 9020; number++) expect(() => ask(number)).toThrow(refused);
    expect(await rateLimiter.health()).toMatchObject({ status: 'ok', engine });
    await rateLimiter.close();
    expect(ask(9000)).toMatchObject({ allowed: true });
    await rateLimiter.close();
  });
});
