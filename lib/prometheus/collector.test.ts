import { AggregatorRegistry, Counter, Registry, register } from 'prom-client';
import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import { EngineChoice } from '../engine/engine-choice.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { engineSamples, featureSamples } from './engine-samples.js';
import { registerPrometheusMetrics } from './collector.js';

const sample = (name: string, value: number, labels?: Record<string, string>): MetricSample => ({
  name,
  help: `About ${name}.`,
  type: name.endsWith('_total') ? 'counter' : 'gauge',
  value,
  labels,
});
const values = async (registry: Registry) => (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('registerPrometheusMetrics', () => {
  it('shows the current values of the source', async () => {
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

  it('reads the source once for each scrape', async () => {
    const registry = new Registry();
    const metrics = jest.fn(() => [sample('a', 1), sample('b', 2), sample('c', 3)]);
    registerPrometheusMetrics({ metrics }, registry);
    await Promise.resolve();
    metrics.mockClear();
    await registry.metrics();
    await registry.metrics();
    expect(metrics).toHaveBeenCalledTimes(2);
  });

  it('removes series that are gone and registers new names', async () => {
    const registry = new Registry();
    let samples = [sample('engine_info', 1, { engine: 'native' })];
    registerPrometheusMetrics({ metrics: () => samples }, registry);
    expect(await values(registry)).toEqual(['fast_litellm_engine_info{engine="native"} 1']);
    samples = [sample('engine_info', 1, { engine: 'typescript' }), sample('late', 7)];
    await registry.metrics();
    expect(await values(registry)).toEqual(['fast_litellm_engine_info{engine="typescript"} 1', 'fast_litellm_late 7']);
  });

  it('removes a name for which the source has no values any more', async () => {
    const registry = new Registry();
    let samples = [sample('of_the_window', 1), sample('keys', 1)];
    const remove = registerPrometheusMetrics({ metrics: () => samples }, registry);
    samples = [sample('keys', 1)];
    await registry.metrics();
    remove();
    expect(await registry.metrics()).toBe('\n');
  });

  it('compares labels by content', async () => {
    const registry = new Registry();
    const kept = { engine: 'native' };
    let samples = [sample('calls_total', 1, kept), sample('calls_total', 2, { engine: 'native' }), sample('keys', 1, kept)];
    registerPrometheusMetrics({ metrics: () => samples }, registry);
    const shown = ['fast_litellm_calls_total{engine="native"} 3', 'fast_litellm_keys{engine="native"} 1'];
    expect(await values(registry)).toEqual(shown);
    samples = samples.reverse();
    expect(await values(registry)).toEqual(shown);
    samples = samples.map((each) => ({ ...each, labels: { ...each.labels } }));
    expect(await values(registry)).toEqual(shown);
  });

  it('adds the default labels of a registry, and ours override them', async () => {
    const registry = new Registry();
    registry.setDefaultLabels({ app: 'gateway', engine: 'none' });
    registerPrometheusMetrics({ metrics: () => [sample('calls_total', 1, { engine: 'native' }), sample('keys', 2)] }, registry);
    expect(await values(registry)).toEqual([
      'fast_litellm_calls_total{app="gateway",engine="native"} 1',
      'fast_litellm_keys{app="gateway",engine="none"} 2',
    ]);
  });

  it('adds up the counters of two instances, and registers a source once', async () => {
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

  it('registers again after clear(), and keeps a metric of the app with the same name', async () => {
    const registry = new Registry();
    registerPrometheusMetrics({ metrics: () => [sample('keys', 1)] }, registry);
    registry.clear();
    const foreign = new Counter({ name: 'fast_litellm_keys', help: 'Not ours.', registers: [registry] });
    const remove = registerPrometheusMetrics({ metrics: () => [sample('keys', 2), sample('others', 3)] }, registry);
    expect(await values(registry)).toEqual(['fast_litellm_keys 0', 'fast_litellm_others 3']);
    remove();
    expect(registry.getSingleMetric('fast_litellm_keys')).toBe(foreign);
  });

  it('uses the global registry by default', async () => {
    const remove = registerPrometheusMetrics({ metrics: () => [sample('keys', 1)] });
    expect(await register.metrics()).toContain('fast_litellm_keys 1');
    remove();
    expect(await register.metrics()).not.toContain('fast_litellm_keys');
  });
});

describe('the form of the metrics', () => {
  it('uses two prefixes at the same time', async () => {
    const registry = new Registry();
    const source = { metrics: () => [sample('calls_total', 1)] };
    const remove = registerPrometheusMetrics(source, registry, { prefix: 'gateway_llm_' });
    registerPrometheusMetrics(source, registry);
    expect(await values(registry)).toEqual(['gateway_llm_calls_total 1', 'fast_litellm_calls_total 1']);
    remove();
    expect(await values(registry)).toEqual(['fast_litellm_calls_total 1']);
  });

  it('bounds the series of a metric: later ones share one, or are left out if they do not add up', async () => {
    const registry = new Registry();
    let names = ['a', 'b', 'c', 'd'];
    const metrics = () => [
      ...names.map((name) => sample('calls_total', 2, { operation: name })),
      ...names.map((name) => sample('waiting', 3, { operation: name, state: 'queued' })),
      ...names.map((name): MetricSample => ({ ...sample('latency', 5, { operation: name, percentile: '50' }), addsUp: false })),
      sample('keys', 9),
    ];
    registerPrometheusMetrics({ metrics }, registry, { maxSeries: 2 });
    const shown = [
      'fast_litellm_calls_total{operation="a"} 2',
      'fast_litellm_calls_total{operation="b"} 2',
      'fast_litellm_calls_total{operation="other"} 4',
      'fast_litellm_waiting{operation="a",state="queued"} 3',
      'fast_litellm_waiting{operation="b",state="queued"} 3',
      'fast_litellm_waiting{operation="other",state="other"} 6',
      'fast_litellm_latency{operation="a",percentile="50"} 5',
      'fast_litellm_latency{operation="b",percentile="50"} 5',
      'fast_litellm_keys 9',
    ];
    expect(await values(registry)).toEqual(shown);
    names = ['d', 'c', 'b', 'a'];
    expect((await values(registry)).sort()).toEqual(shown.sort());
    names = Array.from({ length: 10_000 }, (_, i) => `operation-${i}`);
    expect(await values(registry)).toEqual([
      'fast_litellm_calls_total{operation="other"} 20000',
      'fast_litellm_waiting{operation="other",state="other"} 30000',
      'fast_litellm_keys 9',
    ]);
  });

  it('keeps the outcome where series share one, so that failures stay failures', async () => {
    const registry = new Registry();
    const metrics = () =>
      ['a', 'b', 'c'].flatMap((deployment) => [
        sample('calls_total', 2, { deployment, outcome: 'success' }),
        sample('calls_total', 1, { deployment, outcome: 'failure' }),
      ]);
    registerPrometheusMetrics({ metrics }, registry, { maxSeries: 2 });
    expect(await values(registry)).toEqual([
      'fast_litellm_calls_total{deployment="a",outcome="success"} 2',
      'fast_litellm_calls_total{deployment="a",outcome="failure"} 1',
      'fast_litellm_calls_total{deployment="other",outcome="success"} 4',
      'fast_litellm_calls_total{deployment="other",outcome="failure"} 2',
    ]);
  });

  it('escapes labels and help', async () => {
    const registry = new Registry();
    registerPrometheusMetrics({ metrics: () => [{ ...sample('keys', 1, { name: 'a"b\\c\nd' }), help: 'One\nline.' }] }, registry);
    expect(await registry.metrics()).toBe(
      '# HELP fast_litellm_keys One\\nline.\n# TYPE fast_litellm_keys gauge\nfast_litellm_keys{name="a\\"b\\\\c\\nd"} 1\n',
    );
  });

  it('serves OpenMetrics, JSON and a cluster registry', async () => {
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    registerPrometheusMetrics({ metrics: () => [sample('calls_total', 3), sample('keys', 1)] }, registry);
    for (let scrape = 0; scrape < 2; scrape++) {
      expect(await registry.metrics()).toBe(
        '# HELP fast_litellm_calls About calls_total.\n# TYPE fast_litellm_calls counter\nfast_litellm_calls_total 3\n' +
          '# HELP fast_litellm_keys About keys.\n# TYPE fast_litellm_keys gauge\nfast_litellm_keys 1\n# EOF\n',
      );
    }
    const plain = new Registry();
    registerPrometheusMetrics({ metrics: () => [sample('calls_total', 3, { engine: 'native' })] }, plain);
    plain.resetMetrics();
    const json = (await plain.getMetricsAsJSON()) as unknown[];
    expect(json).toEqual([
      expect.objectContaining({ name: 'fast_litellm_calls_total', type: 'counter', values: [{ labels: { engine: 'native' }, value: 3 }] }),
    ]);
    expect(await AggregatorRegistry.aggregate([json, json] as never).metrics()).toContain('fast_litellm_calls_total{engine="native"} 6');
  });

  it.each([
    [{ prefix: '9x' }, 'metrics.prefix: must contain only letters'],
    [{ prefix: '' }, 'metrics.prefix: must contain only letters'],
    [{ maxSeries: 0 }, 'metrics.maxSeries: must be a positive integer'],
    [{ maxSerie: 1 }, 'metrics.maxSerie: is not a known option (did you mean maxSeries?)'],
    [{ registry: {} }, 'metrics.registry.registerMetric: must be a function'],
  ])('rejects %j', (options, message) => expect(() => new FastLiteLLM({ metrics: options as never })).toThrow(message));

  it('shows all metrics of an instance in its own registry', async () => {
    const registry = new Registry();
    const logger = { log: () => {}, warn: () => {}, error: () => {} };
    const llm = new FastLiteLLM({ logger, metrics: { registry, prefix: 'mine_' } });
    llm.tokenCounter.countTokens('hello world', 'gpt-4');
    expect(await registry.metrics()).toContain('mine_token_counting_tokens_total 2\n');
    expect(await register.metrics()).not.toContain('mine_');
    await llm.close();
    expect(await registry.metrics()).toBe('\n');
  });
});

describe('the state of engines and features', () => {
  const silent = { log: () => {}, warn: () => {}, error: () => {} };
  const flags = new FeatureFlagsService({ errorThreshold: 1, features: { rust_routing: 'canary:12.5' } }, { env: {}, logger: silent });
  const native = { n: 1 };
  const choice = new EngineChoice('rust_token_counting', { native: native, typescript: { n: 2 }, reason: 'test' }, flags);

  it('is the engine that a healthy capability reports', () => {
    const engineOf = (health: CapabilityHealth) =>
      engineSamples({ token_counting: choice }, { token_counting: health }).find(({ name }) => name === 'engine_info')?.labels?.engine;
    expect(engineOf({ status: 'ok', engine: 'typescript' })).toBe('typescript');
    expect(engineOf({ status: 'degraded', engine: 'typescript', reason: 'its first check has not finished' })).toBe('native');
  });

  it('is shown by metrics', async () => {
    const registry = new Registry();
    registerPrometheusMetrics({ metrics: () => [...engineSamples({ token_counting: choice }, {}), ...featureSamples(flags)] }, registry);
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
