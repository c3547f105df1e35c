import { InvalidArgumentError, NativeEngineUnavailableError } from '../common/errors.js';
import { SILENT_RECORDER } from '../common/recorder.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import type { FeatureFlagsOptions } from '../feature-flags/feature-flags.options.js';
import { openNativeBinding, type NativeBinding, type NativeBindingResult } from './native-binding.js';
import { nativeFrom } from './size-thresholds.js';
import type { ShadowObservation } from './engine-recorder.js';
import { provideEngine, type EngineContext, type EngineProvider } from './engine-choice.js';

/** The smallest engine there can be: it doubles numbers. */
class WorkingDoubler {
  calls = 0;
  /** What the next calls throw. */
  failure: Error | null = null;

  double(n: number): number {
    this.calls++;
    if (this.failure !== null) throw this.failure;
    return n * 2;
  }

  doubleAsync(n: number): Promise<number> {
    return Promise.resolve().then(() => this.double(n));
  }
}

const binding = {} as NativeBinding;

function setUp({
  options = {},
  provider = {},
  ...context
}: { options?: FeatureFlagsOptions; provider?: Partial<EngineProvider<WorkingDoubler>> } & Partial<EngineContext> = {}) {
  const lines: string[] = [];
  const say = (message: string) => void lines.push(message);
  const logger = { log: say, warn: say, error: say };
  let nowMs = 0;
  const flags = new FeatureFlagsService(options, { env: {}, logger, now: () => nowMs });
  const native = new WorkingDoubler();
  const typescript = new WorkingDoubler();
  const openBinding = jest.fn((): NativeBindingResult => ({ binding }));
  const choice = provideEngine<WorkingDoubler>(
    {
      name: 'Doubler',
      feature: 'rust_token_counting',
      native: () => native,
      typescript: () => typescript,
      selfTest: (engine) => engine.double(21) === 42,
      comparison: [],
      ...provider,
    },
    { flags, logger, openBinding, ...context },
  );
  native.calls = 0;
  return { lines, flags, native, typescript, openBinding, choice, wait: (ms: number) => void (nowMs += ms) };
}

describe('the choice at boot', () => {
  it('is native with auto when the addon passes the self-test', () => {
    const { choice, native, lines } = setUp();
    expect(choice).toMatchObject({ active: 'native', always: native, feature: 'rust_token_counting' });
    expect(lines).toEqual(['Doubler: uses the native engine (addon loaded, self-test passed)']);
  });

  it.each<[string, Partial<EngineProvider<WorkingDoubler>>, NativeBindingResult, string]>([
    ['cannot be opened', {}, { binding: null, reason: 'no file' }, 'no file'],
    ['answers wrongly', { selfTest: () => false }, { binding }, 'addon rejected, self-test failed: wrong answer'],
    [
      'throws in the self-test',
      {
        selfTest: () => {
          throw new Error('boom');
        },
      },
      { binding },
      'addon rejected, self-test failed: boom',
    ],
    [
      'lacks what the engine needs',
      {
        native: () => {
          throw new TypeError('not a function');
        },
      },
      { binding },
      'addon rejected, not a function',
    ],
  ])('is TypeScript with auto, and an error with native, when the addon %s', (_, provider, result, reason) => {
    const { choice, typescript, lines } = setUp({ provider, openBinding: () => result });
    // A missing addon shows once, in the health of the whole; one that fails a self-test shows in
    // the health of that capability.
    const impaired = result.binding !== null;
    expect(choice).toMatchObject({ active: 'typescript', always: typescript, native: null, reason, impaired });
    expect(choice.under('rust_routing').impaired).toBe(impaired);
    expect(lines).toEqual([`Doubler: uses the TypeScript engine (${reason})`]);
    expect(choice.run('double', undefined, (e) => e.double(4))).toBe(8);
    const asNative = () => setUp({ provider, openBinding: () => result, setting: { mode: 'native', setBy: 'a test' } });
    expect(asNative).toThrow(NativeEngineUnavailableError);
    expect(asNative).toThrow(expect.objectContaining({ reason }));
  });

  it('never opens the addon with typescript', () => {
    const { choice, openBinding, lines } = setUp({ setting: { mode: 'typescript', setBy: 'a test' } });
    expect(openBinding).not.toHaveBeenCalled();
    expect(choice).toMatchObject({ active: 'typescript', native: null });
    expect(lines).toEqual(['Doubler: uses the TypeScript engine (addon not loaded: a test is typescript)']);
  });

  it.each<[FeatureFlagsOptions['features'], string]>([
    [{ rust_token_counting: false }, 'rust_token_counting is disabled'],
    [
      { rust_token_counting: 'canary:10' },
      'rust_token_counting is canary:10: the native engine answers this percentage of the request ids',
    ],
    [{ rust_token_counting: 'shadow' }, 'rust_token_counting is in shadow mode: the native engine runs in addition to TypeScript'],
  ])('follows the flag: %j', (features, reason) => {
    expect(setUp({ options: { features } }).choice).toMatchObject({ active: 'typescript', reason });
  });
});

