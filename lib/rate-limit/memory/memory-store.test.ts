import type { EngineName } from '../../common/capability.js';
import { SwitchingEngine } from '../../engine/switching-engine.js';
import type { FeatureState } from '../../feature-flags/feature-flags.options.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { resolveRateLimitOptions, type RateLimitOptions } from '../rate-limit.options.js';
import { RateLimiterService } from '../rate-limit.service.js';
import { TypeScriptRateLimitEngine } from '../engine/typescript.js';

/** Stands for a native engine that may fail. */
class FailingNativeEngine extends TypeScriptRateLimitEngine {
  override readonly engine: EngineName = 'native';
  fails = false;

  override check(...args: Parameters<TypeScriptRateLimitEngine['check']>): number {
    return this.orFail(() => super.check(...args));
  }

  override release(...args: Parameters<TypeScriptRateLimitEngine['release']>): void {
    this.orFail(() => super.release(...args));
  }

  private orFail<R>(work: () => R): R {
    if (this.fails) throw new Error('out of order');
    return work();
  }
}

const limiters: RateLimiterService[] = [];
afterEach(() => Promise.all(limiters.splice(0).map((limiter) => limiter.close())));

function setUp(limits: RateLimitOptions, state: FeatureState = 'enabled') {
  const silent = { log() {}, warn() {}, error() {} };
  const flags = new FeatureFlagsService({ errorThreshold: 1, features: { rust_rate_limiting: state } }, { env: {}, logger: silent });
  const native = new FailingNativeEngine();
  const choice = new SwitchingEngine('rust_rate_limiting', native, new TypeScriptRateLimitEngine(), 'a test', flags);
  const limiter = new RateLimiterService(choice, resolveRateLimitOptions(limits), () => 1_000_000);
  limiters.push(limiter);
  const trip = (): void => {
    native.fails = true;
    limiter.check('another key');
    expect(choice.impaired).toBe(true);
  };
  const mend = (): void => {
    native.fails = false;
    flags.resetErrors('rust_rate_limiting');
    expect(choice.impaired).toBe(false);
  };
  return { native, limiter, trip, mend };
}

describe('what was taken before the native engine tripped', () => {
  it('is given back to it, and frees nothing that was taken since', () => {
    const { native, limiter, trip, mend } = setUp({ maxConcurrent: 1 });
    const before = limiter.reserve('k');
    expect(limiter.reserve('k').allowed).toBe(false);
    trip();
    const since = limiter.reserve('k');
    expect(since.allowed).toBe(true);
    native.fails = false;
    limiter.release(before);
    expect(limiter.reserve('k').allowed).toBe(false);
    mend();
    const after = limiter.reserve('k');
    expect(after.allowed).toBe(true);
    limiter.release(since);
    expect(limiter.reserve('k').allowed).toBe(false);
  });

  it('frees nothing elsewhere if the native engine fails at that, too', () => {
    const { limiter, trip } = setUp({ maxConcurrent: 1 });
    const before = limiter.reserve('k');
    trip();
    expect(limiter.reserve('k').allowed).toBe(true);
    limiter.release(before);
    expect(limiter.reserve('k').allowed).toBe(false);
  });

  it('is corrected there, and nowhere else', () => {
    const { native, limiter, trip, mend } = setUp({ tokensPerMinute: 100 });
    const before = limiter.reserve('k', { tokens: 80 });
    trip();
    native.fails = false;
    expect(limiter.reserve('k', { tokens: 80 }).allowed).toBe(true);
    limiter.settle(before, 10);
    expect(limiter.peek('k').remainingTokens).toBe(20);
    mend();
    expect(limiter.peek('k').remainingTokens).toBe(90);
  });
});

describe('a decision that the native engine fails at', () => {
  it.each([
    ['check', (limiter: RateLimiterService, key: string) => limiter.check(key).allowed],
    ['isAllowed', (limiter: RateLimiterService, key: string) => limiter.isAllowed(key)],
    ['reserve', (limiter: RateLimiterService, key: string) => limiter.reserve([key]).allowed],
  ])('is made by TypeScript, and counted once: %s', (_, ask) => {
    const { native, limiter } = setUp({ requestsPerMinute: 1 });
    native.fails = true;
    expect([ask(limiter, 'k'), ask(limiter, 'k')]).toEqual([true, false]);
    expect(limiter.getStats()).toMatchObject({ totalChecks: 2, allowedCount: 1, deniedCount: 1 });
  });
});

describe('places of a request over keys of both engines', () => {
  it('are given back where they were taken', () => {
    const { limiter } = setUp({ maxConcurrent: 1 }, 'canary:50');
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    const held = limiter.reserve(keys);
    expect(held.allowed).toBe(true);
    expect(keys.map((key) => limiter.peek(key).allowed)).toEqual(keys.map(() => false));
    limiter.release(held);
    expect(keys.map((key) => limiter.peek(key).allowed)).toEqual(keys.map(() => true));
  });

  it('of a shadow as well', () => {
    const { native, limiter } = setUp({ maxConcurrent: 1 }, 'shadow');
    const held = limiter.reserve('k');
    expect(limiter.peek('k').allowed).toBe(false);
    const released = jest.spyOn(native, 'release');
    limiter.release(held);
    expect(released).toHaveBeenCalledTimes(1);
    expect(limiter.peek('k').allowed).toBe(true);
  });
});

describe('a key that is reset while requests of it are under way', () => {
  it('gives its places to those who come, and to none twice', () => {
    const { limiter } = setUp({ maxConcurrent: 1 });
    const before = limiter.reserve('k');
    limiter.reset('k');
    const since = limiter.reserve('k');
    expect(since.allowed).toBe(true);
    limiter.release(before);
    expect(limiter.reserve('k').allowed).toBe(false);
    limiter.release(since);
    expect(limiter.reserve('k').allowed).toBe(true);
  });
});
