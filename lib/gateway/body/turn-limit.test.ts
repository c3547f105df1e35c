import { setImmediate as nextTurn } from 'node:timers/promises';
import { TurnLimit } from './request-body.js';

describe('TurnLimit', () => {
  it('begins work in the order in which it came, so much in each turn', async () => {
    const limit = new TurnLimit(3);
    const begun: number[] = [];
    const work = async (name: number): Promise<void> => {
      await limit.begin();
      begun.push(name);
    };
    for (let name = 0; name < 8; name++) void work(name);
    const byTurn: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      await nextTurn();
      byTurn.push(begun.length);
      // What comes later waits behind what waits already.
      if (turn === 0) void work(8);
    }
    expect(byTurn).toEqual([6, 9, 9, 9]);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('makes no work wait that comes in turns of its own', async () => {
    const limit = new TurnLimit(1);
    for (let turn = 0; turn < 3; turn++) {
      expect(limit.begin()).toBeUndefined();
      await nextTurn();
      await nextTurn();
    }
  });
});
