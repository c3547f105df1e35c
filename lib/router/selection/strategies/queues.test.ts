import { choiceOf } from '../../../../test/support/router-engines.js';
import fc from 'fast-check';
import { DeploymentStates } from '../../state/deployment-states.js';
import { orderedBy } from './strategy-factory.js';
import { Fact, FACTS, type Members } from '../../engine/engine.js';
import { Order } from './strategies.js';
import { TypeScriptRouterEngine } from '../../engine/typescript.js';

const NOW_MS = 1_700_000_000_000;

/** So many in an order, and what it is told. */
function queued(order: Order, count: number, costs: readonly number[] = [], random = 0) {
  const engine = new TypeScriptRouterEngine();
  const memory = engine.open(null, count);
  const facts = new Float64Array(count * FACTS).fill(Infinity);
  const price = (prices: readonly number[]): void => {
    for (let position = 0; position < count; position++) facts[position * FACTS + Fact.cost] = prices[position] ?? 1;
  };
  price(costs);
  const members: Members = { slots: Int32Array.from({ length: count }, (_, slot) => slot), facts, unlimited: true };
  const settings = { limits: false, buffer: 0, sampleTtlMs: 3_600_000, random: () => random };
  const choice = choiceOf(engine);
  const queues = orderedBy({ choice, group: 'group', memory, members, order, settings });
  const states = new DeploymentStates(memory);
  states.watchers.watch(queues, members.slots);
  const take = (nowMs = NOW_MS): number => {
    const best = queues.best(nowMs);
    queues.chosen(best, nowMs);
    return best;
  };
  return { queues, memory, states, take, price };
}

const step = fc.record({ position: fc.nat({ max: 8 }), figure: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 90 })), choose: fc.boolean() });

describe('queues', () => {
  it('give the least busy, and of equals the one that was left alone longest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 60 }), (count, steps) => {
        const { queues, memory, states } = queued(Order.inFlight, count);
        const figures = new Array<number>(count).fill(0);
        const turns = Array.from({ length: count }, (_, position) => position);
        const isBefore = (each: number, turn: number, found: number): boolean =>
          figures[each] < figures[found] || (figures[each] === figures[found] && turn < turns[found]);
        const best = (): number => turns.reduce((found, turn, each) => (isBefore(each, turn, found) ? each : found), 0);
        expect(queues.best(NOW_MS)).toBe(best());
        for (const [turn, { position, figure, choose }] of steps.entries()) {
          const changed = choose ? best() : position % count;
          if (choose) queues.chosen(changed, NOW_MS);
          if (choose || figures[changed] !== figure) turns[changed] = count + turn;
          memory.inFlight[changed] = figures[changed] = figure;
          states.changed(changed, NOW_MS);
          expect(queues.best(NOW_MS)).toBe(best());
        }
      }),
    );
  });

  it('begin anywhere', () => {
    const { take } = queued(Order.inFlight, 4, [], 0.5);
    expect([take(), take(), take(), take(), take()]).toEqual([2, 3, 0, 1, 2]);
  });

  it('keep their order when they are made anew', () => {
    const { queues, take } = queued(Order.inFlight, 5);
    expect([take(), take()]).toEqual([0, 1]);
    queues.forget();
    expect([take(), take(), take(), take()]).toEqual([2, 3, 4, 0]);
    queues.best(NOW_MS);
    queues.forget();
    expect([take(), take()]).toEqual([1, 2]);
  });

  it('take counts for equal that are beyond all reason, and none for less than 0', () => {
    const { memory, states, take } = queued(Order.inFlight, 2);
    const report = (slot: number, count: number): void => {
      memory.elsewhereInFlight[slot] = count;
      states.changed(slot, NOW_MS);
    };
    report(0, 65_534);
    report(1, 65_535);
    expect([take(), take()]).toEqual([0, 0]);
    report(0, 2_000_000_000);
    expect([take(), take(), take()]).toEqual([1, 0, 1]);
    report(0, -5);
    expect([take(), take()]).toEqual([0, 0]);
  });

  it('of prices give the cheapest in turn, whatever is given back', () => {
    const { states, take } = queued(Order.cost, 4, [2, 1, 1, Number.MAX_VALUE]);
    const taken = (): number[] =>
      Array.from({ length: 4 }, () => {
        const best = take();
        states.changed(best, NOW_MS);
        states.changed(3, NOW_MS);
        return best;
      });
    expect(taken()).toEqual([1, 2, 1, 2]);
    states.cool(1, NOW_MS + 1_000, NOW_MS);
    states.cool(2, NOW_MS + 2_000, NOW_MS);
    expect(taken()).toEqual([0, 0, 0, 0]);
    expect([take(NOW_MS + 1_000), take(NOW_MS + 1_000)]).toEqual([1, 1]);
    expect([take(NOW_MS + 2_000), take(NOW_MS + 2_000), take(NOW_MS + 2_000)]).toEqual([2, 1, 2]);
  });

  it('give nobody where all are out, and follow prices that have changed', () => {
    const { states, queues, take, price } = queued(Order.cost, 2, [1, 2]);
    expect(take()).toBe(0);
    states.cool(0, NOW_MS + 1_000, NOW_MS);
    states.cool(1, NOW_MS + 1_000, NOW_MS);
    expect(queues.best(NOW_MS)).toBe(-1);
    price([2, 1]);
    expect(take(NOW_MS + 1_000)).toBe(1);
  });
});
