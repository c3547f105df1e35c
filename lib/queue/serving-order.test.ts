import type { QueueClass } from './queue-class.js';
import { ServingOrder, type Classed } from './serving-order.js';
import { cpuTimer } from '../../test/support/cpu-time.js';

interface Call extends Classed {
  readonly id: number;
}

const anything = (): boolean => false;
let ids = 0;
const call = (tenant: string, costTokens = 1_000, more: Partial<Call> = {}): Call => ({
  id: ids++,
  tenant,
  weight: 1,
  costTokens,
  promptTokens: costTokens,
  queueClass: 'default',
  ...more,
});
const orderOf = (...calls: readonly Call[]): ServingOrder<Call> => {
  const order = new ServingOrder<Call>();
  for (const each of calls) order.add(each);
  return order;
};
/** Serves calls until `count` have gone. */
function serve(order: ServingOrder<Call>, count = order.size, isBlocked: (call: Call) => boolean = anything): Call[] {
  return Array.from({ length: count }, () => {
    const next = order.next(isBlocked);
    if (next === undefined) throw new Error('nothing may go');
    order.serve(next);
    return next;
  });
}
const sum = (calls: readonly Call[], tenant: string): number =>
  calls.filter((each) => each.tenant === tenant).reduce((total, { costTokens }) => total + costTokens, 0);

