import type { CalibrationCase, CalibrationRun } from '../../engine/calibration.js';
import type { SizeClasses } from '../../engine/engine-speeds.js';
import { BareConnection, BareEndpoint } from './self-test-fixture.js';
import type { ConnectionPoolEngine } from './engine.js';
import { SlotTable } from '../pool/connection-table.js';

const FEW = 1_000;

/** Pools by the number of connections that they may have. What reads the books may be either engine; who keeps them is settled when a pool is opened. */
export const POOL_SIZES: SizeClasses = {
  names: [`sweeps of pools up to ${FEW} connections`, 'sweeps of larger pools'],
  of: (maxConnections) => (maxConnections <= FEW ? 0 : 1),
};

/** A sweep that finds nothing, and the sums, over pools of these sizes. */
export const SWEEP_CASES: readonly CalibrationCase<ConnectionPoolEngine>[] = [100, 2_000].map((count) => ({
  operation: `sweep_${count}`,
  sizeClass: POOL_SIZES.of(count),
  prepare: (engine) => prepareSweep(engine, count),
}));

function prepareSweep(engine: ConnectionPoolEngine, count: number): CalibrationRun {
  const books = engine.join(null, count);
  const table = new SlotTable<BareConnection>(books, { maxConnections: count, maxConnectionsPerEndpoint: count, maxIdleMs: 1_000 });
  const endpoint = new BareEndpoint('https://calibration.invalid');
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
