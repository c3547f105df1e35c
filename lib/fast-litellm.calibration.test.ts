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
    Object.keys(operations)
      .filter((operation) => operation.startsWith('calibration_'))
      .map((operation) => `${component} ${operation}`),
  );

describe('calibration after boot', () => {
  it('measures both engines, where there are two, and leaves it at that in all other instances', async () => {
    const on = open({ calibrate: 'full' });
    const others = [
      open({ calibrate: false }),
      open({ calibrate: 'full' }, { FAST_LITELLM_CALIBRATE: 'off' }),
      open({ calibrate: 'full', engine: 'typescript' }),
      open({ calibrate: 'full', featureFlags: { features: { performance_monitoring: false } } }),
    ];
    const { rustAvailable } = on.healthCheck();
    const names = ['check', 'count_40', 'count_320', 'count_2048'].flatMap((operation) =>
      ['rust', 'typescript'].map(
        (engine) => `${engine}_${operation === 'check' ? 'rate_limiting' : 'token_counting'} calibration_${operation}`,
      ),
    );
    while (rustAvailable && calibrated(on).length < names.length) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(calibrated(on).sort()).toEqual(rustAvailable ? names.sort() : []);
    expect(others.flatMap(calibrated)).toEqual([]);
    // Calibration is nobody's traffic.
    for (const component of names.map((name) => name.split(' ')[0]))
      expect([component, on.monitor.getPerformanceStats()[component].totalCalls]).toEqual([component, 0]);
    expect(on.monitor.compareImplementations('rust_rate_limiting', 'typescript_rate_limiting').enoughSamples).toBe(rustAvailable);
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