describe('the hot path', () => {
  const count = (choice: ReturnType<typeof setUp>['choice'], n: number) => {
    const engine = choice.always;
    if (engine === null) return choice.run('double', undefined, (e) => e.double(n));
    try {
      return engine.double(n);
    } catch (error) {
      return choice.recover(error, engine, (e) => e.double(n));
    }
  };

  it('answers with TypeScript when native fails, and stops using native after the Nth error', () => {
    const { choice, native, typescript, flags } = setUp({ options: { errorThreshold: 3 } });
    native.failure = new Error('panicked');
    for (let i = 0; i < 10; i++) expect(count(choice, i)).toBe(2 * i);
    expect(native.calls).toBe(3);
    expect(choice).toMatchObject({ always: typescript, active: 'typescript', nativeErrors: 3, impaired: true });
    expect(choice.reason).toBe('the circuit breaker of rust_token_counting tripped after 3 native errors');
    native.failure = null;
    flags.resetErrors('rust_token_counting');
    expect(choice).toMatchObject({ always: native, impaired: false });
    expect(count(choice, 5)).toBe(10);
    expect(native.calls).toBe(4);
  });

  it("throws on what is the caller's fault, uncounted", () => {
    const { choice, native, typescript } = setUp({ options: { errorThreshold: 1 } });
    native.failure = new InvalidArgumentError('n', NaN, 'must be a number');
    expect(() => count(choice, 1)).toThrow(InvalidArgumentError);
    expect(typescript.calls).toBe(0);
    expect(choice).toMatchObject({ always: native, nativeErrors: 0 });
  });

  it('throws the errors of the TypeScript engine', () => {
    const { choice, typescript } = setUp({ setting: { mode: 'typescript', setBy: 'a test' } });
    typescript.failure = new Error('a bug');
    expect(() => count(choice, 1)).toThrow('a bug');
    expect(typescript.calls).toBe(1);
  });

  it('comes back after the cool-off with one successful call', () => {
    const { choice, native, wait } = setUp({ options: { errorThreshold: 1, coolOffMs: 1000 } });
    native.failure = new Error('panicked');
    count(choice, 1);
    expect(choice.always).toBeNull();
    wait(1000);
    count(choice, 1);
    expect(native.calls).toBe(2);
    wait(999);
    native.failure = null;
    expect(count(choice, 2)).toBe(4);
    expect(native.calls).toBe(2);
    wait(1);
    expect(count(choice, 3)).toBe(6);
    expect(choice.always).toBe(native);
  });
});

describe('the same engines under another feature', () => {
  it('follow the flag of that feature alone', () => {
    const { choice, native, typescript } = setUp({ options: { features: { rust_token_counting: false } } });
    expect(choice.always).toBe(typescript);
    expect(choice.under('batch_token_counting').always).toBe(native);
  });

  it('count their failures against that feature alone', () => {
    const { choice, native, typescript, flags } = setUp({ options: { errorThreshold: 1 } });
    const batches = choice.under('batch_token_counting');
    native.failure = new Error('panicked');
    expect(batches.run('double', undefined, (e) => e.double(2))).toBe(4);
    expect(batches).toMatchObject({
      always: typescript,
      impaired: true,
      nativeErrors: 1,
      reason: 'the circuit breaker of batch_token_counting tripped after 1 native error',
    });
    expect(choice).toMatchObject({ always: native, impaired: false, nativeErrors: 0 });
    expect(flags.isEnabled('rust_token_counting')).toBe(true);
  });
});

