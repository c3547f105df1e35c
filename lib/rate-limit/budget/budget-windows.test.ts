import { compileLimit, type RateLimits } from '../limits.js';
import { BudgetWindows } from './budget-windows.js';

const DAY_MS = 86_400_000;

describe('the windows of budgets', () => {
  const START_MS = Date.parse('2026-03-10T00:00:00Z');
  const budgetsOf = (limits: RateLimits) => compileLimit('a', limits, 'limits').budgets ?? [];

  it.each<[string, RateLimits]>([
    ['endless', { usdTotal: 1 }],
    ['sliding', { usdPerWindow: 1, usdWindow: '2h', usdWindowKind: 'sliding' }],
    ['of a calendar', { usdPerDay: 1 }],
  ])('are computed once while they last: %s', (_, limits) => {
    let nowMs = START_MS;
    const windows = new BudgetWindows(() => nowMs);
    const budgets = budgetsOf(limits);
    const first = windows.figuresOf(budgets);
    nowMs += DAY_MS - 1;
    expect(windows.figuresOf(budgets)).toBe(first);
  });

  it('move with the calendar, in both directions and by the clock of the store', () => {
    let nowMs = START_MS;
    const windows = new BudgetWindows(() => nowMs);
    const budgets = budgetsOf({ usdPerDay: 1, usdPerMonth: 9 });
    const boundsOfDay = () => windows.figuresOf(budgets).slice(4, 8);
    const from = (startMs: number) => [-1, 0, 1, 2].map((days) => startMs + days * DAY_MS);
    expect(boundsOfDay()).toEqual(from(START_MS));
    nowMs += DAY_MS;
    expect(boundsOfDay()).toEqual(from(START_MS + DAY_MS));
    nowMs -= 1;
    expect(boundsOfDay()).toEqual(from(START_MS));
    windows.learn(nowMs + 1);
    expect(boundsOfDay()).toEqual(from(START_MS + DAY_MS));
    windows.learn(START_MS - 1);
    expect(boundsOfDay()).toEqual(from(START_MS - DAY_MS));
  });
});
