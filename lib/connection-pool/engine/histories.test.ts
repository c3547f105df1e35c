import fc from 'fast-check';
import { usuallyOrLong } from '../../../test/support/long.js';
import { connectionPoolEngines } from '../../../test/support/connection-pool-engines.js';
import { BareConnection, BareEndpoint } from './self-test.js';
import type { ConnectionPoolEngine } from './engine.js';
import { Header, HEADER } from '../threads/layout.js';
import { ConnectionTable } from '../pool/connection-table.js';

const HISTORIES = usuallyOrLong(15, 1_500);
const LIMITS = { maxConnections: 5, maxConnectionsPerEndpoint: 3, maxIdleMs: 100 };
const MAX_AGE_MS = 250;
const engines = connectionPoolEngines();

const step = fc.record({
  member: fc.nat({ max: 1 }),
  endpoint: fc.nat({ max: 3 }),
  which: fc.nat(),
  advance: fc.constantFrom(0, 0, 1, 40, 99, 100, 101),
  call: fc.constantFrom('get', 'get', 'get', 'give', 'give', 'remove', 'sweep', 'wait', 'again'),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A connection as the model knows it. */
interface Held {
  readonly member: number;
  readonly endpoint: number;
  readonly bornMs: number;
  id: number;
  leased: boolean;
  /** While idle. */
  expiresAtMs: number;
  returned: number;
}

/**
 * Replays the steps on two members of one pool, beside a model that does everything the plain way;
 * returns what was answered.
 */
function replay(engine: ConnectionPoolEngine, steps: readonly Step[]): unknown[] {
  const accounting = [0, 1].map(() => engine.join('histories', LIMITS.maxConnections));
  const tables = accounting.map((each) => new ConnectionTable<BareConnection>(each, LIMITS));
  const endpoints = tables.map(() => [0, 1, 2, 3].map((number) => new BareEndpoint(`http://${number}`)));
  const held: Held[] = [];
  const answers: unknown[] = [];
  let nowMs = 1000;
  let order = 0;
  let waiting = 0;

  for (const { member, endpoint, which, advance, call } of steps) {
    nowMs += advance;
    const table = tables[member];
    const own = held.filter((each) => each.member === member);
    const leased = own.filter((each) => each.leased);
    if (call === 'get') {
      const idle = own.filter((each) => !each.leased && each.endpoint === endpoint).sort((a, b) => b.returned - a.returned)[0] as
        Held | undefined;
      const place = endpoints[member][endpoint];
      const top = place.idle;
      expect(top?.id).toBe(idle?.id);
      if (top !== undefined) expect(table.isOver(top, nowMs)).toBe((idle as Held).expiresAtMs <= nowMs);
      if (top !== undefined && !table.isOver(top, nowMs)) {
        const id = table.lease(place, top);
        expect(id).toBeGreaterThan(0);
        expect(table.leased(id)).toBe(top);
        expect(table.find((idle as Held).id)).toBeUndefined();
        Object.assign(idle as Held, { id, leased: true });
        answers.push(id);
      } else if (top === undefined) {
        const opened = table.open(place, (id) => new BareConnection(place, id, nowMs + MAX_AGE_MS));
        const inEndpoint = held.filter((each) => each.endpoint === endpoint).length;
        if (held.length >= LIMITS.maxConnections) expect(opened).toBeLessThanOrEqual(0);
        else if (inEndpoint >= LIMITS.maxConnectionsPerEndpoint) expect(opened).toBe(0);
        else {
          expect(opened).toBeGreaterThan(0);
          expect(own.map((each) => each.id)).not.toContain(opened);
          held.push({ member, endpoint, bornMs: nowMs, id: opened, leased: true, expiresAtMs: Infinity, returned: 0 });
        }
        answers.push(opened);
      }
    } else if (call === 'give' && leased.length > 0) {
      const one = leased[which % leased.length];
      table.giveBack(table.leased(one.id), nowMs);
      Object.assign(one, { leased: false, returned: ++order, expiresAtMs: Math.min(nowMs + 100, one.bornMs + MAX_AGE_MS) });
    } else if (call === 'remove' && own.length > 0) {
      const one = own[which % own.length];
      table.remove(table.find(one.id) as BareConnection);
      held.splice(held.indexOf(one), 1);
      expect(table.find(one.id)).toBeUndefined();
    } else if (call === 'sweep') {
      const found = new Int32Array(LIMITS.maxConnections);
      const count = engine.expired(table.expiresAtMs, nowMs, found);
      const ids = Array.from(found.subarray(0, count), (slot) => table.at(slot).id);
      const over = own.filter((each) => !each.leased && each.expiresAtMs <= nowMs);
      expect([...ids].sort()).toEqual(over.map((each) => each.id).sort());
      for (const id of ids) table.remove(table.find(id) as BareConnection);
      for (const one of over) held.splice(held.indexOf(one), 1);
      answers.push(ids);
    } else if (call === 'wait') {
      const difference = which % 2 === 0 || waiting === 0 ? 1 : -1;
      tables[0].countWaiting(difference);
      waiting += difference;
    } else if (call === 'again') {
      const idle = own.filter((each) => !each.leased);
      for (const wrong of [0, -1, NaN, 1e12, ...idle.map((each) => each.id), ...own.map((each) => each.id + 8)]) {
        expect(() => table.leased(wrong)).toThrow(expect.objectContaining({ path: 'id' }));
      }
    }
    agree(engine, accounting[0].words, accounting[0].room, held, waiting);
    tables.forEach((each, index) => {
      expect(each.size).toBe(held.filter((one) => one.member === index).length);
    });
  }
  expect(new Map(accounting[1].origins())).toEqual(
    new Map(held.map((one) => [endpoints[one.member][one.endpoint].place, `http://${one.endpoint}`])),
  );
  accounting[0].leave();
  agree(engine, accounting[1].words, accounting[1].room, held.filter((one) => one.member === 1), 0); // prettier-ignore
  accounting[1].leave();
  return answers;

  function agree(by: ConnectionPoolEngine, words: Int32Array, room: number, truth: readonly Held[], inLine: number): void {
    const perPlace = new Int32Array(room);
    expect(by.totals(words, room, perPlace)).toEqual({
      connections: truth.length,
      leased: truth.filter((one) => one.leased).length,
      waiting: inLine,
    });
    expect(words[Header.connections]).toBe(truth.length);
    const places = new Map<number, Held[]>();
    for (const one of truth) {
      const { place } = endpoints[one.member][one.endpoint];
      places.set(place, [...(places.get(place) ?? []), one]);
    }
    for (const [place, ones] of places) {
      expect([words[HEADER + place], perPlace[place]]).toEqual([ones.length, ones.filter((one) => one.leased).length]);
    }
  }
}

describe('random histories of leases', () => {
  it('leave counts that are the truth, and are the same on all engines', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }), (steps) => {
        const [first, ...others] = engines.map((engine) => replay(engine, steps));
        for (const other of others) expect(other).toEqual(first);
      }),
      { numRuns: HISTORIES },
    );
  }, 3_600_000);
});
