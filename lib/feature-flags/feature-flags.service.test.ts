import { InvalidArgumentError, InvalidConfigurationError } from '../common/errors.js';
import { FEATURES, type FeatureFlagsOptions, type FeatureName } from './feature-flags.options.js';
import { FeatureFlagsService, type FeatureFlagsContext } from './feature-flags.service.js';

function logSink() {
  const lines: string[] = [];
  const say = (message: string) => void lines.push(message);
  return { lines, log: say, warn: say, error: say };
}

function flags(options: FeatureFlagsOptions = {}, context: FeatureFlagsContext = {}) {
  return new FeatureFlagsService(options, { env: {}, logger: logSink(), ...context });
}

const ids = Array.from({ length: 100_000 }, (_, i) => `request_${i}`);

describe('FeatureFlagsService', () => {
  it('has every feature on by default', () => {
    const service = flags();
    for (const feature of FEATURES) expect(service.isEnabled(feature)).toBe(true);
    expect(service.getFeatureStatus().rust_routing).toEqual({
      state: 'enabled',
      configuredState: 'enabled',
      enabled: true,
      rolloutPercentage: 100,
      errorCount: 0,
      errors: 0,
      errorThreshold: 10,
      breaker: 'closed',
    });
    expect(Object.keys(service.getFeatureStatus())).toEqual([...FEATURES]);
  });

  it.each(['rust_routng', '__proto__', 'toString', '', undefined, 7])('refuses the unknown feature %p', (name) => {
    const call = () => flags().isEnabled(name as FeatureName);
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(expect.objectContaining({ code: 'UNKNOWN_FEATURE', path: 'feature' }));
  });

  it('names the feature that was meant', () => {
    expect(() => flags().isEnabled('rust_routng' as FeatureName)).toThrow('did you mean rust_routing?');
    expect(() => flags().resetErrors('nothing' as FeatureName)).toThrow(InvalidArgumentError);
    expect(() => flags().recordError('nothing' as FeatureName, new Error('x'))).toThrow(InvalidArgumentError);
  });

  it("knows the original's older name of a feature", () => {
    const service = flags({ features: { ['rust_connection_pool' as FeatureName]: false } });
    expect(service.isEnabled('rust_connection_pooling')).toBe(false);
    expect(service.isEnabled('rust_connection_pool' as FeatureName)).toBe(false);
  });

  describe('a rollout', () => {
    it.each([0.5, 10, 33.3, 99.5])('gives %d %% of the ids the feature, always the same ones', (percent) => {
      const service = flags({ features: { rust_routing: `rollout:${percent}` } });
      const chosen = ids.filter((id) => service.isEnabled('rust_routing', id));
      expect(Math.abs(chosen.length / 1000 - percent)).toBeLessThan(1);
      expect(ids.filter((id) => service.isEnabled('rust_routing', id))).toEqual(chosen);
    });

    it('never drops an id when it is raised', () => {
      let before: string[] = [];
      for (const percent of [0, 0.1, 1, 5, 25, 25.01, 50, 99, 100]) {
        const service = flags({ features: { rust_routing: `canary:${percent}` } });
        const now = new Set(ids.slice(0, 5000).filter((id) => service.isEnabled('rust_routing', id)));
        expect(before.filter((id) => !now.has(id))).toEqual([]);
        before = [...now];
      }
      expect(before).toHaveLength(5000);
    });

    it('is off without an id, except at 100 %', () => {
      const service = flags({ features: { rust_routing: 'canary:99.99', rust_rate_limiting: 'rollout:100' } });
      expect(service.isEnabled('rust_routing')).toBe(false);
      expect(service.isEnabled('rust_rate_limiting')).toBe(true);
      expect(service.getFeatureStatus().rust_routing).toMatchObject({ state: 'canary:99.99', enabled: true, rolloutPercentage: 99.99 });
    });

    it('refuses an id that is not a string', () => {
      expect(() => flags({ features: { rust_routing: 'canary:50' } }).isEnabled('rust_routing', 5 as never)).toThrow(
        'requestId: must be a string',
      );
    });
  });

  it('answers no for a shadowed feature: TypeScript answers', () => {
    const service = flags({ features: { rust_routing: 'shadow' } });
    expect(service.isEnabled('rust_routing', 'a')).toBe(false);
    expect(service.getFeatureStatus().rust_routing).toMatchObject({ state: 'shadow', enabled: false });
  });

  it('switches all off with enabled: false, whatever else is said', () => {
    const service = flags({ enabled: false, features: { rust_routing: true } });
    expect(FEATURES.filter((feature) => service.isEnabled(feature, 'a'))).toEqual([]);
  });

  it.each<[unknown, string]>([
    [{ featurs: {} }, 'featureFlags.featurs: is not a known option (did you mean features?), got an object (Object)'],
    [{ enabled: 'yes' }, 'featureFlags.enabled: must be true or false, got "yes"'],
    [{ errorThreshold: 0 }, 'featureFlags.errorThreshold: must be a positive integer, got 0'],
    [{ coolOffMs: -1 }, 'featureFlags.coolOffMs: must be an integer of at least 0, got -1'],
    [{ features: { rust_router: true } }, 'featureFlags.features.rust_router: is not a known feature (did you mean rust_routing?)'],
    [{ features: { rust_routing: 'canary:101' } }, 'featureFlags.features.rust_routing: must be true, false'],
    [{ features: { rust_routing: 1 } }, 'featureFlags.features.rust_routing: must be an object, got 1'],
    [
      { features: { rust_routing: { stat: 'shadow' } } },
      'featureFlags.features.rust_routing.stat: is not a known option (did you mean state?)',
    ],
    [
      { features: { rust_routing: { errorThreshold: 1.5 } } },
      'featureFlags.features.rust_routing.errorThreshold: must be a positive integer, got 1.5',
    ],
    [null, 'featureFlags: must be an object, got null'],
  ])('refuses the options %j', (options, message) => {
    const boot = () => flags(options as FeatureFlagsOptions);
    expect(boot).toThrow(InvalidConfigurationError);
    expect(boot).toThrow(message);
  });
});

