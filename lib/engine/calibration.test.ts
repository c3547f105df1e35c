import type { EngineName } from '../common/capability.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import type { FeatureFlagsOptions } from '../feature-flags/feature-flags.options.js';
import { calibrate, calibrationOf, type CalibrationCase, type CalibrationMode, type CalibrationSubject } from './calibration.js';
import { EngineSpeeds, type SizeClasses } from './engine-speeds.js';
import { StricterChoice } from './stricter-choice.js';
import { SwitchingEngine } from './switching-engine.js';

const SLOW_MS = 0.5;
const sizes: SizeClasses = { names: ['small', 'large'], of: (size) => (size < 10 ? 0 : 1) };

/** Takes half a millisecond for what it is slow at. */
class Worker {
  calls = 0;

  constructor(
    readonly engine: EngineName,
    private readonly isSlow: (size: number) => boolean,
  ) {}

  work(size: number): EngineName {
    this.calls++;
    const start = performance.now();
    while (this.isSlow(size) && performance.now() - start < SLOW_MS);
    return this.engine;
  }
}

const cases: readonly CalibrationCase<Worker>[] = [1, 100].map((size, sizeClass) => ({
  operation: `work_${size}`,
  sizeClass,
  prepare: (engine) => ({ run: () => void engine.work(size) }),
}));

function setUp(
  isNativeSlow: (size: number) => boolean,
  { mayChoose = true, options }: { mayChoose?: boolean; options?: FeatureFlagsOptions } = {},
) {
  const flags = new FeatureFlagsService(options, { env: {}, logger: { log() {}, warn() {}, error() {} } });
  const [native, typescript] = [new Worker('native', isNativeSlow), new Worker('typescript', (size) => !isNativeSlow(size))];
  const speeds = new EngineSpeeds('rust_token_counting', sizes, mayChoose);
  const choice = new SwitchingEngine<Worker>('rust_token_counting', native, typescript, 'a test', flags, undefined, speeds);
  return { native, typescript, speeds, choice };
}

