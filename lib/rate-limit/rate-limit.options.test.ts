import { InvalidConfigurationError } from '../common/errors.js';
import { resolveRateLimitOptions, type RateLimitOptions } from './rate-limit.options.js';

const limits = (options?: RateLimitOptions, settings?: { requestsPerMinute?: number; burst?: number }) =>
  resolveRateLimitOptions(options, settings).limit.limits;

describe('rate limit options', () => {
  it("default to fast-litellm's", () => {
    expect(resolveRateLimitOptions()).toMatchObject({ maxKeys: 250_000, sharedAs: null, headers: true, store: undefined });
    expect(limits()).toEqual({ requestsPerSecond: 10, burst: 20, requestsPerMinute: 600, requestsPerHour: 10_000 });
  });

  it('drop the defaults when a limit is set, also by the environment', () => {
    expect(limits({ requestsPerMinute: 6000 })).toEqual({ requestsPerMinute: 6000 });
    expect(limits({}, { requestsPerMinute: 6000 })).toEqual({ requestsPerMinute: 6000 });
    expect(limits({ requestsPerMinute: 60, requestsPerDay: 9 }, { requestsPerMinute: 120 })).toEqual({
      requestsPerMinute: 120,
      requestsPerDay: 9,
    });
    expect(limits({}, { burst: 50 })).toMatchObject({ requestsPerSecond: 10, burst: 50 });
  });

  it('fill in the bucket', () => {
    expect(limits({ requestsPerSecond: 2.5 })).toEqual({ requestsPerSecond: 2.5, burst: 3 });
    expect(limits({ requestsPerSecond: 0.1 })).toEqual({ requestsPerSecond: 0.1, burst: 1 });
    expect(limits({ requestsPerSecond: 0 })).toEqual({ requestsPerSecond: 0, burst: 0 });
    expect(limits({ requestsPerMinute: 90, burst: 7 })).toEqual({ requestsPerMinute: 90, requestsPerSecond: 1.5, burst: 7 });
  });

  it('accept 0, 1 and 2^31', () => {
    for (const requestsPerMinute of [0, 1, 2 ** 31]) expect(limits({ requestsPerMinute })).toEqual({ requestsPerMinute });
  });

  it.each<[string, object]>([
    ['rateLimit.requestsPerMinute: must be an integer from 0 to 2147483648, got -1', { requestsPerMinute: -1 }],
    ['rateLimit.requestsPerMinute: must be an integer from 0 to 2147483648, got 1.5', { requestsPerMinute: 1.5 }],
    ['rateLimit.requestsPerDay: must be an integer from 0 to 2147483648, got 2147483649', { requestsPerDay: 2 ** 31 + 1 }],
    ['rateLimit.requestsPerSecond: must be a number from 0 to 2147483648, got NaN', { requestsPerSecond: NaN }],
    ['rateLimit.request_per_minute: is not a known option (did you mean requestsPerMinute?)', { request_per_minute: 1 }],
    ['rateLimit.burst: requires requestsPerSecond or requestsPerMinute, got 5', { burst: 5 }],
    ['rateLimit.windowMs: requires requestsPerWindow', { windowMs: 5 }],
    ['rateLimit.requestsPerWindow: requires windowMs', { requestsPerWindow: 5 }],
    ['rateLimit.windowMs: must be an integer from 1 to 2592000000, got 0', { requestsPerWindow: 5, windowMs: 0 }],
    ['rateLimit.limits.chat: must set at least one limit', { limits: { chat: {} } }],
    ['rateLimit.limits.chat.burst: ', { limits: { chat: { burst: 1 } } }],
    [
      'rateLimit.limits.default: must have a different name, because the limits in the options use this name',
      { limits: { default: { burst: 1 } } },
    ],
    ['rateLimit.limits.a b: must have 1 to 128', { limits: { 'a b': { requestsPerMinute: 1 } } }],
    ['rateLimit.maxKeys: must be a positive integer, got 0', { maxKeys: 0 }],
    ['rateLimit.sharedAs: must be a non-empty string', { sharedAs: '' }],
    ['rateLimit.headers: must be true or false', { headers: 'yes' }],
    ['rateLimit.store.check: must be a function', { store: {} }],
    ['rateLimit.store: must be an object', { store: 'redis' }],
  ])('are rejected at boot: %s', (message, options) => {
    expect(() => resolveRateLimitOptions(options)).toThrow(InvalidConfigurationError);
    expect(() => resolveRateLimitOptions(options)).toThrow(message);
  });
});