describe('ServingOrder', () => {
  it('serves the calls of one tenant in the order in which they came', () => {
    const calls = [5_000, 1, 9_000, 300].map((cost) => call('a', cost));
    expect(serve(orderOf(...calls))).toEqual(calls);
  });

  it('serves tenants the same number of tokens, whatever the size of their calls', () => {
    const sizes: Readonly<Record<string, number>> = { small: 100, middle: 3_000, long: 30_000 };
    const order = orderOf(
      ...Object.entries(sizes).flatMap(([tenant, size]) => Array.from({ length: 300_000 / size }, () => call(tenant, size))),
    );
    const served: Call[] = [];
    while (served.reduce((total, { costTokens }) => total + costTokens, 0) < 450_000) served.push(...serve(order, 1));
    for (const tenant of Object.keys(sizes)) {
      expect(sum(served, tenant)).toBeGreaterThan(120_000);
      expect(sum(served, tenant)).toBeLessThan(180_000);
    }
  });

  it('serves tenants by turns if each call is longer than a turn', () => {
    const order = orderOf(...['a', 'b', 'c'].flatMap((tenant) => Array.from({ length: 20 }, () => call(tenant, 10_000))));
    const served = serve(order, 15);
    expect(['a', 'b', 'c'].map((tenant) => sum(served, tenant))).toEqual([50_000, 50_000, 50_000]);
  });

  it('serves tenants by their weights', () => {
    const order = orderOf(
      ...Array.from({ length: 800 }, (_, at) => (at % 2 === 0 ? call('one', 1_000) : call('three', 1_000, { weight: 3 }))),
    );
    const served = serve(order, 400);
    expect(sum(served, 'three') / sum(served, 'one')).toBeCloseTo(3, 0);
  });

  it('finds the next call at once where prompts are far longer than a turn', () => {
    const order = orderOf(...Array.from({ length: 200 }, (_, at) => call(`tenant ${at}`, 1_000_000_000)));
    const cpuMs = cpuTimer();
    expect(serve(order)).toHaveLength(200);
    expect(cpuMs()).toBeLessThan(1_000);
  });

  it('serves the most urgent class first, and 1 call in 11 of each lower one', () => {
    const order = orderOf(
      ...Array.from({ length: 100 }, () => call('a', 10, { queueClass: 'batch' })),
      ...Array.from({ length: 100 }, () => call('b', 10)),
      ...Array.from({ length: 400 }, () => call('c', 10, { queueClass: 'critical' })),
    );
    const served = serve(order, 400);
    const countOf = (name: QueueClass): number => served.filter(({ queueClass }) => queueClass === name).length;
    expect(countOf('critical')).toBe(328);
    expect(countOf('default')).toBe(36);
    expect(countOf('batch')).toBe(36);
  });

  it('counts the calls that pass a lower class only while one of it waits', () => {
    const urgent = (): Call => call('a', 10, { queueClass: 'critical' });
    const order = orderOf(...Array.from({ length: 20 }, urgent));
    serve(order, 15);
    const batch = call('b', 10, { queueClass: 'batch' });
    order.add(batch);
    expect(serve(order, 5)).not.toContain(batch);
    order.remove(batch);
    for (let at = 0; at < 20; at++) order.add(urgent());
    serve(order, 10);
    order.add(batch);
    const served = serve(order, 10);
    expect(served.indexOf(batch)).toBe(9);
  });

  it('leaves each class a tenth of the places of a full queue', () => {
    const many = (count: number, queueClass: QueueClass): Call[] => Array.from({ length: count }, () => call('a', 1, { queueClass }));
    const most = { calls: 40, promptTokens: 1_000 };
    const usual = many(38, 'default');
    const batch = many(2, 'batch');
    const order = orderOf(...usual, ...batch);
    const newcomer = call('b', 1, { queueClass: 'batch' });
    expect(order.victimsFor(newcomer, most)).toEqual([usual[37]]);
    expect(order.victimsFor(call('b', 1), most)).toBeUndefined();
    expect(order.victimsFor(call('b', 101, { queueClass: 'batch' }), most)).toBeUndefined();
    order.remove(usual[37]);
    order.remove(usual[36]);
    for (const each of many(2, 'batch')) order.add(each);
    expect(order.victimsFor(newcomer, most)).toBeUndefined();
    expect(order.victimsFor(call('b', 1, { queueClass: 'critical' }), most)).toEqual([usual[35]]);
  });

  it('leaves each class a tenth of the places of a tenant', () => {
    const many = (count: number, queueClass: QueueClass, tenant = 'a'): Call[] =>
      Array.from({ length: count }, () => call(tenant, 1, { queueClass }));
    const [usual, batch] = [many(9, 'default'), many(1, 'batch')];
    const order = orderOf(...usual, ...batch, ...many(5, 'batch', 'b'));
    const victimOf = (queueClass: QueueClass, most = 10) => order.victimInTenant(call('a', 1, { queueClass }), most);
    expect(victimOf('batch')).toBeUndefined();
    expect(victimOf('default')).toBeUndefined();
    expect(victimOf('critical')).toBe(usual[8]);
    expect(victimOf('critical', 9)).toBe(batch[0]);
    order.remove(batch[0]);
    expect(victimOf('batch')).toBe(usual[8]);
    const other = many(1, 'critical')[0];
    order.add(other);
    expect(victimOf('default')).toBeUndefined();
    expect(victimOf('batch')).toBe(usual[8]);
  });

  it('passes over blocked calls, whose tenant goes first once they may go', () => {
    const [blocked, free, later] = [call('a', 9_000), call('b', 10), call('b', 10)];
    const order = orderOf(blocked, free, later);
    expect(serve(order, 1, (each) => each === blocked)).toEqual([free]);
    expect(serve(order)).toEqual([later, blocked]);
    expect(order.next(anything)).toBeUndefined();
  });

  it('serves a lower class where the more urgent calls are blocked', () => {
    const [urgent, batch] = [call('a', 10, { queueClass: 'critical' }), call('a', 10, { queueClass: 'batch' })];
    const order = orderOf(urgent, batch);
    expect(order.next((each) => each === urgent)).toBe(batch);
    expect(order.next(() => true)).toBeUndefined();
  });

  it('gives up the newest of the lowest class for a more urgent call, and only as many as it needs', () => {
    const batch = [300, 200, 100].map((tokens) => call('a', tokens, { queueClass: 'batch' }));
    const usual = call('b', 100);
    const order = orderOf(...batch, usual);
    const urgent = call('c', 250, { queueClass: 'critical' });
    expect(order.victimsFor(urgent, { calls: 4, promptTokens: 10_000 })).toEqual([batch[2]]);
    expect(order.victimsFor(urgent, { calls: 9, promptTokens: 700 })).toEqual([batch[2], batch[1]]);
    expect(order.victimsFor(urgent, { calls: 1, promptTokens: 10_000 })).toEqual([batch[2], batch[1], batch[0], usual]);
    expect(order.victimsFor(urgent, { calls: 9, promptTokens: 200 })).toBeUndefined();
    expect(order.victimsFor(call('d', 1), { calls: 4, promptTokens: 10_000 })).toEqual([batch[2]]);
    expect(order.victimsFor(call('d', 1, { queueClass: 'batch' }), { calls: 4, promptTokens: 10_000 })).toBeUndefined();
    expect(order.size).toBe(4);
  });

  it('keeps nothing of calls that have left', () => {
    const calls = Array.from({ length: 500 }, (_, at) => call(`tenant ${at % 7}`, at));
    const order = orderOf(...calls);
    for (const each of calls.filter((_, at) => at % 3 !== 0)) order.remove(each);
    serve(order);
    expect([order.size, order.promptTokens, [...order].length, order.sizeOf('tenant 1')]).toEqual([0, 0, 0, 0]);
  });
});
