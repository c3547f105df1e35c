import type { EngineName } from '../common/capability.js';
import { calibrate, calibrationOf } from '../engine/calibration.js';
import { EngineSpeeds } from '../engine/engine-speeds.js';
import { SwitchingEngine } from '../engine/switching-engine.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { countingCases, TEXT_SIZES } from './token-counter.calibration.js';
import { resolveTokenCounterOptions } from './token-counter.options.js';
import { TokenCounterService } from './token-counter.service.js';
import { TypeScriptTokenCounterEngine } from './token-counter.typescript.js';

/** Stands for a native engine that has become slow at short texts, and has others by heart. */
class ForgetfulNativeEngine extends TypeScriptTokenCounterEngine {
  override readonly engine: EngineName = 'native';
  readonly counted: number[] = [];
  private readonly known = new Map<string, number>();

  override count(text: string, encoding: number): number {
    this.counted.push(text.length);
    const start = performance.now();
    while (text.length <= 64 && performance.now() - start < 0.5);
    let count = this.known.get(text);
    if (count === undefined) this.known.set(text, (count = super.count(text, encoding)));
    return count;
  }
}

function setUp(recorder?: ConstructorParameters<typeof TokenCounterService>[3]) {
  const flags = new FeatureFlagsService({}, { env: {}, logger: { log() {}, warn() {}, error() {} } });
  const native = new ForgetfulNativeEngine();
  const speeds = new EngineSpeeds('rust_token_counting', TEXT_SIZES);
  const choice = new SwitchingEngine('rust_token_counting', native, new TypeScriptTokenCounterEngine(), 'a test', flags, undefined, speeds);
  return { native, speeds, choice, counter: new TokenCounterService(choice, resolveTokenCounterOptions(), choice, recorder) };
}

it('texts of a length that the native engine is slower at are counted by TypeScript, all others natively', async () => {
  const { native, speeds, choice, counter } = setUp();
  let isOver = false;
  const last = { ...countingCases('cl100k_base')[2], prepare: () => ({ run: () => void (isOver = true) }) };
  const stop = calibrate([calibrationOf(choice, [...countingCases('cl100k_base'), last])], 'full');
  while (!isOver) await new Promise((resolve) => setTimeout(resolve, 2));
  stop();
  expect(speeds.all()).toMatchObject([{ component: 'rust_token_counting', kind: 'texts up to 64 characters', source: 'calibration' }]);

  native.counted.length = 0;
  const [short, long] = ['Hello world', 'Hello world. '.repeat(50)];
  expect([counter.countTokens(short), counter.countTokens(long)]).toEqual([2, 151]);
  expect(counter.countTokens(short, { requestId: 'r' })).toBe(2);
  expect(counter.countTokensBatch([short, short])).toEqual([2, 2]);
  await expect(counter.countTokensBatchAsync([short])).resolves.toEqual([2]);
  expect(native.counted).toEqual([long.length]);
});

it('calls are recorded under the engine that answered, with sizes, as they are sampled', () => {
  const recorded: unknown[] = [];
  const { counter } = setUp({
    series: (component, operation) => ({
      sampled: () => true,
      record: (_ms, ok, inputSize, outputSize) => void recorded.push([component, operation, ok, inputSize, outputSize]),
    }),
  });
  expect(counter.countTokens('Hello world')).toBe(2);
  counter.encode('Hello world');
  expect(() => counter.decode([200_000])).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOKEN' }));
  expect(recorded).toEqual([
    ['rust_token_counting', 'count', true, 11, 2],
    ['rust_token_counting', 'encode', true, 11, undefined],
    ['rust_token_counting', 'decode', false, undefined, undefined],
  ]);
});