/** Until `isDone`; calibration takes its turns while it waits. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const subjectOf = ({ feature, native, typescript, speeds }: SwitchingEngine<Worker>): CalibrationSubject<Worker> => ({
  feature,
  native,
  typescript,
  speeds,
});

async function calibrated(choice: CalibrationSubject<Worker>, mode: CalibrationMode = 'full', measured = cases): Promise<string[]> {
  const recorded: string[] = [];
  let isOver = false;
  const last: CalibrationCase<Worker> = {
    operation: 'last',
    sizeClass: 0,
    prepare: () => {
      isOver = true;
      throw new Error('nothing to measure');
    },
  };
  const record = (name: string) => ({ sampled: () => true, record: () => void recorded.push(name) });
  const stop = calibrate([calibrationOf(choice, [...measured, last])], mode, {
    series: (component, operation) => record(`${component} ${operation}`),
  });
  await until(() => isOver);
  stop();
  return recorded;
}

describe('calibration', () => {
  it('sets a native engine aside for the sizes that it is slower at, and only there', async () => {
    const { choice, speeds } = setUp((size) => size < 10);
    expect([1, 100].map((size) => choice.alwaysFor(size)?.engine)).toEqual(['native', 'native']);
    const recorded = await calibrated(choice);
    expect([1, 100].map((size) => choice.alwaysFor(size)?.engine)).toEqual(['typescript', 'native']);
    expect([1, 100].map((size) => choice.run('work', undefined, (e) => e.work(size), size))).toEqual(['typescript', 'native']);
    await expect(choice.runAsync('work', undefined, (e) => Promise.resolve(e.work(1)), 1)).resolves.toBe('typescript');
    // Without a size nothing is known, and `always` is what it was.
    expect(choice.run('work', undefined, (e) => e.work(1))).toBe('native');
    expect(choice.always?.engine).toBe('native');
    expect(speeds.all()).toMatchObject([{ component: 'rust_token_counting', kind: 'small', source: 'calibration' }]);
    expect(choice.reason).toContain('TypeScript is faster here, and answers where that may be, for small');
    expect(new Set(recorded)).toEqual(
      new Set(
        ['work_1', 'work_100'].flatMap((name) => [
          `rust_token_counting calibration_${name}`,
          `typescript_token_counting calibration_${name}`,
        ]),
      ),
    );
  });

  it('goes for every flag over the same engines', async () => {
    const { choice } = setUp((size) => size < 10);
    const both = new StricterChoice(choice, choice.under('batch_token_counting'));
    await calibrated(choice);
    expect(both.alwaysFor(1)?.engine).toBe('typescript');
    expect(both.run('work', undefined, (e) => e.work(1), 1)).toBe('typescript');
    expect(both.forWhole()).toMatchObject({ active: 'typescript', native: null });
  });

  it('tells, but changes nothing, where native was asked for', async () => {
    const { choice, speeds } = setUp(() => true, { mayChoose: false });
    await calibrated(choice);
    expect(choice.alwaysFor(1)?.engine).toBe('native');
    expect(choice.forWhole()).toBe(choice);
    expect(speeds.all()).toHaveLength(2);
  });

  it('leaves calls alone that the flag gives to TypeScript anyway, or to both', async () => {
    const { choice } = setUp(() => true, { options: { features: { rust_token_counting: false } } });
    await calibrated(choice);
    expect(choice.alwaysFor(1)?.engine).toBe('typescript');
    expect(choice.forWhole()).toBe(choice);
    const shadow = setUp(() => true, { options: { features: { rust_token_counting: 'shadow' } } });
    await calibrated(shadow.choice);
    expect(shadow.choice.alwaysFor(1)).toBeNull();
    expect(shadow.choice.run('work', undefined, (e) => e.work(1), 1)).toBe('typescript');
    expect(shadow.choice.shadow.runs).toBe(1);
  });

  it('has a twin that costs much to load measured apart, and only where native is suspiciously slow', async () => {
    const dear = cases.map((each) => ({ ...each, twinMs: SLOW_MS / 2 }));
    for (const [isSlow, asked] of [
      [false, 0],
      [true, 2],
    ] as const) {
      const { choice, typescript } = setUp(() => isSlow);
      const apart = jest.fn();
      await calibrated({ ...subjectOf(choice), apart }, 'full', dear);
      expect(apart).toHaveBeenCalledTimes(asked);
      expect(typescript.calls).toBe(0);
    }
  });

  it('asks an engine no more than once that is plainly faster than its twin can be', async () => {
    const { choice, native } = setUp(() => false);
    await calibrated({ ...subjectOf(choice), apart: () => {} }, 'full', [{ ...cases[0], twinMs: 1000 }]);
    expect(native.calls).toBe(1);
  });

  it('takes as many rounds as it is told to', () => {
    const { choice } = setUp(() => true);
    const record = jest.fn();
    const steps = calibrationOf(choice, [cases[0]], 30)({ series: () => ({ sampled: () => true, record }) });
    while (steps.next().done !== true);
    // Of each engine three quarters: the slowest are left out.
    expect(record.mock.calls.length).toBeGreaterThanOrEqual(2 * 23);
  });

  it('ends what it has prepared, when it is through and when it is stopped, and survives an engine that fails', async () => {
    const { choice } = setUp(() => false);
    let [begun, ended] = [0, 0];
    const counting: CalibrationCase<Worker> = {
      operation: 'counting',
      sizeClass: 0,
      prepare: (engine) => {
        begun++;
        return { run: () => void engine.work(1), end: () => void ended++ };
      },
    };
    const failing: CalibrationCase<Worker> = {
      ...counting,
      prepare: () => ({
        run: () => {
          throw new Error('broken engine');
        },
        end: () => void ended++,
      }),
    };
    await calibrated(choice, 'full', [failing, counting]);
    expect([begun, ended]).toEqual([2, 4]);
    const stop = calibrate([calibrationOf(choice, [counting])], 'full');
    await until(() => begun > 2);
    stop();
    expect(ended).toBe(begun + 2);
  });

  it('is fair to an engine that becomes fast late, in leaps', async () => {
    const { choice } = setUp(() => false);
    const speeds = new EngineSpeeds('rust_token_counting', sizes);
    let spentMs = 0;
    // TypeScript takes 1 ms, from 2 ms on 0.5, from 3.5 ms on next to nothing; native takes 0.1.
    const pace = (engine: EngineName): number => (engine === 'native' ? 0.1 : spentMs < 2 ? 1 : spentMs < 3.5 ? 0.5 : 0.01);
    const leaping: CalibrationCase<Worker> = {
      operation: 'leaping',
      sizeClass: 1,
      prepare: ({ engine }) => ({
        run: () => {
          const start = performance.now();
          const ms = pace(engine);
          while (performance.now() - start < ms);
          if (engine === 'typescript') spentMs += ms;
        },
      }),
    };
    await calibrated({ ...subjectOf(choice), speeds }, 'full', [leaping]);
    expect(speeds.all()).toMatchObject([{ kind: 'large', source: 'calibration' }]);
  });

  it('runs short calls as often as V8 needs to compile them', async () => {
    const { choice } = setUp(() => false);
    const calls = { native: 0, typescript: 0 };
    const short: CalibrationCase<Worker> = {
      operation: 'short',
      sizeClass: 0,
      prepare: ({ engine }) => ({ run: () => void calls[engine]++ }),
    };
    await calibrated(choice, 'full', [short]);
    expect(Math.min(calls.native, calls.typescript)).toBeGreaterThanOrEqual(50_000);
  });

  it('does not judge an engine that still becomes faster when its time to warm up is over', async () => {
    const { choice } = setUp(() => false);
    const judge = jest.fn();
    let spentMs = 0;
    const leaping: CalibrationCase<Worker> = {
      operation: 'leaping',
      sizeClass: 0,
      prepare: ({ engine }) => ({
        run: () => {
          const start = performance.now();
          // Twice as fast before it has run twice as long.
          const ms = engine === 'native' ? 0.1 : 2 / 2 ** Math.max(0, Math.log(spentMs / 2) / Math.log(1.8));
          while (performance.now() - start < ms);
          if (engine === 'typescript') spentMs += performance.now() - start;
        },
      }),
    };
    const recorded = await calibrated({ ...subjectOf(choice), speeds: { judge } }, 'full', [leaping]);
    expect(spentMs).toBeGreaterThan(50);
    expect(judge).not.toHaveBeenCalled();
    // To be compared they are still there.
    expect(new Set(recorded).size).toBe(2);
  });

  it('takes capabilities in turn, and no more than a few milliseconds in each', async () => {
    const { choice } = setUp(() => false);
    const order: string[] = [];
    const named = (name: string): CalibrationCase<Worker> => ({
      operation: name,
      sizeClass: 0,
      prepare: () => ({
        run: () => {
          if (order.at(-1) !== name) order.push(name);
          const start = performance.now();
          while (performance.now() - start < 0.2);
        },
      }),
    });
    const both = ['a', 'b'].map((name) => calibrationOf(subjectOf(choice), [named(name)]));
    let isOver = false;
    calibrate(both, 'full', undefined, () => (isOver = true));
    await until(() => isOver);
    expect(order.slice(0, 4)).toEqual(['a', 'b', 'a', 'b']);
  });

  it('stops when its time is used up', async () => {
    const { choice, native } = setUp(() => true);
    const many = Array.from({ length: 100 }, () => cases[0]);
    calibrate([calibrationOf(choice, many)], 'on');
    let before = -1;
    await until(() => native.calls > 0);
    while (native.calls !== before) {
      before = native.calls;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    // 100 cases would be thousands of calls of half a millisecond.
    expect(native.calls).toBeLessThan(1000);
  });

  it('does nothing without a native engine, or when it is off', async () => {
    const { choice, native } = setUp(() => true);
    calibrate([calibrationOf(choice, cases)], 'off');
    const flags = new FeatureFlagsService({}, { env: {} });
    const alone = new SwitchingEngine<Worker>('rust_token_counting', null, choice.typescript, 'no addon', flags);
    calibrate([calibrationOf(alone, cases)], 'full');
    const other = setUp(() => false);
    await calibrated(other.choice);
    expect(native.calls + choice.typescript.calls).toBe(0);
  });
});