describe('native errors', () => {
  it('switch a feature off at the Nth, once, with one line that holds the last error', () => {
    const logger = logSink();
    const service = flags({ features: { rust_routing: 'canary:100' } }, { logger });
    const changes = jest.fn();
    service.onChange('rust_routing', changes);
    for (let i = 1; i <= 9; i++) service.recordError('rust_routing', new Error(`number ${i}`));
    expect(service.isEnabled('rust_routing')).toBe(true);
    service.recordError('rust_routing', new Error('number 10'));
    expect(service.isEnabled('rust_routing')).toBe(false);
    for (let i = 11; i <= 30; i++) service.recordError('rust_routing', new Error(`number ${i}`));
    expect(changes).toHaveBeenCalledTimes(1);
    expect(logger.lines).toEqual([
      'Feature flags: the circuit breaker of rust_routing tripped after 10 native errors (last: number 10); TypeScript answers until resetErrors() is called',
    ]);
    expect(service.getFeatureStatus().rust_routing).toMatchObject({
      state: 'disabled',
      configuredState: 'canary:100',
      enabled: false,
      errorCount: 30,
      lastError: 'number 30',
      breaker: 'open',
    });
    expect(service.isEnabled('rust_rate_limiting')).toBe(true);
  });

  it('are forgotten by resetErrors, which brings the configured state back', () => {
    const service = flags({ errorThreshold: 2, features: { rust_routing: 'rollout:50' } });
    const before = ids.slice(0, 1000).filter((id) => service.isEnabled('rust_routing', id));
    service.recordError('rust_routing', new Error('a'));
    service.recordError('rust_routing', new Error('b'));
    expect(ids.slice(0, 1000).filter((id) => service.isEnabled('rust_routing', id))).toEqual([]);
    service.resetErrors('rust_routing');
    service.resetErrors(null);
    expect(ids.slice(0, 1000).filter((id) => service.isEnabled('rust_routing', id))).toEqual(before);
    expect(service.getFeatureStatus().rust_routing).toMatchObject({ state: 'rollout:50', errorCount: 0, breaker: 'closed' });
    expect(service.getFeatureStatus().rust_routing).not.toHaveProperty('lastError');
  });

  it('are forgotten for all features by resetErrors()', () => {
    const service = flags({ errorThreshold: 1 });
    for (const feature of FEATURES) service.recordError(feature, 'no Error object');
    expect(FEATURES.filter((feature) => service.isEnabled(feature))).toEqual([]);
    service.resetErrors();
    expect(FEATURES.filter((feature) => !service.isEnabled(feature))).toEqual([]);
  });

  it('switch nothing off with autoDisableOnErrors: false', () => {
    const service = flags({ autoDisableOnErrors: false, errorThreshold: 1 });
    service.recordError('rust_routing', new Error('a'));
    expect(service.isEnabled('rust_routing')).toBe(true);
    expect(service.getFeatureStatus().rust_routing.errorCount).toBe(1);
  });

  it('no longer reach a listener that has left', () => {
    const service = flags({ errorThreshold: 1 });
    const listener = jest.fn();
    service.onChange('rust_routing', listener)();
    service.recordError('rust_routing', new Error('a'));
    expect(listener).not.toHaveBeenCalled();
  });
});

