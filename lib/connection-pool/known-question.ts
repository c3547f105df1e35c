import { errorMessage } from '../common/errors.js';
import type { ConnectionPoolEngine } from './connection-pool.engine.js';
import { Header, SLOT } from './connection-pool.layout.js';
import { SlotTable } from './connection-pool.slots.js';

const LIMITS = { maxConnections: 3, maxConnectionsPerEndpoint: 2, maxIdleMs: 100, maxAgeMs: 150 };

/** Whether the engine keeps the books of a known history right, in memory of a pool of its own. */
export function answersKnownQuestion(engine: ConnectionPoolEngine): boolean {
  const books = engine.join(null, LIMITS.maxConnections);
  try {
    const table = new SlotTable(books, LIMITS);
    const endpoint = { origin: 'https://known.question', number: -1, idle: -1, connections: 0, place: -1 };
    table.add(endpoint);
    const first = table.open(endpoint, 1000);
    const second = table.open(endpoint, 1000);
    const refused = table.open(endpoint, 1000);
    table.giveBack(first, 1020);
    const found = new Int32Array(LIMITS.maxConnections);
    const early = engine.expired(table.slots, 1119, found);
    const late = engine.expired(table.slots, 1120, found);
    const leased = new Int32Array(books.room);
    const totals = engine.totals(books.words, books.room, leased);
    const answers = [
      refused,
      early,
      late,
      found[0],
      totals.connections,
      totals.leased,
      totals.waiting,
      leased[endpoint.place],
      table.slots.length,
    ];
    table.remove(first);
    table.remove(second);
    return answers.join() === [0, 0, 1, 0, 2, 1, 0, 1, LIMITS.maxConnections * SLOT].join() && table.connections === 0;
  } finally {
    books.leave();
  }
}

/** The same, and whether there is memory that threads share: other threads may be asking at the same time, so nothing is counted in it. */
export function sharesKnownQuestion(engine: ConnectionPoolEngine): boolean {
  const books = engine.join('known question', LIMITS.maxConnections);
  try {
    const place = books.place('https://known.question');
    const same = books.place('https://known.question') === place && books.origins().get(place) === 'https://known.question';
    return same && Atomics.load(books.words, Header.connections) === 0 && answersKnownQuestion(engine);
  } finally {
    books.leave();
  }
}

/** What the engine does wrong, or `undefined`. */
export function faultOf(engine: ConnectionPoolEngine): string | undefined {
  try {
    return answersKnownQuestion(engine) ? undefined : 'gives a wrong answer to a known question';
  } catch (error) {
    return `fails on a known question (${errorMessage(error)})`;
  }
}
