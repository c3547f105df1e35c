import { engineNames } from '../../../test/support/engine-names.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { SimpleRateLimiter } from './simple-rate-limiter.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
let nowMs = 1_700_000_000_000;

describe.each(engineNames())('SimpleRateLimiter on the %s engine', (engine) => {
  const simple = (requestsPerMinute: number) =>
    new SimpleRateLimiter(
      requestsPerMinute,
      (rateLimit) => new FastLiteLLM({ logger, engine, rateLimit }, { env: {}, now: () => nowMs }).rateLimiter,
    );

  it('limits by bucket, minute and hour', () => {
    const limiter = simple(60);
    expect(limiter.getRemaining('a')).toBe(6);
    expect(Array.from({ length: 7 }, () => limiter.isAllowed('a'))).toEqual([true, true, true, true, true, true, false]);
    expect(limiter.check('a')).toMatchObject({ allowed: false, exceeded: 'second', retryAfterMs: 1000 });
    for (let second = 0; second < 54; second++) {
      nowMs += 1000;
      expect(limiter.isAllowed('a')).toBe(true);
    }
    expect(limiter.check('a').exceeded).toBe('minute');
    expect(limiter.getStats(['a'])).toMatchObject({ totalChecks: 63, allowedCount: 60, deniedCount: 3, keys: 1 });
  });

  it('has its own counters', () => {
    const [first, second] = [simple(1), simple(1)];
    expect([first.isAllowed('a'), first.isAllowed('a'), second.isAllowed('a')]).toEqual([true, false, true]);
    expect(() => simple(0)).toThrow(InvalidArgumentError);
    expect(simple(2 ** 31).isAllowed('a')).toBe(true);
  });
});
