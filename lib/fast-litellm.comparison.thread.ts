import { parentPort, workerData } from 'node:worker_threads';
import { CONNECTION_POOL_ENGINES } from './connection-pool/engine/engine-provider.js';
import { compareEngines, type ComparedTimes } from './engine/comparison.js';
import { openNativeBinding, type NativeBinding } from './engine/native-binding.js';
import { JSON_BODY_ENGINES } from './json-body/engine/engine-provider.js';
import { RATE_LIMIT_ENGINES } from './rate-limit/engine/engine-provider.js';
import { ROUTER_ENGINES } from './router/engine/engine-provider.js';
import { TOKEN_COUNTER_ENGINES } from './token-counter/engine/engine-provider.js';
import type { EngineProvider } from './engine/engine-choice.js';

function timesOf<E extends object>(
  { feature, native, typescript, comparison }: EngineProvider<E>,
  binding: NativeBinding,
): ComparedTimes[] {
  return feature === workerData ? compareEngines(native(binding), typescript(), comparison) : [];
}

const { binding } = openNativeBinding();
const times =
  binding === null
    ? []
    : [
        ...timesOf(TOKEN_COUNTER_ENGINES, binding),
        ...timesOf(RATE_LIMIT_ENGINES, binding),
        ...timesOf(ROUTER_ENGINES, binding),
        ...timesOf(CONNECTION_POOL_ENGINES, binding),
        ...timesOf(JSON_BODY_ENGINES, binding),
      ];
parentPort?.postMessage(times);
