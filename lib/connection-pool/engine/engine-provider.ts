import type { PreparedWork } from '../../engine/comparison.js';
import type { ConnectionPoolEngine } from './engine.js';
import { NativeConnectionPoolEngine } from './native.js';
import { sharedMemorySelfTest } from './self-test.js';
import { TypeScriptConnectionPoolEngine } from './typescript.js';
import type { EngineProvider } from '../../engine/engine-choice.js';

/** The two engines that account for connections. */
export const CONNECTION_POOL_ENGINES: EngineProvider<ConnectionPoolEngine> = {
  name: 'Connection pool',
  feature: 'rust_connection_pooling',
  native: (binding) => new NativeConnectionPoolEngine(binding),
  typescript: () => new TypeScriptConnectionPoolEngine(),
  selfTest: sharedMemorySelfTest,
  comparison: [100, 2_000].map((count) => ({ operation: `sweep_${count}`, prepare: (engine) => prepareSweep(engine, count) })),
};

/** A sweep that finds nothing to close, and the totals, of a pool of this size. */
function prepareSweep(engine: ConnectionPoolEngine, count: number): PreparedWork {
  const accounting = engine.join(null, count);
  const expiresAtMs = new Float64Array(count + 1).fill(Infinity);
  const found = new Int32Array(64);
  const leased = new Int32Array(accounting.room);
  const run = (): void => {
    engine.expired(expiresAtMs, 1, found);
    engine.totals(accounting.words, accounting.room, leased);
  };
  return { run, end: () => accounting.leave() };
}
