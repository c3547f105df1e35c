import fc from 'fast-check';
import { retriesAllowed, RetryBudget, retryWaitMs, type RetryFacts } from './retries.js';

const facts = (changes: Partial<RetryFacts>): RetryFacts => ({
  kind: 'server',
  healthy: 2,
  healthyOthers: 1,
  numRetries: 2,
  ...changes,
});

describe('retriesAllowed', () => {
  it.each<[string, Partial<RetryFacts>, number]>([
    ['a failed server', {}, 2],
    ['a time-out', { kind: 'timeout' }, 2],
    ['a lost connection', { kind: 'connection' }, 2],
    ['garbage', { kind: 'malformed' }, 2],
    ['429, with a healthy deployment left', { kind: 'rate_limit' }, 2],
    ['anything, with no healthy deployment', { healthy: 0, healthyOthers: 0 }, 0],
    ['404', { kind: 'not_found' }, 0],
    ['400', { kind: 'bad_request' }, 0],
    ['401, alone', { kind: 'authentication', healthyOthers: 0 }, 0],
    ['401, with another key', { kind: 'authentication' }, 2],
    ['a prompt that is too long', { kind: 'context_window' }, 0],
    ['a prompt that is not allowed', { kind: 'content_policy' }, 0],
    ['400, where a policy says so', { kind: 'bad_request', policy: { BadRequestErrorRetries: 1 } }, 1],
    ['a filter, where a policy says so', { kind: 'content_policy', policy: { ContentPolicyViolationErrorRetries: 3 } }, 3],
    ['a time-out, where a policy says none', { kind: 'timeout', policy: { TimeoutErrorRetries: 0, DefaultRetries: 4 } }, 0],
    ['a time-out, where a policy says nothing of it', { kind: 'timeout', policy: { RateLimitErrorRetries: 5 } }, 2],
    ['a time-out, by the default of a policy', { kind: 'timeout', policy: { RateLimitErrorRetries: 5, DefaultRetries: 4 } }, 4],
    ['404, where a policy speaks of 400', { kind: 'not_found', policy: { BadRequestErrorRetries: 9 } }, 0],
    ['404, where a policy says so', { kind: 'not_found', policy: { NotFoundErrorRetries: 3 } }, 3],
    ['401, alone, where a policy says so', { kind: 'authentication', healthyOthers: 0, policy: { AuthenticationErrorRetries: 3 } }, 3],
    ['503, where a policy speaks of it', { status: 503, policy: { ServiceUnavailableErrorRetries: 3, InternalServerErrorRetries: 1 } }, 3],
    ['502, where a policy speaks of it', { status: 502, policy: { BadGatewayErrorRetries: 3, InternalServerErrorRetries: 1 } }, 3],
    ['a filter, where a policy speaks of 400', { kind: 'content_policy', policy: { BadRequestErrorRetries: 3 } }, 3],
    ['a prompt that is too long, where a policy speaks of 400', { kind: 'context_window', policy: { BadRequestErrorRetries: 3 } }, 3],
  ])('retriesAllowed returns the retries for %s', (_, changes, retries) => {
    expect(retriesAllowed(facts(changes))).toBe(retries);
  });
});

describe('retryWaitMs', () => {
  const wait = (retry: number, changes: Partial<Parameters<typeof retryWaitMs>[1]> = {}, random = 0): number =>
    retryWaitMs(retry, { healthyOthers: 0, leastMs: 0, ...changes }, random);

  it('retries at once while another deployment is healthy', () =>
    expect(wait(3, { healthyOthers: 1, retryAfterMs: 9000, leastMs: 500 })).toBe(0));
  it('waits as long as the provider asks, up to a minute', () => {
    expect(wait(0, { retryAfterMs: 60_000 })).toBe(60_000);
    expect(wait(0, { retryAfterMs: 60_001 })).toBe(500);
    expect(wait(0, { retryAfterMs: 10, leastMs: 200 })).toBe(200);
  });
  it('doubles the wait up to eight seconds, with jitter on top', () => {
    expect([0, 1, 2, 3, 4, 5, 60].map((retry) => wait(retry))).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
    expect(wait(0, {}, 1)).toBe(1250);
    expect(wait(0, { leastMs: 3000 })).toBe(3000);
    expect(wait(9, { leastMs: 30_000 })).toBe(30_000);
  });
});

describe('RetryBudget', () => {
  it('allows retries for a share of the calls, and a few per second in addition', () => {
    const budget = new RetryBudget(0.5, 1, 0);
    const many = (nowMs: number): number => Array.from({ length: 1000 }, () => budget.withdraw(nowMs)).filter(Boolean).length;
    expect(many(0)).toBe(60);
    expect(budget.exhausted).toBe(940);
    for (let i = 0; i < 20; i++) budget.deposit();
    expect(many(0)).toBe(10);
    expect(many(5000)).toBe(5);
    expect(many(1000)).toBe(0);
  });

  it('never allows more retries than it was given', () => {
    const step = fc.record({ calls: fc.nat(20), tries: fc.nat(20), ms: fc.nat(3000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 0.2, 1), fc.constantFrom(0, 3), (steps, ratio, perSecond) => {
        const budget = new RetryBudget(ratio, perSecond, 0);
        let [nowMs, given] = [0, perSecond * 10 + ratio * 100];
        for (const { calls, tries, ms } of steps) {
          for (let i = 0; i < calls; i++) budget.deposit();
          nowMs += ms;
          given += calls * ratio + (ms / 1000) * perSecond;
          for (let i = 0; i < tries; i++) if (budget.withdraw(nowMs)) given -= 1;
          expect(given).toBeGreaterThan(-1e-6);
        }
      }),
    );
  });
});
