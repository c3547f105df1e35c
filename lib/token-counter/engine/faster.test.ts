import type { EngineName } from '../../common/capability.js';
import { calibrate, calibrationOf } from '../../engine/calibration.js';
import { EngineSpeeds } from '../../engine/engine-speeds.js';
import { SwitchingEngine } from '../../engine/switching-engine.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { countingCases, TEXT_SIZES } from './calibration.js';
import { resolveTokenCounterOptions } from '../token-counter.options.js';
import { TokenCounterService } from '../token-counter.service.js';
import { TypeScriptTokenCounterEngine } from './typescript.js';

const SHORT = 'Hello world';
const LONG = 'Hello world. '.repeat(50);
const LONG_TOKENS = 151;

/** Stands for a native engine that has become slow at short texts, and knows others by their length. */
class StrangeNativeEngine extends TypeScriptTokenCounterEngine {
  override readonly engine: EngineName = 'native';
  readonly counted: number[] = [];

  override count(text: string, encoding: number): number {
    this.counted.push(text.length);
    if (text.length > 64) return Math.round((text.length / LONG.length) * LONG_TOKENS);
    const start = performance.now();
    while (performance.now() - start < 0.5);
    return super.count(text, encoding);
  }
}

function setUp(recorder?: ConstructorParameters<typeof TokenCounterService>[3]) {
  const flags = new FeatureFlagsService({}, { env: {}, logger: { log() {}, warn() {}, error() {} } });
  const native = new StrangeNativeEngine();
  const speeds = new EngineSpeeds('rust_token_counting', TEXT_SIZES);
  const choice = new SwitchingEngine('rust_token_counting', native, new TypeScriptTokenCounterEngine(), 'a test', flags, undefined, speeds);
  return { native, speeds, choice, counter: new TokenCounterService(choice, resolveTokenCounterOptions(), choice, recorder) };
}

it('texts of a length that the native engine is slower at are counted by TypeScript, all others natively', async () => {
  const { native, speeds, choice, counter } = setUp();
  // Here, not in a thread of its own: what is measured there has no strange engine.
  const cases = countingCases('cl100k_base').map((each) => ({ ...each, twinMs: undefined }));
  // On a machine that is too busy for the code to become warm there is no verdict, and it is asked again.
  while (speeds.all().length === 0)
    await new Promise<void>((resolve) => calibrate([calibrationOf(choice, cases)], 'full', undefined, resolve));
  expect(speeds.all()).toMatchObject([{ component: 'rust_token_counting', kind: 'texts up to 64 characters', source: 'calibration' }]);

  native.counted.length = 0;
  expect([counter.countTokens(SHORT), counter.countTokens(LONG)]).toEqual([2, LONG_TOKENS]);
  expect(counter.countTokens(SHORT, { requestId: 'r' })).toBe(2);
  expect(counter.countTokensBatch([SHORT, SHORT])).toEqual([2, 2]);
  await expect(counter.countTokensBatchAsync([SHORT])).resolves.toEqual([2]);
  expect(native.counted).toEqual([LONG.length]);
});

it('calls are recorded under the engine that answered, with sizes, as they are sampled', () => {
  const recorded: unknown[] = [];
  const { counter } = setUp({
    series: (component, operation) => ({
      sampled: () => true,
      record: (_ms, ok, inputSize, outputSize) => void recorded.push([component, operation, ok, inputSize, outputSize]),
    }),
  });
  expect(counter.countTokens(SHORT)).toBe(2);
  counter.encode(SHORT);
  expect(() => counter.decode([200_000])).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOKEN' }));
  expect(recorded).toEqual([
    ['rust_token_counting', 'count', true, 11, 2],
    ['rust_token_counting', 'encode', true, 11, undefined],
    ['rust_token_counting', 'decode', false, undefined, undefined],
  ]);
});
