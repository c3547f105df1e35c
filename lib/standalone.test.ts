import { EXPECTED_HEALTH } from '../test/e2e/observability/expected-health.js';
import * as root from './index.js';

describe('the standalone functions', () => {
  afterEach(() => root.resetErrors());

  it('share one instance', () => {
    expect(root.isEnabled('rust_routing', 'request_123')).toBe(true);
    expect(root.getFeatureStatus().rust_routing).toMatchObject({ state: 'enabled', errorCount: 0 });
    expect(() => root.resetErrors('nothing' as root.FeatureName)).toThrow(root.InvalidArgumentError);
  });

  it('tell the health', async () => {
    const rustAvailable = root.RUST_ACCELERATION_AVAILABLE;
    expect(root.healthCheck()).toMatchObject({ status: EXPECTED_HEALTH, rustAvailable });
    await expect(root.healthCheckAsync()).resolves.toMatchObject({
      status: EXPECTED_HEALTH,
      components: { token_counting: { status: 'ok' } },
    });
  });

  it('count tokens', async () => {
    expect(root.countTokens('hello world', 'gpt-4')).toBe(2);
    expect(root.countTokensBatch(['hello world', ''], 'gpt-4')).toEqual([2, 0]);
    await expect(root.countTokensBatchAsync(['hello world', ''], 'gpt-4')).resolves.toEqual([2, 0]);
    expect(root.countMessages([{ role: 'user', content: 'Hello, how are you?' }], { model: 'gpt-3.5-turbo' })).toBe(13);
    expect(root.countRequest({ model: 'gpt-4', input: 'hello world' })).toMatchObject({ promptTokens: 2, encoding: 'cl100k_base' });
    expect(root.decode(root.encode('hello world', 'gpt-4'), 'gpt-4')).toBe('hello world');
    expect(root.isWithinTokenLimit('hello world', 1, 'gpt-4')).toBe(false);
    expect(root.truncate('hello world', 1, 'gpt-4')).toBe('hello');
    expect(root.trimMessages([{ role: 'user', content: 'Hello' }], { model: 'gpt-4' })).toEqual([{ role: 'user', content: 'Hello' }]);
    expect(root.estimateCost(1000, 100, 'gpt-4o')).toBeCloseTo(0.0035, 10);
    expect(root.getModelLimits('an unknown model')).toMatchObject({ contextWindow: null, maxOutputTokens: null });
  });
});

describe('the standalone limiter', () => {
  it('limits by the defaults of the reference', () => {
    const before = root.getRateLimitStats();
    expect(root.checkRateLimit('standalone')).toMatchObject({ allowed: true, reason: 'ok', limit: 20, remainingRequests: 19 });
    let refused = root.checkRateLimit('standalone');
    for (let i = 0; i < 100 && refused.allowed; i++) refused = root.checkRateLimit('standalone');
    expect(refused).toMatchObject({ allowed: false, reason: 'rate_limit_exceeded', exceeded: 'second' });
    const { totalChecks, deniedCount, details } = root.getRateLimitStats(['standalone']);
    expect([totalChecks - before.totalChecks > 20, deniedCount - before.deniedCount]).toEqual([true, 1]);
    expect(details?.standalone.limit).toBe(20);
  });

  it('is one per SimpleRateLimiter, and per storage of a throttler', async () => {
    const [first, second] = [new root.SimpleRateLimiter(), new root.SimpleRateLimiter(1)];
    expect([first.requestsPerMinute, first.check('a').remainingRequests]).toEqual([60, 5]);
    expect([second.isAllowed('a'), second.isAllowed('a')]).toEqual([true, false]);
    for (let i = 0; i < 2; i++) {
      await expect(new root.FastThrottlerStorage().increment('a', 1000, 1, 1000, 'x')).resolves.toMatchObject({ isBlocked: false });
    }
  });
});

describe('SimpleTokenCounter', () => {
  it('takes 4096 tokens unless told otherwise', () => {
    const counter = new root.SimpleTokenCounter();
    expect(counter.modelMaxTokens).toBe(4096);
    expect(counter.countTokens('hello world', 'gpt-4')).toBe(2);
    expect(counter.validateInput('hello '.repeat(5000))).toBe(false);
    expect(new root.SimpleTokenCounter(2).validateInput('hello world')).toBe(true);
    expect(() => new root.SimpleTokenCounter(0)).toThrow(root.InvalidArgumentError);
  });
});

describe('RUST_ACCELERATION_AVAILABLE', () => {
  it('opens the addon when it is read, not before', () => {
    jest.isolateModules(() => {
      const open = jest.fn(() => ({ binding: null, reason: 'test' }));
      jest.doMock('./engine/native-binding.js', () => ({
        ...jest.requireActual<object>('./engine/native-binding.js'),
        openNativeBinding: open,
      }));
      const isolated = jest.requireActual<typeof root>('./index.js');
      expect(open).not.toHaveBeenCalled();
      expect(isolated.RUST_ACCELERATION_AVAILABLE).toBe(false);
      expect(open).toHaveBeenCalledTimes(1);
    });
  });
});
