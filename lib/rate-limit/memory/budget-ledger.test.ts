import { refuseOption } from '../../common/options.js';
import { compileLimit } from '../limits.js';
import type { RateLimitScope } from '../store.js';
import { BudgetLedger, type BudgetHold } from './budget-ledger.js';

const NOON = Date.parse('2024-02-29T12:00:00Z');
const DAY_MS = 86_400_000;

function scopeOf(key: string, name = 'default'): RateLimitScope {
  return { key, limit: compileLimit(name, { usdPerDay: 1 }, '', refuseOption) };
}

function take(ledger: BudgetLedger, scope: RateLimitScope, nanoUsd: number, nowMs = NOON): BudgetHold {
  const hold = ledger.ask([scope], nanoUsd, nowMs);
  if (ledger.denial(hold) === undefined) ledger.hold(hold);
  return hold;
}

function inner(ledger: BudgetLedger): { readonly books: Map<string, unknown>; readonly open: { readonly size: number } } {
  return ledger as unknown as ReturnType<typeof inner>;
}

describe('BudgetLedger', () => {
  it('keeps no book whose accounts are forgotten, where each call brings another limit', () => {
    const ledger = new BudgetLedger(10, []);
    for (let i = 0; i < 100; i++) {
      const scope = scopeOf('a', `limit ${i}`);
      ledger.settle(take(ledger, scope, 5), 5, () => NOON);
      ledger.standings(scopeOf('never used', `other ${i}`), NOON);
    }
    expect(inner(ledger).books.size).toBe(10);
    expect(ledger.size).toBe(10);
    ledger.reset(scopeOf('a', 'limit 99'));
    expect(inner(ledger).books.size).toBe(9);
  });

  it('counts limits of one name together, though their book came and went', () => {
    const ledger = new BudgetLedger(10, []);
    const [one, other] = [scopeOf('a'), scopeOf('a')];
    expect(ledger.standings(other, NOON)).toMatchObject([{ spentNanoUsd: 0 }]);
    for (const [first, second] of [
      [one, other],
      [other, one],
    ]) {
      ledger.settle(take(ledger, first, 7), 7, () => NOON);
      ledger.settle(take(ledger, second, 2), 2, () => NOON);
      expect(ledger.standings(one, NOON)).toMatchObject([{ spentNanoUsd: 9 }]);
      expect(ledger.standings(other, NOON)).toMatchObject([{ spentNanoUsd: 9 }]);
      ledger.reset(first);
    }
    const twice = ledger.ask([scopeOf('b'), scopeOf('b')], 600_000_000, NOON);
    expect(ledger.denial(twice)).toMatchObject({ reason: 'request_exceeds_budget', scope: 1 });
  });

  it('lists the oldest holds first, also where one took the place of a settled one', () => {
    const ledger = new BudgetLedger(10, []);
    const scope = scopeOf('a');
    const [first] = [10, 20, 30].map((nanoUsd, i) => take(ledger, scope, nanoUsd, NOON + i));
    ledger.settle(first, 10, () => NOON + 3);
    take(ledger, scope, 40, NOON + 4);
    take(ledger, scopeOf('b'), 50, NOON + 4);
    const oldest = [
      { nanoUsd: 20, ageMs: 4 },
      { nanoUsd: 30, ageMs: 3 },
      { nanoUsd: 40, ageMs: 1 },
    ];
    expect(ledger.holds(scope, NOON + 5)).toEqual({ count: 3, oldest });
  });

  it('remembers no hold of nothing, and the first 100,000 others that are never settled', () => {
    const ledger = new BudgetLedger(10, []);
    const scope = scopeOf('a');
    for (let i = 0; i < 1_000; i++) take(ledger, scope, 0);
    expect(ledger.holds(scope, NOON)).toEqual({ count: 0, oldest: [] });
    const holds = Array.from({ length: 100_010 }, (_, i) => take(ledger, scope, 1, NOON + i));
    expect(inner(ledger).open.size).toBe(100_000);
    expect(ledger.holds(scope, NOON + 100_010).oldest[0]).toEqual({ nanoUsd: 1, ageMs: 100_010 });
    for (const hold of holds) ledger.settle(hold, 1, () => NOON);
    expect(inner(ledger).open.size).toBe(0);
    expect(ledger.standings(scope, NOON)).toMatchObject([{ spentNanoUsd: 100_010, heldNanoUsd: 0 }]);
  });

  it('gives the place of a forgotten key to another one, and settles nothing there', () => {
    const ledger = new BudgetLedger(10, []);
    const [a, b] = [scopeOf('a'), scopeOf('b')];
    const old = take(ledger, a, 40);
    ledger.reset(a);
    take(ledger, b, 2);
    ledger.settle(old, 40, () => NOON);
    expect(ledger.extend(old, 50, NOON)).toBeUndefined();
    expect(ledger.standings(b, NOON)).toMatchObject([{ spentNanoUsd: 0, heldNanoUsd: 2, totalNanoUsd: 0 }]);
    expect(ledger.standings(a, NOON)).toMatchObject([{ spentNanoUsd: 0, heldNanoUsd: 0 }]);
  });

  it('evicts the key that was used last before all others, a second aside', () => {
    const ledger = new BudgetLedger(2, []);
    const use = (key: string, nowMs: number) => ledger.settle(take(ledger, scopeOf(key), 3, nowMs), 3, () => nowMs);
    use('a', NOON);
    use('b', NOON + 1);
    use('a', NOON + 1_000);
    use('c', NOON + 1_001);
    expect([...ledger.entries()].map(([name]) => name.split('/').at(-1))).toEqual(['a', 'c']);
    expect(ledger.standings(scopeOf('a'), NOON + DAY_MS)).toMatchObject([{ spentNanoUsd: 0, totalNanoUsd: 6 }]);
  });

  it('takes a short key for no hash of a long one', () => {
    const ledger = new BudgetLedger(10, []);
    take(ledger, scopeOf('x'.repeat(300)), 5);
    const [name] = [...ledger.entries()][0];
    const hash = name.slice(name.lastIndexOf('~'));
    expect(ledger.standings(scopeOf(hash), NOON)).toMatchObject([{ heldNanoUsd: 0 }]);
  });
});
