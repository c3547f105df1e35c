import type { ConnectionPoolEngine } from './engine.js';
import { ConnectionState, Header } from '../threads/layout.js';
import { ConnectionTable, type ConnectionEntry, type EndpointEntry } from '../pool/connection-table.js';

const LIMITS = { maxConnections: 3, maxConnectionsPerEndpoint: 2, maxIdleMs: 100 };

/** Whether the engine counts a known history right, in memory of its own. */
export function selfTest(engine: ConnectionPoolEngine): boolean {
  const accounting = engine.join(null, LIMITS.maxConnections);
  try {
    const table = new ConnectionTable<BareConnection>(accounting, LIMITS);
    const endpoint = new BareEndpoint('https://self-test.invalid');
    const open = (): number => table.open(endpoint, (id) => new BareConnection(endpoint, id, 1150));
    const [first, second] = [open(), open()].map((id) => table.leased(id));
    const refused = open();
    table.giveBack(first, 1020);
    const found = new Int32Array(LIMITS.maxConnections);
    const early = engine.expired(table.expiresAtMs, 1119, found);
    const late = engine.expired(table.expiresAtMs, 1120, found);
    const leased = new Int32Array(accounting.room);
    const totals = engine.totals(accounting.words, accounting.room, leased);
    const answers = [
      refused,
      early,
      late,
      table.at(found[0]) === first,
      totals.connections,
      totals.leased,
      totals.waiting,
      leased[endpoint.place],
    ];
    table.remove(first);
    table.remove(second);
    return answers.join() === [0, 0, 1, true, 2, 1, 0, 1].join() && table.size === 0;
  } finally {
    accounting.leave();
  }
}

/**
 * `selfTest`, and whether there is shared memory. Other threads may run it at the same time, so it
 * counts nothing there.
 */
export function sharedMemorySelfTest(engine: ConnectionPoolEngine): boolean {
  const accounting = engine.join('self-test', LIMITS.maxConnections);
  try {
    const place = accounting.place('https://self-test.invalid');
    const same = accounting.place('https://self-test.invalid') === place && accounting.origins().get(place) === 'https://self-test.invalid';
    return same && Atomics.load(accounting.words, Header.connections) === 0 && selfTest(engine);
  } finally {
    accounting.leave();
  }
}

/** An endpoint without a route. */
export class BareEndpoint implements EndpointEntry<BareConnection> {
  idle: BareConnection | undefined = undefined;
  connections = 0;
  place = -1;

  constructor(readonly origin: string) {}
}

/** A connection without a socket, for the self-test and the tests of the accounting. */
export class BareConnection implements ConnectionEntry<BareConnection> {
  state: number = ConnectionState.leased;
  older: BareConnection | undefined = undefined;
  newer: BareConnection | undefined = undefined;

  constructor(
    readonly endpoint: BareEndpoint,
    public id: number,
    readonly diesAtMs: number,
  ) {}
}
