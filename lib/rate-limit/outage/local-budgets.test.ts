import type { BudgetStanding } from '../budget/account.js';
import { compileLimit } from '../limits.js';
import type { BudgetChange } from '../store.js';
import { LocalBudgets } from './local-budgets.js';

describe('LocalBudgets', () => {
  it('remember the keys that were seen last, so that others cannot have a key start anew', () => {
    const limit = compileLimit('default', { usdPerDay: 10 }, 'rateLimit');
    const budgets = new LocalBudgets(() => 'id');
    const standing = { spentNanoUsd: 8, heldNanoUsd: 1, resetsAtMs: Infinity } as unknown as BudgetStanding;
    const see = (key: string): void => budgets.see({ limit, key }, [standing]);
    see('busy');
    for (let other = 0; other < 30_000; other++) {
      see(`other ${other}`);
      if (other % 1_000 === 0) see('busy');
    }
    const changes: BudgetChange[] = [];
    budgets.divided([{ limit, key: 'busy' }], { count: 2, outage: 1, nowMs: 0 }, (_, change) => changes.push(change));
    expect(changes).toEqual([{ budget: 0, kind: 'spent', nanoUsd: 5 }]);
  });
});
