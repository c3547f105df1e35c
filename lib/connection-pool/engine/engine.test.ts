import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectionPoolEngines } from '../../../test/support/connection-pool-engines.js';
import { selfTest, sharedMemorySelfTest } from './self-test.js';
import { Header, HEADER, MAX_MEMBERS, Own, ownAt, roomFor, wordsFor } from '../threads/layout.js';
import { faultOf } from '../../engine/engine-choice.js';

interface Vectors {
  readonly expired: { name: string; expiresAtMs: (number | null)[]; nowMs: number; most: number; found: number[] }[];
  readonly totals: {
    name: string;
    maxConnections: number;
    connections: number;
    members: { waiting: number; places: Record<string, number> }[];
    total: object;
    leased: Record<string, number>;
  }[];
  readonly places: {
    name: string;
    maxConnections: number;
    steps: ({ member: number } & (
      { call: 'place'; origin: string; answer: number } | { call: 'forget'; place: number } | { call: 'leave' }
    ))[];
    origins: Record<string, string>;
  }[];
}

const vectors = JSON.parse(readFileSync(join(__dirname, '../../../test/vectors/connection-pool.json'), 'utf8')) as Vectors;
const engines = connectionPoolEngines();

describe.each(engines.map((engine) => [engine.engine, engine] as const))('the accounting of pools, %s', (_, engine) => {
  it.each(vectors.expired.map((vector) => [vector.name, vector] as const))('finds what expired: %s', (__, vector) => {
    const expiresAtMs = Float64Array.from(vector.expiresAtMs, (atMs) => atMs ?? Infinity);
    const found = new Int32Array(vector.most).fill(-1);
    const count = engine.expired(expiresAtMs, vector.nowMs, found);
    expect(Array.from(found.subarray(0, count))).toEqual(vector.found);
    expect(found.subarray(count).every((slot) => slot === -1)).toBe(true);
  });

  it.each(vectors.totals.map((vector) => [vector.name, vector] as const))('adds up: %s', (__, vector) => {
    const room = roomFor(vector.maxConnections);
    const words = new Int32Array(wordsFor(room, MAX_MEMBERS));
    words[Header.connections] = vector.connections;
    vector.members.forEach(({ waiting, places }, member) => {
      words[ownAt(room, member) + Own.waiting] = waiting;
      for (const [place, count] of Object.entries(places)) words[ownAt(room, member) + HEADER + room + Number(place)] = count;
    });
    const leased = new Int32Array(room).fill(7);
    expect(engine.totals(words, room, leased)).toEqual(vector.total);
    const some = Object.fromEntries(Array.from(leased, (count, place) => [place, count] as const).filter(([, count]) => count !== 0));
    expect(some).toEqual(vector.leased);
  });

  it.each(vectors.places.map((vector) => [vector.name, vector] as const))('names places: %s', (__, vector) => {
    const members = [0, 1, 2].map(() => engine.join('places', vector.maxConnections));
    expect(members.map(({ member }) => member)).toEqual([0, 1, 2]);
    for (const step of vector.steps) {
      const accounting = members[step.member];
      if (step.call === 'place') expect([step.origin, accounting.place(step.origin)]).toEqual([step.origin, step.answer]);
      else if (step.call === 'forget') accounting.forget(step.place);
      else accounting.leave();
    }
    expect(Object.fromEntries(members[0].origins())).toEqual(vector.origins);
    for (const accounting of members) accounting.leave();
  });

  it('has a place for every connection and every member, and no more', () => {
    const accounting = engine.join(null, 1);
    const places = Array.from({ length: accounting.room }, (__, index) => accounting.place(`http://${index}`));
    expect(new Set(places).size).toBe(accounting.room);
    expect(accounting.place('http://one.more')).toBe(-1);
    accounting.forget(places[3]);
    expect(accounting.place('http://one.more')).toBe(places[3]);
    accounting.leave();
  });

  it('leaves once: a second time takes nothing from the members that stay or come later', () => {
    const [first, second] = [0, 1].map(() => engine.join('left', 3));
    const a = first.place('http://a');
    second.place('http://a');
    expect([first.reserve(a, 3), second.reserve(a, 3)]).toEqual([1, 1]);
    first.leave();
    first.leave();
    expect([second.words[Header.connections], second.words[HEADER + a]]).toEqual([1, 1]);
    const later = engine.join('left', 3);
    later.place('http://a');
    expect([later.member, later.reserve(a, 3)]).toEqual([0, 1]);
    first.leave();
    expect([second.words[Header.connections], second.words[HEADER + a]]).toEqual([2, 2]);
    for (const accounting of [second, later]) accounting.leave();
  });

  it('keeps caps of all members together, and counts nothing for who is refused', () => {
    const [first, second] = [0, 1].map(() => engine.join('caps', 3));
    const [a, b] = ['http://a', 'http://b'].map((origin) => first.place(origin));
    const [secondA, secondB] = ['http://a', 'http://b'].map((origin) => second.place(origin));
    expect([secondA, secondB]).toEqual([a, b]);
    expect([first.reserve(a, 2), second.reserve(a, 2), first.reserve(a, 2)]).toEqual([1, 1, 0]);
    expect([second.reserve(b, 2), second.reserve(b, 2), first.reserve(b, 2)]).toEqual([1, -1, -1]);
    // Of that place it has none.
    first.release(b);
    expect(first.reserve(b, 2)).toBe(-1);
    second.release(b);
    expect(first.reserve(b, 2)).toBe(1);
    expect([first.words[Header.connections], first.words[HEADER + a], first.words[HEADER + b]]).toEqual([3, 2, 1]);
    first.leave();
    expect([second.words[Header.connections], second.words[HEADER + a], second.words[HEADER + b]]).toEqual([1, 1, 0]);
    second.release(a);
    expect(engine.totals(second.words, second.room, new Int32Array(second.room))).toEqual({ connections: 0, leased: 0, waiting: 0 });
    second.leave();
  });

  it('takes 64 members with one limit, and forgets the pool with the last', () => {
    const members = Array.from({ length: MAX_MEMBERS }, () => engine.join('crowd', 7));
    expect(() => engine.join('crowd', 7)).toThrow(expect.objectContaining({ code: 'OUT_OF_RESOURCES' }));
    expect(() => engine.join('crowd', 8)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(members[5].reserve(members[5].place('http://a'), 1)).toBe(1);
    expect(members[0].words[Header.connections]).toBe(1);
    for (const accounting of members) accounting.leave();
    const fresh = engine.join('crowd', 8);
    expect([fresh.member, fresh.words[Header.connections]]).toEqual([0, 0]);
    fresh.leave();
  });

  it('passes the self-test, which finds an engine that counts wrongly or throws', () => {
    expect([selfTest(engine), sharedMemorySelfTest(engine)]).toEqual([true, true]);
    const wrong = Object.create(engine, { expired: { value: () => 1 } }) as typeof engine;
    expect(faultOf(selfTest, wrong)).toBe('self-test failed: wrong answer');
    const broken = Object.create(engine, {
      totals: {
        value: () => {
          throw new Error('gone');
        },
      },
    }) as typeof engine;
    expect(faultOf(selfTest, broken)).toBe('self-test failed: gone');
  });
});