describe('a size threshold', () => {
  it('gives smaller work to TypeScript, and everything to native with engine: native', async () => {
    const provider = { feature: 'rust_routing' } as const;
    const { choice, native, typescript } = setUp({ provider });
    const threshold = nativeFrom('rust_routing');
    expect([choice.alwaysFor(threshold - 1), choice.alwaysFor(threshold), choice.always]).toEqual([typescript, native, native]);
    choice.run('double', 'a', (e) => e.double(1), threshold - 1);
    await choice.runAsync('double', 'a', (e) => e.doubleAsync(1), threshold);
    expect([native.calls, typescript.calls]).toEqual([1, 1]);
    const asked = setUp({ provider, setting: { mode: 'native', setBy: 'a test' } });
    expect(asked.choice.alwaysFor(1)).toBe(asked.native);
  });

  it('changes nothing while the feature is disabled', () => {
    const { choice, typescript } = setUp({ provider: { feature: 'rust_routing' }, options: { features: { rust_routing: false } } });
    expect(choice.alwaysFor(1_000_000)).toBe(typescript);
  });
});

describe('run', () => {
  it('sends the ids of a rollout to native, the others to TypeScript', () => {
    const { choice, native, typescript, flags } = setUp({ options: { features: { rust_token_counting: 'rollout:25' } } });
    const ids = Array.from({ length: 2000 }, (_, i) => `id-${i}`);
    for (const id of ids) expect(choice.run('double', id, (e) => e.double(1))).toBe(2);
    expect(native.calls).toBe(ids.filter((id) => flags.isEnabled('rust_token_counting', id)).length);
    expect(native.calls + typescript.calls).toBe(2000);
    expect(native.calls).toBeGreaterThan(400);
    expect(choice.always).toBeNull();
  });

  it('counts a failure once and answers by TypeScript, promises too', async () => {
    const { choice, native, flags } = setUp({ options: { errorThreshold: 100 } });
    native.failure = new Error('panicked');
    expect(choice.run('double', 'a', (e) => e.double(3))).toBe(6);
    await expect(choice.runAsync('double', 'a', (e) => e.doubleAsync(3))).resolves.toBe(6);
    expect(flags.getFeatureStatus().rust_token_counting).toMatchObject({ errorCount: 2, lastError: 'panicked' });
    native.failure = new InvalidArgumentError('n', NaN, 'must be a number');
    await expect(choice.runAsync('double', 'a', (e) => e.doubleAsync(3))).rejects.toThrow(InvalidArgumentError);
    expect(choice.nativeErrors).toBe(2);
  });

  it('lets one promise at a time try after the cool-off', async () => {
    const { choice, native, typescript, wait } = setUp({ options: { errorThreshold: 1, coolOffMs: 1000 } });
    native.failure = new Error('panicked');
    await choice.runAsync('double', undefined, (e) => e.doubleAsync(1));
    native.failure = null;
    wait(1000);
    native.calls = typescript.calls = 0;
    const answers = await Promise.all([1, 2, 3].map((n) => choice.runAsync('double', undefined, (e) => e.doubleAsync(n))));
    expect(answers).toEqual([2, 4, 6]);
    expect([native.calls, typescript.calls]).toEqual([1, 2]);
    expect(choice.always).toBe(native);
  });
});

