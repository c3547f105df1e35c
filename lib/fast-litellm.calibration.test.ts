import { FastLiteLLM } from './fast-litellm.js';
import type { FastLiteLLMOptions } from './fast-litellm.options.js';

const say = (): void => {};
const instances: FastLiteLLM[] = [];
afterEach(() => Promise.all(instances.splice(0).map((llm) => llm.close())));

function open(options: FastLiteLLMOptions = {}, env: Record<string, string> = {}): FastLiteLLM {
  const llm = new FastLiteLLM({ logger: { log: say, warn: say, error: say }, ...options }, { env });
  instances.push(llm);
  return llm;
}

const calibrated = (llm: FastLiteLLM): string[] =>
  Object.entries(llm.monitor.getPerformanceStats()).flatMap(([component, { operations }]) =>
    Object.keys(operations).map((operation) => `${component} ${operation}`),
  );

describe('calibration after boot', () => {
  it('measures both engines, where there are two, and leaves it at that in all other instances', async () => {
    const on = open();
    const others = [
      open({ calibrate: false }),
      open({}, { FAST_LITELLM_CALIBRATE: 'off' }),
      open({ engine: 'typescript' }),
      open({ featureFlags: { features: { performance_monitoring: false } } }),
    ];
    const { rustAvailable } = on.healthCheck();
    const comparison = await on.monitor.compareImplementationsAsync('rust_rate_limiting', 'typescript_rate_limiting');
    expect(comparison.enoughSamples).toBe(rustAvailable);
    if (rustAvailable) expect(comparison.operations).toEqual(['calibration_check']);
    expect(others.flatMap(calibrated)).toEqual([]);
    // Calibration is nobody's traffic.
    const { rust_rate_limiting: rust, typescript_rate_limiting: typescript } = on.monitor.getPerformanceStats();
    if (rustAvailable) expect([rust.totalCalls, typescript.totalCalls]).toEqual([0, 0]);
  });

  it.each([
    ['routing', ['calibration_choose_200', 'calibration_choose_1000']],
    ['connection_pooling', ['calibration_sweep_100', 'calibration_sweep_2000']],
  ])('compares both engines of %s with real figures', async (capability, operations) => {
    const llm = open();
    const comparison = await llm.monitor.compareImplementationsAsync(`rust_${capability}`, `typescript_${capability}`);
    const { rustAvailable } = llm.healthCheck();
    expect(comparison.operations).toEqual(rustAvailable ? operations : []);
    if (!rustAvailable) return;
    expect(comparison).toMatchObject({ enoughSamples: true, speedup: expect.any(Number), improvementPercentage: expect.any(Number) });
    expect(Math.min(comparison.rustAvgMs, comparison.typescriptAvgMs)).toBeGreaterThan(0);
  });

  it('ends with the instance', async () => {
    const llm = open({ calibrate: 'full' });
    await llm.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calibrated(llm)).toEqual([]);
  });

  it.each([
    ['calibrate', { calibrate: 'fast' }, {}],
    ['FAST_LITELLM_CALIBRATE', {}, { FAST_LITELLM_CALIBRATE: 'maybe' }],
    ['monitor.sampleRate', { monitor: { sampleRate: 2 } }, {}],
  ])('a wrong %s stops the boot', (path, options, env) => {
    expect(() => open(options as never, env as never)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION', path }));
  });
});
