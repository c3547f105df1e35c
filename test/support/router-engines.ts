import { type EngineChoice, provideEngine } from '../../lib/engine/engine-choice.js';
import { openNativeBinding } from '../../lib/engine/native-binding.js';
import { FeatureFlagsService } from '../../lib/feature-flags/feature-flags.service.js';
import type { ModelListEntry } from '../../lib/router/deployments/deployment.js';
import type { RouterEngine } from '../../lib/router/engine/engine.js';
import { ROUTER_ENGINES } from '../../lib/router/engine/engine-provider.js';
import { NativeRouterEngine } from '../../lib/router/engine/native.js';
import { resolveRouterOptions, type RouterOptions } from '../../lib/router/router.options.js';
import type { RouterContext } from '../../lib/router/router-dependencies.js';
import { RouterService } from '../../lib/router/router.service.js';
import { TypeScriptRouterEngine } from '../../lib/router/engine/typescript.js';

/** The engines under test: TypeScript and, if the addon loads, native. */
export function routerEngines(): RouterEngine[] {
  const { binding } = openNativeBinding();
  const engines: RouterEngine[] = [new TypeScriptRouterEngine()];
  if (binding !== null) engines.push(new NativeRouterEngine(binding));
  return engines;
}

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** A choice that always takes this engine. */
export function choiceOf(engine: RouterEngine): EngineChoice<RouterEngine> {
  return provideEngine<RouterEngine>(
    {
      ...ROUTER_ENGINES,
      native: () => engine,
      typescript: () => (engine.engine === 'native' ? new TypeScriptRouterEngine() : engine),
      selfTest: () => true,
    },
    {
      setting: { mode: engine.engine === 'native' ? 'native' : 'typescript', setBy: 'the test' },
      flags: new FeatureFlagsService({}, { env: {}, logger: silent }),
      logger: silent,
    },
  );
}

/** A clock that stands until it is told to go on. */
export class StandingClock {
  nowMs = 1_700_000_000_000;

  readonly now = (): number => this.nowMs;

  pass(ms: number): void {
    this.nowMs += ms;
  }
}

/** A router on this engine, with a clock that stands. */
export function routerOn(
  engine: RouterEngine,
  options: RouterOptions,
  context: RouterContext = {},
): { router: RouterService; clock: StandingClock } {
  const clock = new StandingClock();
  const router = new RouterService(choiceOf(engine), resolveRouterOptions(options, {}), { now: clock.now, logger: silent, ...context });
  return { router, clock };
}

/** A deployment with its id, in a group. */
export function deployment(
  id: string,
  params: Record<string, unknown> = {},
  group = 'gpt-4',
  info: Record<string, unknown> = {},
): ModelListEntry {
  return {
    model_name: group,
    litellm_params: { model: `openai/${id}`, api_key: `sk-secret-${id}`, ...params },
    model_info: { id, ...info },
  };
}
