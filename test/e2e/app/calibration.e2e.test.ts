import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { RUST_ACCELERATION_AVAILABLE, type PerformanceComparison } from 'nestjs-fast-litellm';
import { root } from '../../project/sources.js';

type Report = Readonly<Record<'first' | 'awaited' | 'after' | 'unasked', PerformanceComparison>>;

function compareIn(env: Readonly<Record<string, string>>): Report {
  const args = ['--require', join(root, 'test/support/typescript-hook.js'), join(root, 'test/e2e/app/calibration.child.ts')];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
  if (status !== 0) throw new Error(`ended with ${status}: ${stderr}`);
  return JSON.parse(stdout.split('\n').at(-1) ?? '') as Report;
}

jest.setTimeout(60_000);

describe('the token counters, compared', () => {
  (RUST_ACCELERATION_AVAILABLE ? it : it.skip)('are measured in a thread when they are first asked about', () => {
    const { first, awaited, after, unasked } = compareIn({});
    expect(first).toMatchObject({ enoughSamples: false, speedup: null });
    expect(first.recommendation).toMatch(/^Too few samples: .* They are being measured now: ask again\.$/);
    expect(awaited.enoughSamples).toBe(true);
    expect([...awaited.operations].sort()).toEqual(['calibration_count_2048', 'calibration_count_320', 'calibration_count_40']);
    for (const { measuredCalls, averageDurationMs } of [awaited.rust, awaited.typescript]) {
      expect(measuredCalls).toBeGreaterThanOrEqual(3 * 20);
      expect(averageDurationMs).toBeGreaterThan(0);
    }
    expect(awaited.speedup).toBeGreaterThan(0);
    expect(after).toEqual(awaited);
    expect(unasked).toMatchObject({ enoughSamples: false, recommendation: expect.not.stringContaining('measured now') as string });
  });

  it.each<Record<string, string>>([
    { FAST_LITELLM_CALIBRATE: 'off' },
    { FAST_LITELLM_ENGINE: 'typescript' },
    { FAST_LITELLM_PERFORMANCE_MONITORING: 'false' },
  ])('are left alone with %j', (env) => {
    const { first, awaited } = compareIn(env);
    for (const each of [first, awaited]) {
      expect(each).toMatchObject({ enoughSamples: false, rust: { measuredCalls: 0 }, typescript: { measuredCalls: 0 } });
      expect(each.recommendation).toMatch(/^Too few samples: .* needs\.$/);
    }
  });
});