describe('the cool-off', () => {
  function tripped(options: FeatureFlagsOptions = {}) {
    let nowMs = 1_000_000;
    const logger = logSink();
    const service = flags({ errorThreshold: 1, coolOffMs: 5000, ...options }, { now: () => nowMs, logger });
    service.recordError('rust_routing', new Error('first'));
    return { service, logger, flag: service.flag('rust_routing'), wait: (ms: number) => void (nowMs += ms) };
  }
  const trial = { run: 'native', trial: true };
  const refused = { run: 'typescript', trial: false };

  it('lets one call at a time try, and only after its time', () => {
    const { service, flag, wait } = tripped();
    expect(service.getFeatureStatus().rust_routing).toMatchObject({ breaker: 'open', disabledUntilMs: 1_005_000 });
    wait(4999);
    expect(flag.admit()).toEqual(refused);
    wait(1);
    expect(service.isEnabled('rust_routing')).toBe(false);
    expect(flag.admit()).toEqual(trial);
    expect(flag.admit()).toEqual(refused);
    expect(service.getFeatureStatus().rust_routing.breaker).toBe('half_open');
  });

  it.each([-3_600_000, 3_600_000])('is as long as it is when the wall clock steps by %d ms, and told by the time that is set', (stepMs) => {
    jest.useFakeTimers({ now: 1_000_000 });
    try {
      const service = flags({ errorThreshold: 1, coolOffMs: 5000 }, { logger: logSink() });
      const flag = service.flag('rust_routing');
      service.recordError('rust_routing', new Error('first'));
      jest.setSystemTime(Date.now() + stepMs);
      jest.advanceTimersByTime(4000);
      expect(flag.admit()).toEqual(refused);
      // The clock counts whole milliseconds from where the process began.
      expect(Math.abs((service.getFeatureStatus().rust_routing.disabledUntilMs ?? 0) - (1_005_000 + stepMs))).toBeLessThanOrEqual(1);
      jest.advanceTimersByTime(1001);
      expect(flag.admit()).toEqual(trial);
    } finally {
      jest.useRealTimers();
    }
  });

  it('ends with a call that succeeds', () => {
    const { service, flag, wait, logger } = tripped();
    wait(5000);
    flag.admit();
    flag.endTrial('success');
    expect(service.isEnabled('rust_routing')).toBe(true);
    expect(flag.admit()).toEqual({ run: 'native', trial: false });
    expect(service.getFeatureStatus().rust_routing).toMatchObject({ state: 'enabled', errorCount: 0 });
    expect(logger.lines).toEqual([
      'Feature flags: the circuit breaker of rust_routing tripped after 1 native error (last: first); TypeScript answers, and the native engine is tried again in 5000 ms',
      'Feature flags: rust_routing is enabled again (a call succeeded)',
    ]);
  });

  it('starts again after a call that fails', () => {
    const { service, flag, wait, logger } = tripped();
    wait(6000);
    flag.admit();
    flag.endTrial('failure', new Error('second'));
    expect(service.getFeatureStatus().rust_routing).toMatchObject({
      breaker: 'open',
      disabledUntilMs: 1_011_000,
      errorCount: 2,
      lastError: 'second',
    });
    expect(flag.admit()).toEqual(refused);
    wait(5000);
    expect(flag.admit()).toEqual(trial);
    expect(logger.lines).toHaveLength(1);
  });

  it('is not decided by a call that failed through its caller', () => {
    const { flag, wait } = tripped();
    wait(5000);
    flag.admit();
    flag.endTrial('inconclusive');
    expect(flag.admit()).toEqual(trial);
  });

  it('is not held up by a trial that never ends', () => {
    const { flag, wait } = tripped();
    wait(5000);
    flag.admit();
    wait(5000);
    expect(flag.admit()).toEqual(trial);
  });

  it('is cut short by resetErrors, whatever becomes of a running trial', () => {
    const { service, flag, wait } = tripped({ errorThreshold: 2 });
    service.recordError('rust_routing', new Error('second'));
    wait(5000);
    flag.admit();
    service.resetErrors('rust_routing');
    flag.endTrial('failure', new Error('late'));
    expect(service.isEnabled('rust_routing')).toBe(true);
    expect(service.getFeatureStatus().rust_routing.errorCount).toBe(1);
  });

  it('tries with the ids of a rollout only, and beside TypeScript in shadow', () => {
    const rollout = tripped({ features: { rust_routing: 'rollout:50' } });
    rollout.wait(5000);
    const inside = ids.find((id) => flags({ features: { rust_routing: 'rollout:50' } }).isEnabled('rust_routing', id))!;
    const outside = ids.find((id) => !flags({ features: { rust_routing: 'rollout:50' } }).isEnabled('rust_routing', id))!;
    expect(rollout.flag.admit(outside)).toEqual(refused);
    expect(rollout.flag.admit(inside)).toEqual(trial);
    const shadow = tripped({ features: { rust_routing: 'shadow' } });
    expect(shadow.flag.admit()).toEqual(refused);
    shadow.wait(5000);
    expect(shadow.flag.admit()).toEqual({ run: 'shadow', trial: true });
  });
});