describe('shadow', () => {
  const shadowed = (recorded: ShadowObservation[] = []) =>
    setUp({
      options: { errorThreshold: 2, features: { rust_token_counting: 'shadow' } },
      recorder: { series: SILENT_RECORDER.series, recordShadow: (o) => void recorded.push(o) },
    });

  it('answers with TypeScript while native runs as well, and records both times', () => {
    const recorded: ShadowObservation[] = [];
    const { choice, native, typescript } = shadowed(recorded);
    expect(choice.always).toBeNull();
    expect(choice.run('double', 'a', (e) => e.double(2))).toBe(4);
    expect([native.calls, typescript.calls]).toEqual([1, 1]);
    expect(recorded).toEqual([
      expect.objectContaining({ feature: 'rust_token_counting', operation: 'double', equal: true, typescript: '4', native: '4' }),
    ]);
    expect(recorded[0].nativeMs).toBeGreaterThan(0);
    expect(recorded[0].typescriptMs).toBeGreaterThan(0);
    expect(choice.shadow).toEqual({ runs: 1, differences: 0 });
  });

  it('records differences without the text that led to them', async () => {
    const recorded: ShadowObservation[] = [];
    const { choice, native } = shadowed(recorded);
    native.double = () => 7;
    for (let i = 0; i < 30; i++) choice.run('double', undefined, (e) => e.double(i));
    await choice.runAsync('quote', undefined, (e) => Promise.resolve(e === native ? 'secret words' : 'secret text'));
    await new Promise(setImmediate);
    expect(choice.shadow).toEqual({ runs: 31, differences: 31 });
    expect(recorded.at(-1)).toMatchObject({
      operation: 'quote',
      typescript: 'a string of 11 characters',
      native: 'a string of 12 characters',
    });
    expect(recorded.at(-2)).toMatchObject({ operation: 'double', typescript: '58', native: '7' });
  });

  it('counts native failures, which end it after the Nth', async () => {
    const recorded: ShadowObservation[] = [];
    const { choice, native, typescript } = shadowed(recorded);
    native.failure = new Error('panicked');
    expect(choice.run('double', 'a', (e) => e.double(2))).toBe(4);
    await expect(choice.runAsync('double', 'a', (e) => e.doubleAsync(2))).resolves.toBe(4);
    await new Promise(setImmediate);
    expect(choice).toMatchObject({ always: typescript, nativeErrors: 2 });
    expect(recorded.at(-1)).toMatchObject({ typescript: '4', native: 'threw Error' });
  });

  it('takes two refusals with one code for equal, and hands the one of TypeScript on', () => {
    const recorded: ShadowObservation[] = [];
    const { choice, native, typescript } = shadowed(recorded);
    native.failure = typescript.failure = new InvalidArgumentError('n', NaN, 'must be a number');
    expect(() => choice.run('double', 'a', (e) => e.double(2))).toThrow(InvalidArgumentError);
    expect(choice.shadow).toMatchObject({ runs: 1, differences: 0 });
    native.failure = new InvalidArgumentError('n', NaN, 'must be a number', 'OTHER_CODE');
    expect(() => choice.run('double', 'a', (e) => e.double(2))).toThrow(InvalidArgumentError);
    expect(choice.shadow.differences).toBe(1);
    expect(recorded.at(-1)).toMatchObject({ typescript: 'threw INVALID_ARGUMENT', native: 'threw OTHER_CODE' });
    expect(choice.nativeErrors).toBe(0);
  });

  it('survives a recorder that throws', async () => {
    const recordShadow = (): never => {
      throw new Error('broken recorder');
    };
    const broken = { ...SILENT_RECORDER, recordShadow };
    const { choice } = setUp({ options: { features: { rust_token_counting: 'shadow' } }, recorder: broken });
    expect(choice.run('double', 'a', (e) => e.double(2))).toBe(4);
    await expect(choice.runAsync('double', 'a', (e) => e.doubleAsync(2))).resolves.toBe(4);
  });
});

describe('the real addon', () => {
  const addon = openNativeBinding().binding;

  (addon === null ? it.skip : it)('turns a panic inside Rust into a counted error and the TypeScript answer', () => {
    const { choice, flags, native } = setUp({ options: { errorThreshold: 2 } });
    const panic = (engine: WorkingDoubler) => (engine === native ? addon!.panicForTests() : engine.double(21));
    expect(choice.run('double', undefined, panic)).toBe(42);
    expect(flags.getFeatureStatus().rust_token_counting).toMatchObject({ errorCount: 1, enabled: true });
    expect(choice.run('double', undefined, panic)).toBe(42);
    expect(flags.getFeatureStatus().rust_token_counting).toMatchObject({
      errorCount: 2,
      enabled: false,
      lastError: expect.stringContaining('panic') as string,
    });
  });
});
