import { choiceOf } from '../../../../test/support/router-engines.js';
import fc from 'fast-check';
import { orderedBy } from './strategy-factory.js';
import { FACTS, type Members } from '../../engine/engine.js';
import { Order } from './strategies.js';
import { TypeScriptRouterEngine } from '../../engine/typescript.js';

const NOW_MS = 1_700_000_000_000;

/** A ranking of so many, and what it is told. */
function ranked(order: Order, count: number) {
  const engine = new TypeScriptRouterEngine();
  const memory = engine.open(null, count);
  const facts = new Float64Array(count * FACTS).fill(Infinity);
  const members: Members = { slots: Int32Array.from({ length: count }, (_, slot) => slot), facts, unlimited: true };
  const settings = { limits: false, buffer: 0, sampleTtlMs: 3_600_000, random: () => 0 };
  const choice = choiceOf(engine);
  return { ranking: orderedBy({ choice, group: 'group', memory, members, order, settings }), memory };
}

const step = fc.record({ position: fc.nat({ max: 8 }), figure: fc.nat({ max: 3 }), choose: fc.boolean() });

describe('a ranking', () => {
  it.each([Order.latency, Order.tokens] as const)('of order %d is that of the figures, then of the last turns', (order) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 60 }), (count, steps) => {
        const { ranking, memory } = ranked(order, count);
        const figures = new Array<number>(count).fill(0);
        const turns = Array.from({ length: count }, (_, position) => position);
        memory.latencyAt.fill(NOW_MS);
        memory.minute.fill(Math.floor(NOW_MS / 60_000));
        const array = { [Order.latency]: memory.latency, [Order.tokens]: memory.tokens }[order];
        const best = (): number => turns.reduce((found, turn, each) => (isBefore(each, turn, found) ? each : found), 0);
        const isBefore = (each: number, turn: number, found: number): boolean =>
          figures[each] < figures[found] || (figures[each] === figures[found] && turn < turns[found]);
        expect(ranking.best(NOW_MS)).toBe(best());
        for (const [turn, { position, figure, choose }] of steps.entries()) {
          const changed = choose ? best() : position % count;
          if (choose) {
            ranking.chosen(changed, NOW_MS);
            turns[changed] = count + turn;
          }
          array[changed] = figures[changed] = figure;
          ranking.update(changed, NOW_MS);
          expect(ranking.best(NOW_MS)).toBe(best());
        }
      }),
    );
  });

  it.each([Order.latency, Order.tokens] as const)('of order %d goes on in the same order when its turns begin anew', (order) => {
    const { ranking } = ranked(order, 3);
    const inner = ranking as unknown as { turn: number };
    for (let turn = 0; turn < 4; turn++) ranking.chosen(ranking.best(NOW_MS), NOW_MS);
    inner.turn = 2 ** 21 - 3;
    const chosen: number[] = [];
    for (let turn = 0; turn < 9; turn++) {
      const best = ranking.best(NOW_MS);
      chosen.push(best);
      ranking.chosen(best, NOW_MS);
    }
    expect(chosen).toEqual([1, 2, 0, 1, 2, 0, 1, 2, 0]);
    expect(inner.turn).toBeLessThan(20);
  });
});
