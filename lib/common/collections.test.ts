import { makeRoom } from './collections.js';

describe('makeRoom', () => {
  const tableOf = (size: number) => new Map(Array.from({ length: size }, (_, key) => [key, true]));

  it('leaves a table alone that is not full', () => {
    const table = tableOf(99);
    makeRoom(table, 100);
    expect(table.size).toBe(99);
  });

  it.each([
    [100, 93, 7],
    [10, 9, 1],
    [1, 0, undefined],
  ])('takes the first sixteenth of a table of %d', (most, size, first) => {
    const table = tableOf(most);
    makeRoom(table, most);
    expect([table.size, table.keys().next().value]).toEqual([size, first]);
  });

  it('looks at few entries of a table that is renewed for long', () => {
    let looks = 0;
    class Watched extends Map<number, true> {
      override *keys(): MapIterator<number> {
        looks++;
        yield* super.keys();
      }
    }
    const table = new Watched();
    for (let key = 0; key < 20_000; key++) {
      makeRoom(table, 1_000);
      table.set(key, true);
    }
    expect(table.size).toBeLessThanOrEqual(1_000);
    expect(looks).toBeLessThan(20_000 / 50);
  });
});
