import { errorMessage } from '../../common/errors.js';
import { BareConnection, BareEndpoint } from './self-test-fixture.js';
import type { ConnectionPoolEngine } from './engine.js';
import { Header } from '../threads/layout.js';
import { SlotTable } from '../pool/connection-table.js';

const LIMITS = { maxConnections: 3, maxConnectionsPerEndpoint: 2, maxIdleMs: 100 };

/** Whether the engine keeps the books of a known history right, in memory of a pool of its own. */
export function answersKnownQuestion(engine: ConnectionPoolEngine): boolean {
  const books = engine.join(null, LIMITS.maxConnections);
  try {
    const table = new SlotTable<BareConnection>(books, LIMITS);
    const endpoint = new BareEndpoint('https://known.question');
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
