import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectionPoolEngines } from '../../test/connection-pool-engines.js';
import { answersKnownQuestion, faultOf, sharesKnownQuestion } from './known-question.js';
import { Header, HEADER, MAX_MEMBERS, Own, ownAt, roomFor, SLOT, Slot, wordsFor } from './connection-pool.layout.js';

interface Vectors {
  readonly expired: { name: string; slots: [number, number][]; nowMs: number; most: number; found: number[] }[];
  readonly totals: {
    name: string;
    maxConnections: number;
    connections: number;
    waiting: number;
    members: { leased: number; places: Record<string, number> }[];
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

const vectors = JSON.parse(readFileSync(join(__dirname, '../../test/vectors/connection-pool.json'), 'utf8')) as Vectors;
const engines = connectionPoolEngines();

describe.each(engines.map((engine) => [engine.engine, engine] as const))('the books of pools, %s', (_, engine) => {
  it.each(vectors.expired.map((vector) => [vector.name, vector] as const))('finds what expired: %s', (__, vector) => {
    const slots = new Int32Array(vector.slots.length * SLOT);
    const times = new Float64Array(slots.buffer);
    vector.slots.forEach(([state, expiresAt], slot) => {
      slots[slot * SLOT + Slot.state] = state;
      times[(slot * SLOT) / 2 + Slot.expiresAt] = expiresAt;
    });
    const found = new Int32Array(vector.most).fill(-1);
    const count = engine.expired(slots, vector.nowMs, found);
    expect(Array.from(found.subarray(0, count))).toEqual(vector.found);
    expect(found.subarray(count).every((slot) => slot === -1)).toBe(true);
  });

  it.each(vectors.totals.map((vector) => [vector.name, vector] as const))('adds up: %s', (__, vector) => {
    const room = roomFor(vector.maxConnections);
    const words = new Int32Array(wordsFor(room, MAX_MEMBERS));
    words[Header.connections] = vector.connections;
    words[Header.waiting] = vector.waiting;
    vector.members.forEach(({ leased, places }, member) => {
      words[ownAt(room, member) + Own.leased] = leased;
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
      const books = members[step.member];
      if (step.call === 'place') expect([step.origin, books.place(step.origin)]).toEqual([step.origin, step.answer]);
      else if (step.call === 'forget') books.forget(step.place);
      else books.leave();
    }
    expect(Object.fromEntries(members[0].origins())).toEqual(vector.origins);
    for (const books of members) books.leave();
  });

  it('has a place for every connection and every member, and no more', () => {
    const books = engine.join(null, 1);
    const places = Array.from({ length: books.room }, (__, index) => books.place(`http://${index}`));
    expect(new Set(places).size).toBe(books.room);
    expect(books.place('http://one.more')).toBe(-1);
    books.forget(places[3]);
    expect(books.place('http://one.more')).toBe(places[3]);
    books.leave();
    books.leave();
  });

  it('takes 64 members with one limit, and forgets the pool with the last', () => {
    const members = Array.from({ length: MAX_MEMBERS }, () => engine.join('crowd', 7));
    expect(() => engine.join('crowd', 7)).toThrow(expect.objectContaining({ code: 'OUT_OF_RESOURCES' }));
    expect(() => engine.join('crowd', 8)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    members[5].words[Header.connections] += 1;
    members[5].words[ownAt(members[5].room, 5) + Own.connections] += 1;
    expect(members[0].words[Header.connections]).toBe(1);
    for (const books of members) books.leave();
    const fresh = engine.join('crowd', 8);
    expect([fresh.member, fresh.words[Header.connections]]).toEqual([0, 0]);
    fresh.leave();
  });

  it('answers the known question, and is found out when it does not', () => {
    expect([answersKnownQuestion(engine), sharesKnownQuestion(engine), faultOf(engine)]).toEqual([true, true, undefined]);
    const wrong = Object.create(engine, { expired: { value: () => 1 } }) as typeof engine;
    expect(faultOf(wrong)).toBe('gives a wrong answer to a known question');
    const broken = Object.create(engine, {
      totals: {
        value: () => {
          throw new Error('gone');
        },
      },
    }) as typeof engine;
    expect(faultOf(broken)).toBe('fails on a known question (gone)');
  });
});
