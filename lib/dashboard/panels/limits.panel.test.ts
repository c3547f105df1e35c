import type { BudgetState, DashboardSnapshot, LimitState } from '../dashboard.snapshot.js';
import { limitsPanel } from './limits.panel.js';
import { budgetsPanel } from './spend.panel.js';

const LIMIT: LimitState = { limit: 'api-key', keyHash: '0123456789', unit: 'requests', total: 5, remaining: 0, resetMs: 9_000 };
const BUDGET: BudgetState = { limit: 'team', keyHash: '9876543210', period: 'month', limitUsd: 5, spentUsd: 4, heldUsd: 0, resetMs: 9_000 };

describe('limitsPanel and budgetsPanel', () => {
  it('name the key where the dashboard shows that name elsewhere', () => {
    expect(limitsPanel({ limits: [{ ...LIMIT, keyName: 'mobile' }] } as unknown as DashboardSnapshot)!.text).toMatch(
      /api-key<\/strong> mobile/,
    );
    expect(budgetsPanel({ budgets: [{ ...BUDGET, keyName: '<red>' }] } as unknown as DashboardSnapshot)!.text).toMatch(
      /team<\/strong> &lt;red&gt;/,
    );
  });

  it('show the hash of any other key', () => {
    expect(limitsPanel({ limits: [LIMIT] } as unknown as DashboardSnapshot)!.text).toContain('<code>0123456789</code>');
    expect(budgetsPanel({ budgets: [BUDGET] } as unknown as DashboardSnapshot)!.text).toContain('<code>9876543210</code>');
  });
});
