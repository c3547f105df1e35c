import type { EngineName } from '../../common/capability.js';
import type { CallRecorder } from '../../common/recorder.js';
import { EngineChoice } from '../../engine/engine-choice.js';
import type { FeatureState } from '../../feature-flags/feature-flags.options.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { resolveRateLimitOptions, type RateLimitOptions } from '../rate-limit.options.js';
import { RateLimiterService } from '../rate-limit.service.js';
import { TypeScriptRateLimitEngine } from '../engine/typescript.js';

/** A native engine that fails on demand. */
class FailingNativeEngine extends TypeScriptRateLimitEngine {
  override readonly engine: EngineName = 'native';
  fails = false;

  override check(...args: Parameters<TypeScriptRateLimitEngine['check']>): number {
    return this.orFail(() => super.check(...args));
  }

  override checkAll(...args: Parameters<TypeScriptRateLimitEngine['checkAll']>): number {
    return this.orFail(() => super.checkAll(...args));
  }

  override peek(...args: Parameters<TypeScriptRateLimitEngine['peek']>): number {
    return this.orFail(() => super.peek(...args));
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

function setUp(limits: RateLimitOptions, state: FeatureState = 'enabled', recorder?: CallRecorder) {
  const silent = { log() {}, warn() {}, error() {} };
  const flags = new FeatureFlagsService({ errorThreshold: 1, features: { rust_rate_limiting: state } }, { env: {}, logger: silent });
  const native = new FailingNativeEngine();
  const choice = new EngineChoice('rust_rate_limiting', { native, typescript: new TypeScriptRateLimitEngine(), reason: 'a test' }, flags);
  const another = (): RateLimiterService => {
    const limiter = new RateLimiterService(choice, resolveRateLimitOptions(limits), () => 1_000_000, recorder);
    limiters.push(limiter);
    return limiter;
  };
  const limiter = another();
  const trip = (): void => {
    native.fails = true;
    for (let key = 0; !choice.impaired; key++) limiter.check(`another ${key}`);
  };
  return { native, limiter, trip, another };
}

describe('a decision at which the native engine fails', () => {
  it.each([
    ['check', (limiter: RateLimiterService, key: string) => limiter.check(key)],
    ['peek', (limiter: RateLimiterService, key: string) => limiter.peek(key)],
    ['reserve', (limiter: RateLimiterService, key: string) => limiter.reserve([key, 'another'])],
  ])('is a denial, because only that engine knows what the key has taken: %s', (_, ask) => {
    const { native, limiter } = setUp({ requestsPerMinute: 5 });
    native.fails = true;
    expect(ask(limiter, 'k')).toMatchObject({ allowed: false, outage: 'deny', retryAfterMs: 1000, exceeded: undefined });
    native.fails = false;
    expect(ask(limiter, 'k')).toMatchObject({ allowed: true, outage: undefined });
  });

  it('is counted as a denial', () => {
    const { native, limiter } = setUp({ requestsPerMinute: 1 });
    native.fails = true;
    limiter.check('k');
    expect(limiter.getStats()).toMatchObject({ totalChecks: 1, allowedCount: 0, deniedCount: 1 });
  });
});

describe('a native engine that errors have switched off', () => {
  it('keeps the keys of a running limiter, so that none gets its limit twice', () => {
    const { native, limiter, trip } = setUp({ requestsPerMinute: 2, maxConcurrent: 1 });
    const first = limiter.reserve('k');
    trip();
    native.fails = false;
    expect(limiter.reserve('k')).toMatchObject({ allowed: false, exceeded: 'concurrency' });
    limiter.release(first);
    expect([limiter.reserve('k').allowed, limiter.check('k').exceeded]).toEqual([true, 'minute']);
    expect(limiter.health()).toMatchObject({ status: 'degraded', engine: 'native' });
  });

  it('corrects tokens where they were reserved', () => {
    const { native, limiter, trip } = setUp({ tokensPerMinute: 100 });
    const reservation = limiter.reserve('k', { tokens: 80 });
    trip();
    native.fails = false;
    limiter.settle(reservation, 10);
    expect(limiter.peek('k').remainingTokens).toBe(90);
  });

  it('leaves new limiters to TypeScript', () => {
    const { native, trip, another } = setUp({ requestsPerMinute: 1 });
    trip();
    const later = another();
    expect([later.check('k').allowed, later.check('k').allowed]).toEqual([true, false]);
    expect(native.fails).toBe(true);
    expect(later.health()).toMatchObject({ engine: 'typescript' });
  });

  it('keeps the keys of its share of a rollout', () => {
    const { native, limiter, trip } = setUp({ requestsPerMinute: 1 }, 'canary:50');
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    expect(limiter.reserve(keys).allowed).toBe(true);
    trip();
    native.fails = false;
    expect(keys.map((key) => limiter.check(key).allowed)).toEqual(keys.map(() => false));
  });
});

describe('requests in flight over keys of both engines', () => {
  it('end in the engine that counted them', () => {
    const { limiter } = setUp({ maxConcurrent: 1 }, 'canary:50');
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    const held = limiter.reserve(keys);
    expect(held.allowed).toBe(true);
    expect(keys.map((key) => limiter.peek(key).allowed)).toEqual(keys.map(() => false));
    limiter.release(held);
    expect(keys.map((key) => limiter.peek(key).allowed)).toEqual(keys.map(() => true));
  });

  it('hold money once', async () => {
    const { limiter } = setUp({ requestsPerMinute: 5, usdPerDay: 1 }, 'canary:50');
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    const held = limiter.reserve(keys, { usd: 0.1 });
    const holds = (): Promise<number[]> => Promise.all(keys.map(async (key) => (await limiter.getBudgetHolds(key)).count));
    expect(await holds()).toEqual(keys.map(() => 1));
    limiter.settle(held, { usd: 0.05 });
    expect(await holds()).toEqual(keys.map(() => 0));
  });

  it('end in both engines of a shadow run', () => {
    const { native, limiter } = setUp({ maxConcurrent: 1 }, 'shadow');
    const held = limiter.reserve('k');
    expect(limiter.peek('k').allowed).toBe(false);
    const released = jest.spyOn(native, 'release');
    limiter.release(held);
    expect(released).toHaveBeenCalledTimes(1);
    expect(limiter.peek('k').allowed).toBe(true);
  });
});

describe('a key that is reset while its requests are in flight', () => {
  it('counts later requests only, each once', () => {
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

describe('decisions', () => {
  it('are recorded under the engine that made them, as they are sampled', () => {
    const recorded: string[] = [];
    let isSampled = true;
    const { trip, another } = setUp({ requestsPerMinute: 1 }, 'enabled', {
      series: (component, operation) => ({
        sampled: () => isSampled,
        record: (_ms, ok) => void recorded.push(`${component} ${operation} ${ok}`),
      }),
    });
    another().check('k');
    isSampled = false;
    trip();
    isSampled = true;
    another().reserve(['a', 'b']);
    isSampled = false;
    another().check('k');
    expect(recorded).toEqual(['rust_rate_limiting check true', 'typescript_rate_limiting check true']);
  });
});
