import { join } from 'node:path';
import type * as Package from '../../../lib/index.js';
import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';
import { ROOT } from '../tokens/contenders.js';
import { MODEL } from './model-list.js';
import type { Peer } from './peers.js';

const SILENT = { log() {}, warn() {}, error() {} };

export type EngineMode = 'native' | 'typescript';

/** The compiled package: what users run. */
const load = (): typeof Package => require(join(ROOT, 'dist', 'lib', 'index.js')) as typeof Package;

/** A router over the list, with everything on: names, health, cooldowns, limits. */
export function routerOver(
  list: readonly ModelListEntry[],
  strategy: string,
  engine: EngineMode,
  sharedAs?: string,
): Package.RouterService {
  const { FastLiteLLM } = load();
  // `native` would override the threshold below which TypeScript answers.
  return new FastLiteLLM({ engine: engine === 'native' ? 'auto' : engine, logger: SILENT, router: { modelList: list, strategy, sharedAs } })
    .router;
}

/** The choice alone. */
export function choosing(name: string, router: Package.RouterService): Peer {
  return { name, choose: () => (router.getAvailableDeployment(MODEL) === null ? 0 : 1) };
}

/** A selection, released with its latency and usage: all that a request costs here. */
export function serving(name: string, router: Package.RouterService): Peer {
  const outcome = { latencyMs: 100, promptTokens: 10, completionTokens: 20 };
  let turn = 0;
  return {
    name,
    choose: () => {
      turn = (turn + 1) & 31;
      const pick = router.acquire(MODEL);
      outcome.latencyMs = 100 + turn;
      router.succeeded(pick, outcome);
      return turn;
    },
  };
}

export const STANDALONE = 'getAvailableDeployment(modelList, …)';

/** The standalone function, with a list that it has seen. */
export function standalone(list: readonly ModelListEntry[]): Peer {
  const { getAvailableDeployment } = load();
  return { name: STANDALONE, choose: () => (getAvailableDeployment(list, MODEL) === null ? 0 : 1) };
}
