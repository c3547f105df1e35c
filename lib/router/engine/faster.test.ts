import { deployment } from '../../../test/support/router-engines.js';
import type { EngineName } from '../../common/capability.js';
import { calibrate, calibrationOf } from '../../engine/calibration.js';
import { EngineSpeeds } from '../../engine/engine-speeds.js';
import { SwitchingEngine } from '../../engine/switching-engine.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { GROUP_SIZES, ROUTING_CASES } from './calibration.js';
import type { Members } from './engine.js';
import { resolveRouterOptions } from '../router.options.js';
import { RouterService } from '../router.service.js';
import { TypeScriptRouterEngine } from './typescript.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** Stands for a native engine that, while it is measured, is slow with small groups and fast with large ones. */
class SlowNativeEngine extends TypeScriptRouterEngine {
  override readonly engine: EngineName = 'native';
  measured = false;
  ranked = 0;
  scanned = 0;

  override rank(...args: Parameters<TypeScriptRouterEngine['rank']>): void {
    this.ranked++;
    if (!this.takes(args[1])) super.rank(...args);
  }

  override scan(...args: Parameters<TypeScriptRouterEngine['scan']>): number {
    this.scanned++;
    return this.takes(args[1]) ? 0 : super.scan(...args);
  }

  private takes({ slots }: Members): boolean {
    const start = performance.now();
    // Longer than TypeScript takes.
    while (this.measured && slots.length <= 512 && performance.now() - start < 1);
    return this.measured;
  }
}

function setUp() {
  const flags = new FeatureFlagsService({}, { env: {}, logger: silent });
  const native = new SlowNativeEngine();
  const speeds = new EngineSpeeds('rust_routing', GROUP_SIZES);
  const choice = new SwitchingEngine('rust_routing', native, new TypeScriptRouterEngine(), 'a test', flags, undefined, speeds);
  const open = (deployments: number): RouterService => {
    const modelList = Array.from({ length: deployments }, (_, at) => deployment(`d${at}`));
    return new RouterService(choice, resolveRouterOptions({ strategy: 'least_busy', modelList }, {}), { logger: silent });
  };
  return { native, speeds, choice, open };
}

describe('a native engine that was measured to be slow with small groups', () => {
  it('ranks the large ones alone, and nothing that is counted is lost', async () => {
    const { native, speeds, choice, open } = setUp();
    const [small, large] = [open(20), open(600)];
    const chosen = Array.from({ length: 20 }, () => small.acquire('gpt-4').deployment.id);
    expect(native.ranked).toBe(1);

    native.measured = true;
    // On a machine that is too busy for the code to become warm there is no verdict, and it is asked again.
    while (speeds.all().length === 0)
      await new Promise<void>((resolve) => calibrate([calibrationOf(choice, ROUTING_CASES)], 'full', undefined, resolve));
    native.measured = false;
    expect(speeds.all()).toMatchObject([{ component: 'rust_routing', kind: 'groups up to 512 deployments' }]);
    [native.ranked, native.scanned] = [0, 0];

    // Made anew by the other engine, over the same counts.
    small.updateSettings({ cooldownMs: 1_000 });
    expect(small.status().map(({ inFlight }) => inFlight)).toEqual(Array.from({ length: 20 }, () => 1));
    const next = small.acquire('gpt-4');
    small.acquire('gpt-4', { excludeIds: chosen.slice(1) });
    expect([native.ranked, native.scanned]).toEqual([0, 0]);
    expect(small.status().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(22);
    small.cancelled(next);
    large.acquire('gpt-4');
    expect(native.ranked).toBe(1);
  });
});
