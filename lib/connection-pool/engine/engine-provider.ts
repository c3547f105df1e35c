import type { PreparedWork } from '../../engine/comparison.js';
import type { EngineProvider } from '../../engine/provide-engine.js';
import { SlotTable } from '../pool/connection-table.js';
import type { ConnectionPoolEngine } from './engine.js';
import { NativeConnectionPoolEngine } from './native.js';
import { sharedMemorySelfTest } from './self-test.js';
import { BareConnection, BareEndpoint } from './self-test-fixture.js';
import { TypeScriptConnectionPoolEngine } from './typescript.js';

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
  const books = engine.join(null, count);
  const table = new SlotTable<BareConnection>(books, { maxConnections: count, maxConnectionsPerEndpoint: count, maxIdleMs: 1_000 });
  const endpoint = new BareEndpoint('https://comparison.invalid');
  for (let opened = 0; opened < count; opened++) {
    const id = table.open(endpoint, (given) => new BareConnection(endpoint, given, Infinity));
    if (opened % 2 === 0) table.giveBack(table.leased(id), 0);
  }
  const found = new Int32Array(64);
  const leased = new Int32Array(books.room);
  const run = (): void => {
    engine.expired(table.expiresAtMs, 1, found);
    engine.totals(books.words, books.room, leased);
  };
  return { run, end: () => books.leave() };
}
