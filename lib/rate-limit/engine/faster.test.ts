import type { EngineName } from '../../common/capability.js';
import { calibrate, calibrationOf } from '../../engine/calibration.js';
import { EngineSpeeds, ONE_SIZE } from '../../engine/engine-speeds.js';
import { SwitchingEngine } from '../../engine/switching-engine.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { DECISION_CASES } from './calibration.js';
import { resolveRateLimitOptions, type RateLimitOptions } from '../rate-limit.options.js';
import { RateLimiterService } from '../rate-limit.service.js';
import { TypeScriptRateLimitEngine } from './typescript.js';

/** Stands for a native engine that lost what made it fast. */
class SlowNativeEngine extends TypeScriptRateLimitEngine {
  override readonly engine: EngineName = 'native';
  slownessMs = 0;

  override check(...args: Parameters<TypeScriptRateLimitEngine['check']>): number {
    const start = performance.now();
    while (performance.now() - start < this.slownessMs);
    return super.check(...args);
  }
}

const limiters: RateLimiterService[] = [];
afterEach(() => Promise.all(limiters.splice(0).map((limiter) => limiter.close())));

function setUp(recorder?: ConstructorParameters<typeof RateLimiterService>[3]) {
  const flags = new FeatureFlagsService({}, { env: {}, logger: { log() {}, warn() {}, error() {} } });
  const [native, typescript] = [new SlowNativeEngine(), new TypeScriptRateLimitEngine()];
  const speeds = new EngineSpeeds('rust_rate_limiting', ONE_SIZE);
  const choice = new SwitchingEngine('rust_rate_limiting', native, typescript, 'a test', flags, undefined, speeds);
  const open = (options: RateLimitOptions = {}): RateLimiterService => {
    const limiter = new RateLimiterService(
      choice,
      resolveRateLimitOptions({ requestsPerMinute: 3, ...options }),
      () => 1_000_000,
      recorder,
    );
    limiters.push(limiter);
    return limiter;
  };
  return { native, typescript, choice, speeds, open };
}

const engineOf = async (limiter: RateLimiterService): Promise<string> => (await limiter.health()).engine;

describe('a native engine that was measured to be the slower one', () => {
  it('is set aside for whole limiters, from their first decision on', async () => {
    const { native, speeds, choice, open } = setUp();
    const [inUse, waiting] = [open(), open()];
    inUse.check('k');
    native.slownessMs = 0.2;
    // On a machine that is too busy for the code to become warm there is no verdict, and it is asked again.
    while (speeds.all().length === 0)
      await new Promise<void>((resolve) => calibrate([calibrationOf(choice, DECISION_CASES)], 'full', undefined, resolve));
    native.slownessMs = 0;

    const opened = open();
    for (const limiter of [waiting, opened]) for (let i = 0; i < 3; i++) expect(limiter.check('k').allowed).toBe(true);
    expect(await Promise.all([inUse, waiting, opened].map(engineOf))).toEqual(['native', 'typescript', 'typescript']);
    // Where a limiter began it stays, and no request is forgotten: not when the verdict is taken back either.
    speeds.judge(0, 1, 2, 'calibration');
    for (const limiter of [waiting, opened]) expect(limiter.check('k').allowed).toBe(false);
    expect(inUse.check('k').allowed).toBe(true);
    expect(inUse.check('k').allowed).toBe(true);
    expect(inUse.check('k').allowed).toBe(false);
    expect(await Promise.all([inUse, waiting, open()].map(engineOf))).toEqual(['native', 'typescript', 'native']);
  });

  it('keeps limiters whose counters other threads share', async () => {
    const { speeds, open } = setUp();
    speeds.judge(0, 2, 1, 'calibration');
    const limiter = open({ sharedAs: 'faster-test' });
    limiter.check('k');
    expect(await engineOf(limiter)).toBe('native');
  });

  it('is not chosen by a question about health or statistics', async () => {
    const { speeds, open } = setUp();
    const limiter = open();
    await limiter.health();
    limiter.metrics();
    speeds.judge(0, 2, 1, 'calibration');
    limiter.check('k');
    expect(await engineOf(limiter)).toBe('typescript');
  });
});

describe('decisions', () => {
  it('are recorded under the engine that made them, as they are sampled', () => {
    const recorded: string[] = [];
    let isSampled = true;
    const { speeds, open } = setUp({
      series: (component, operation) => ({
        sampled: () => isSampled,
        record: (_ms, ok) => void recorded.push(`${component} ${operation} ${ok}`),
      }),
    });
    open().check('k');
    speeds.judge(0, 2, 1, 'calibration');
    open().reserve(['a', 'b']);
    isSampled = false;
    open().check('k');
    expect(recorded).toEqual(['rust_rate_limiting check true', 'typescript_rate_limiting check true']);
  });
});
