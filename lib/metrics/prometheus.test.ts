import { Counter, Registry, register } from 'prom-client';
import type { MetricSample } from '../common/capability.js';
import { SwitchingEngine } from '../engine/switching-engine.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { engineSamples, featureSamples } from './engine-state.js';
import { registerPrometheusMetrics } from './prometheus.js';

const sample = (name: string, value: number, labels?: Record<string, string>): MetricSample => ({
  name,
  help: `About ${name}.`,
  type: name.endsWith('_total') ? 'counter' : 'gauge',
  value,
  labels,
});
const values = async (registry: Registry) => (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('registerPrometheusMetrics', () => {
  it('shows what the source says at the moment of the scrape', async () => {
    const registry = new Registry();
    let calls = 0;
    registerPrometheusMetrics({ metrics: () => [sample('calls_total', calls, { engine: 'native' }), sample('keys', 5 - calls)] }, registry);
    expect(await registry.metrics()).toContain(
      '# HELP fast_litellm_calls_total About calls_total.\n# TYPE fast_litellm_calls_total counter\n',
    );
    calls = 3;
    expect(await values(registry)).toEqual(['fast_litellm_calls_total{engine="native"} 3', 'fast_litellm_keys 2']);
    calls = 4;
    expect(await values(registry)).toEqual(['fast_litellm_calls_total{engine="native"} 4', 'fast_litellm_keys 1']);
  });

  it('reads the source once per scrape, and never between', async () => {
    const registry = new Registry();
    const metrics = jest.fn(() => [sample('a', 1), sample('b', 2), sample('c', 3)]);
    registerPrometheusMetrics({ metrics }, registry);
    await Promise.resolve();
    metrics.mockClear();
    await registry.metrics();
    await registry.metrics();
    expect(metrics).toHaveBeenCalledTimes(2);
  });

  it('drops series that are gone and takes up names that are new', async () => {
    const registry = new Registry();
    let samples = [sample('engine_info', 1, { engine: 'native' })];
    registerPrometheusMetrics({ metrics: () => samples }, registry);
    expect(await values(registry)).toEqual(['fast_litellm_engine_info{engine="native"} 1']);
    samples = [sample('engine_info', 1, { engine: 'typescript' }), sample('late', 7)];
    await registry.metrics();
    expect(await values(registry)).toEqual(['fast_litellm_engine_info{engine="typescript"} 1', 'fast_litellm_late 7']);
  });

  it('adds the counters of two instances up, and takes a source only once', async () => {
    const registry = new Registry();
    const first = { metrics: () => [sample('calls_total', 2), sample('keys', 1)] };
    const removeFirst = registerPrometheusMetrics(first, registry);
    registerPrometheusMetrics(first, registry);
    const removeSecond = registerPrometheusMetrics({ metrics: () => [sample('calls_total', 3), sample('keys', 9)] }, registry);
    expect(await values(registry)).toEqual(['fast_litellm_calls_total 5', 'fast_litellm_keys 9']);
    removeSecond();
    await Promise.resolve();
    expect(await values(registry)).toEqual(['fast_litellm_calls_total 2', 'fast_litellm_keys 1']);
    removeFirst();
    expect(await values(registry)).toEqual([]);
  });

  it('survives a cleared registry and leaves a metric of the same name alone', async () => {
    const registry = new Registry();
    registerPrometheusMetrics({ metrics: () => [sample('keys', 1)] }, registry);
    registry.clear();
    const foreign = new Counter({ name: 'fast_litellm_keys', help: 'Not ours.', registers: [registry] });
    const remove = registerPrometheusMetrics({ metrics: () => [sample('keys', 2), sample('others', 3)] }, registry);
    expect(await values(registry)).toEqual(['fast_litellm_keys 0', 'fast_litellm_others 3']);
    remove();
    expect(registry.getSingleMetric('fast_litellm_keys')).toBe(foreign);
  });

  it('takes the global registry by default', async () => {
    const remove = registerPrometheusMetrics({ metrics: () => [sample('keys', 1)] });
    expect(await register.metrics()).toContain('fast_litellm_keys 1');
    remove();
    expect(await register.metrics()).not.toContain('fast_litellm_keys');
  });
});

describe('the state of engines and features', () => {
  const silent = { log: () => {}, warn: () => {}, error: () => {} };
  const flags = new FeatureFlagsService({ errorThreshold: 1, features: { rust_routing: 'canary:12.5' } }, { env: {}, logger: silent });
  const native = { n: 1 };
  const choice = new SwitchingEngine('rust_token_counting', native, { n: 2 }, 'test', flags);

  it('is told as it is', async () => {
    const registry = new Registry();
    registerPrometheusMetrics({ metrics: () => [...engineSamples({ token_counting: choice }), ...featureSamples(flags)] }, registry);
    expect(await values(registry)).toEqual(
      expect.arrayContaining([
        'fast_litellm_engine_info{capability="token_counting",engine="native"} 1',
        'fast_litellm_native_errors_total{capability="token_counting"} 0',
        'fast_litellm_feature_rollout_percentage{feature="rust_routing"} 12.5',
        'fast_litellm_feature_enabled{feature="rust_routing"} 1',
        'fast_litellm_feature_tripped{feature="rust_token_counting"} 0',
      ]),
    );
    expect(choice.recover(new Error('panicked'), native, (engine) => engine.n)).toBe(2);
    expect(await values(registry)).toEqual(
      expect.arrayContaining([
        'fast_litellm_engine_info{capability="token_counting",engine="typescript"} 1',
        'fast_litellm_native_errors_total{capability="token_counting"} 1',
        'fast_litellm_feature_enabled{feature="rust_token_counting"} 0',
        'fast_litellm_feature_tripped{feature="rust_token_counting"} 1',
      ]),
    );
  });
});
