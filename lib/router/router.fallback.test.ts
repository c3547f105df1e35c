import { deployment } from '../../test/support/router-engines.js';
import { type EngineChoice, provideEngine } from '../engine/engine-choice.js';
import type { FeatureState } from '../feature-flags/feature-flags.options.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { ROUTER_ENGINES } from './engine/engine-provider.js';
import type { RouterEngine, Members } from './engine/engine.js';
import type { RouterMemory } from './state/memory.js';
import { resolveRouterOptions } from './router.options.js';
import { RouterService } from './router.service.js';
import { TypeScriptRouterEngine } from './engine/typescript.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** A native engine that fails after boot. */
class FailingEngine extends TypeScriptRouterEngine {
  override readonly engine = 'native' as never;
  how: 'well' | 'throws' | 'lies' = 'well';
  allows = true;

  override open(name: string | null, capacity: number): RouterMemory {
    if (name !== null && !this.allows) throw new Error('this runtime has no shared memory');
    return super.open(name, capacity);
  }

  override scan(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number {
    if (this.how === 'throws') throw new Error('native failure');
    return this.how === 'lies' ? 0 : super.scan(memory, members, excluded, question);
  }
}

const costs = [3, 1, 2].map((cost, at) => deployment(`d${at}`, { input_cost_per_token: cost, weight: at === 1 ? 1 : 0 }));

function routerWith(
  native: FailingEngine,
  state: FeatureState,
  sharedAs?: string,
): { router: RouterService; choice: EngineChoice<RouterEngine> } {
  const flags = new FeatureFlagsService({ features: { rust_routing: state }, errorThreshold: 1_000 }, { env: {}, logger: silent });
  const choice = provideEngine<RouterEngine>(
    { ...ROUTER_ENGINES, native: () => native },
    { flags, logger: silent, openBinding: () => ({ binding: {} as never }), setting: { mode: 'native', setBy: 'the test' } },
  );
  return { router: new RouterService(choice, resolveRouterOptions({ modelList: costs, sharedAs }, {}), { logger: silent }), choice };
}

describe('a native engine that fails', () => {
  it.each<FeatureState>(['enabled', 'shadow'])('falls back to TypeScript on the same state, and is counted: %s', (state) => {
    const native = new FailingEngine();
    const { router, choice } = routerWith(native, state);
    native.how = 'throws';
    for (let turn = 0; turn < 10; turn++) {
      expect(router.acquire('gpt-4', { strategy: 'cost_based' }).deployment.id).toBe('d1');
      expect(router.acquire('gpt-4').deployment.id).toBe('d1');
    }
    expect(router.acquire('gpt-4', { strategy: 'cost_based', excludeIds: ['d1'] }).deployment.id).toBe('d2');
    expect(router.status().map(({ inFlight }) => inFlight)).toEqual([0, 20, 1]);
    expect(choice.nativeErrors).toBeGreaterThan(2);
  });

  it('is seen in a shadow run, and changes no selection', () => {
    const native = new FailingEngine();
    const { router, choice } = routerWith(native, 'shadow');
    native.how = 'lies';
    for (let turn = 0; turn < 10; turn++) {
      expect(router.acquire('gpt-4', { strategy: 'cost_based' }).deployment.id).toBe('d1');
      expect(router.acquire('gpt-4').deployment.id).toBe('d1');
    }
    expect(choice.shadow).toMatchObject({ runs: 10, differences: 10 });
    native.how = 'well';
    router.acquire('gpt-4', { strategy: 'cost_based' });
    expect(choice.shadow).toMatchObject({ runs: 11, differences: 10 });
  });

  it('gives each thread a state of its own without shared memory, and reports it', () => {
    const native = new FailingEngine();
    native.allows = false;
    const { router } = routerWith(native, 'enabled', 'shared');
    expect(router.acquire('gpt-4').deployment.id).toBe('d1');
    expect(router.health()).toMatchObject({ status: 'degraded', reason: expect.stringContaining('router.sharedAs') as string });
  });
});
