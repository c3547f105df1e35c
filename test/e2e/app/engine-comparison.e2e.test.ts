import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { FastLiteLLM, RUST_ACCELERATION_AVAILABLE, type PerformanceComparison } from 'nestjs-fast-litellm';
import { EngineComparisons } from '../../../lib/fast-litellm.comparison.js';
import { root } from '../../project/sources.js';

interface Report {
  readonly report: Readonly<
    Record<string, readonly [first: PerformanceComparison, awaited: PerformanceComparison, after: PerformanceComparison]>
  >;
  readonly counted: readonly number[];
}

function compareIn(env: Readonly<Record<string, string>>): Report {
  const args = ['--require', join(root, 'test/support/typescript-hook.js'), join(root, 'test/e2e/app/engine-comparison.child.ts')];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
  if (status !== 0) throw new Error(`ended with ${status}: ${stderr}`);
  return JSON.parse(stdout.split('\n').at(-1) ?? '') as Report;
}

const OPERATIONS = {
  token_counting: ['comparison_count_2048', 'comparison_count_320', 'comparison_count_40'],
  rate_limiting: ['comparison_check'],
  routing: ['comparison_choose_1000', 'comparison_choose_200'],
  connection_pooling: ['comparison_sweep_100', 'comparison_sweep_2000'],
};

describe('compareImplementations', () => {
  (RUST_ACCELERATION_AVAILABLE ? it : it.skip)(
    'measures both engines in a thread when they are first compared, and counts no calls for it',
    () => {
      const { report, counted } = compareIn({});
      for (const [capability, operations] of Object.entries(OPERATIONS)) {
        const [first, awaited, after] = report[capability];
        expect(first).toMatchObject({ enoughSamples: false, speedup: null });
        expect(first.recommendation).toMatch(/^Too few samples: .* A measurement has started; try again later\.$/);
        expect(awaited).toMatchObject({ enoughSamples: true, speedup: expect.any(Number) as number });
        expect([...awaited.operations].sort()).toEqual(operations);
        expect(Math.min(awaited.rust.measuredCalls, awaited.typescript.measuredCalls)).toBeGreaterThanOrEqual(20 * operations.length);
        expect(Math.min(awaited.rustAvgMs, awaited.typescriptAvgMs)).toBeGreaterThan(0);
        expect(after).toEqual(awaited);
      }
      expect(Math.max(...counted)).toBe(0);
    },
  );

  it.each<Record<string, string>>([{ FAST_LITELLM_ENGINE: 'typescript' }, { FAST_LITELLM_PERFORMANCE_MONITORING: 'false' }])(
    'measures nothing with %j',
    (env) => {
      for (const [first, awaited] of Object.values(compareIn(env).report)) {
        for (const each of [first, awaited]) {
          expect(each).toMatchObject({ enoughSamples: false, rust: { measuredCalls: 0 }, typescript: { measuredCalls: 0 } });
          expect(each.recommendation).toMatch(/^Too few samples: .* requires\.$/);
        }
      }
    },
  );

  it('does not run at boot', async () => {
    const llm = new FastLiteLLM({ logger: { log() {}, warn() {}, error() {} } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(llm.monitor.getPerformanceStats()).toEqual({});
    await llm.close();
  });

  it('warns once if a bundle lacks the file of the thread', async () => {
    const warnings: string[] = [];
    const comparisons = new EngineComparisons({ warn: (line) => warnings.push(line) }, '/nowhere/comparison.thread.js');
    comparisons.add({ feature: 'rust_routing', native: {} } as never);
    const recorder = { series: jest.fn() };
    await comparisons.measure('rust_routing', 'typescript_routing', recorder);
    expect(comparisons.measure('rust_routing', 'typescript_routing', recorder)).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(/comparing engines requires comparison\.thread\.js/)]);
    expect(recorder.series).not.toHaveBeenCalled();
  });
});
