import { BareConnection, BareEndpoint } from './self-test-fixture.js';
import type { ConnectionPoolEngine } from './engine.js';
import { Header } from '../threads/layout.js';
import { SlotTable } from '../pool/connection-table.js';

const LIMITS = { maxConnections: 3, maxConnectionsPerEndpoint: 2, maxIdleMs: 100 };

/** Whether the engine keeps the books of a known history right, in memory of a pool of its own. */
export function selfTest(engine: ConnectionPoolEngine): boolean {
  const books = engine.join(null, LIMITS.maxConnections);
  try {
    const table = new SlotTable<BareConnection>(books, LIMITS);
    const endpoint = new BareEndpoint('https://self-test.invalid');
    const open = (): number => table.open(endpoint, (id) => new BareConnection(endpoint, id, 1150));
    const [first, second] = [open(), open()].map((id) => table.leased(id));
    const refused = open();
    table.giveBack(first, 1020);
    const found = new Int32Array(LIMITS.maxConnections);
    const early = engine.expired(table.expiresAtMs, 1119, found);
    const late = engine.expired(table.expiresAtMs, 1120, found);
    const leased = new Int32Array(books.room);
    const totals = engine.totals(books.words, books.room, leased);
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
    books.leave();
  }
}

/** The same, and whether there is memory that threads share: other threads may be asking at the same time, so nothing is counted in it. */
export function sharedMemorySelfTest(engine: ConnectionPoolEngine): boolean {
  const books = engine.join('self-test', LIMITS.maxConnections);
  try {
    const place = books.place('https://self-test.invalid');
    const same = books.place('https://self-test.invalid') === place && books.origins().get(place) === 'https://self-test.invalid';
    return same && Atomics.load(books.words, Header.connections) === 0 && selfTest(engine);
  } finally {
    books.leave();
  }
}
