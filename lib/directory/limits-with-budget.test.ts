import type { RateLimits } from '../rate-limit/limits.js';
import { limitsWithBudget } from './limits-with-budget.js';

it.each<[string, RateLimits | undefined, RateLimits | undefined, RateLimits | undefined]>([
  ['none of both', undefined, undefined, undefined],
  ['those of the budget', undefined, { requestsPerMinute: 1 }, { requestsPerMinute: 1 }],
  ['its own', { requestsPerMinute: 0 }, { requestsPerMinute: 1 }, { requestsPerMinute: 0 }],
  ['some of each', { tokensPerMinute: 5 }, { requestsPerMinute: 1 }, { tokensPerMinute: 5, requestsPerMinute: 1 }],
  ['its own money alone', { usdTotal: 9 }, { usdPerWindow: 1, usdWindow: '30d', maxConcurrent: 2 }, { usdTotal: 9, maxConcurrent: 2 }],
  ['its own bucket alone', { requestsPerSecond: 2 }, { requestsPerSecond: 5, burst: 50 }, { requestsPerSecond: 2 }],
])('a record has %s', (_, limits, ofBudget, expected) => {
  const budget = ofBudget && { id: 'b', limits: ofBudget };
  const effective = limitsWithBudget({ limits }, budget);
  expect(effective).toEqual(expected);
  if (effective !== undefined) expect([limits, ofBudget]).not.toContain(effective);
});
