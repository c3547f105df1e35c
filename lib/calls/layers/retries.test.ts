import fc from 'fast-check';
import { BudgetExceededError, UnsupportedRequestError } from '../../common/http-errors.js';
import { failedOn, nextOf, viewOf } from '../../../test/support/layer-calls.js';
import { Failure } from '../failure.js';
import { retries, retriesAllowed, RetryBudget, retryWaitMs, type RetryFacts } from './retries.js';

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
    ['504, where a policy speaks of time-outs', { status: 504, policy: { TimeoutErrorRetries: 3, InternalServerErrorRetries: 1 } }, 3],
    ...(['server', 'connection', 'malformed'] as const).map((kind): [string, Partial<RetryFacts>, number] => [
      `a failure of the kind ${kind}, where a policy speaks of 500`,
      { kind, policy: { InternalServerErrorRetries: 5 } },
      5,
    ]),
    ['429, where a policy says so', { kind: 'rate_limit', policy: { RateLimitErrorRetries: 5 } }, 5],
    ['409, where a policy speaks of other errors', { status: 409, policy: { InternalServerErrorRetries: 5 } }, 2],
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

describe('retries', () => {
  const [a, b] = [failedOn({ id: 'a' }), failedOn({ id: 'b' })];
  const denied = (): Failure =>
    failedOn({ id: 'a' }, { kind: 'bad_request' }, new BudgetExceededError({ limitName: 'l', reason: 'budget_held' } as never), 'caller');
  const unfit = (): Failure =>
    failedOn(
      { id: 'a' },
      { kind: 'bad_request' },
      new UnsupportedRequestError({ provider: 'p', reason: 'no', remedy: 'change it' }),
      'caller',
    );

  interface Given {
    /** Healthy deployments of the group besides the one that failed. */
    readonly others?: number;
    readonly numRetries?: number;
    readonly budget?: number;
    readonly model?: string;
    readonly policy?: object;
    readonly ofGroups?: object;
    readonly waiting?: object;
    readonly call?: object;
    readonly parts?: object;
    readonly onWait?: (call: { isSpent: boolean }) => unknown;
  }

  async function run(outcomes: readonly unknown[], given: Given = {}) {
    const { others = 1, numRetries = 2, budget = 10, policy, ofGroups = {}, waiting, model = 'm' } = given;
    const retryBudget = new RetryBudget(budget / 100, 0, 0);
    const deposit = jest.spyOn(retryBudget, 'deposit');
    const router = {
      healthyCount: (_: string, { excludeIds = [] }: { excludeIds?: string[] }) => others + 1 - excludeIds.length,
      settings: { retryPolicy: policy, modelGroupRetryPolicy: ofGroups, retryAfterMs: 0 },
    };
    const waits: number[] = [];
    const call = {
      context: {},
      fallbacks: 0,
      retries: 0,
      waitedMs: 0,
      isSpent: false,
      isRetryDenied: false,
      retriesOn: () => numRetries,
      hasTimeFor: (ms: number) => ms < 10_000,
      ...given.call,
    };
    const wait = (ms: number): void => {
      waits.push(ms);
      given.onWait?.(call);
    };
    const cancellation = { wait: (ms: number) => Promise.resolve(wait(ms)) };
    const { views, next } = nextOf(...outcomes);
    const layer = retries({ router, retryBudget, waiting, now: () => 0, random: () => 0 } as never);
    const outcome = await layer(next)(viewOf(call, { target: { model }, cancellation, ...given.parts }));
    return { outcome, views, waits, call, deposits: deposit.mock.calls.length, tried: views.slice(1).map(({ after }) => after?.tried) };
  }

  it('repeats a failed attempt at once while another deployment of the tier is healthy', async () => {
    const { outcome, tried, waits, call } = await run([a, b, 'answer']);
    expect(outcome).toBe('answer');
    const common = { doneOrder: undefined, order: 1, mayRepeat: true };
    expect(tried).toEqual([
      { ...common, failedIds: ['a'] },
      { ...common, failedIds: ['a', 'b'] },
    ]);
    expect([waits, call.retries]).toEqual([[], 2]);
  });

  it('waits before it repeats if no other deployment is healthy, longer each time', async () => {
    const { outcome, waits } = await run([a, a, 'answer'], { others: 0 });
    expect([outcome, waits]).toEqual(['answer', [500, 1000]]);
  });

  it('ends with the last failure when the retries are used up', async () => {
    const last = failedOn({ id: 'c', order: 4 });
    const { outcome, call } = await run([a, b, last, 'answer']);
    expect(outcome).toBe(last);
    expect(call.retries).toBe(2);
    // The tier that was tried, not that of the last deployment.
    expect(last.tierOrder).toBe(1);
  });

  it('stays in the tier after those that are done', async () => {
    const after = { last: a, tried: { doneOrder: 1, order: undefined, failedIds: [], mayRepeat: true } };
    const { tried, deposits } = await run([failedOn({ id: 'd', order: 2 }), 'answer'], { parts: { after } });
    expect(tried).toEqual([{ doneOrder: 1, order: 2, failedIds: ['d'], mayRepeat: true }]);
    expect(deposits).toBe(0);
  });

  it('counts a call once for the retries of all calls', async () => {
    expect((await run([a, 'answer'])).deposits).toBe(1);
    expect((await run([a, 'answer'], { call: { fallbacks: 1 } })).deposits).toBe(0);
  });

  it('tries another deployment if one is unfit, which is not a retry', async () => {
    const { outcome, tried } = await run([unfit(), 'answer'], { numRetries: 0, budget: 0 });
    expect([outcome, tried[0]?.mayRepeat]).toEqual(['answer', false]);
    const last = unfit();
    expect((await run([last, 'answer'], { others: 0 })).outcome).toBe(last);
  });

  it('counts no retry after an attempt that a budget denied before it was sent', async () => {
    expect((await run([denied(), 'answer'])).call.retries).toBe(0);
  });

  it('ends with the failure of the attempt if the next selection finds no deployment', async () => {
    const none = new Failure(new Error('none'), 'provider', { kind: 'rate_limit' });
    expect((await run([a, none])).outcome).toBe(a);
    expect((await run([none])).outcome).toBe(none);
  });

  const asked = { alternatives: () => ({ hasHealthy: () => true, hasNext: () => true }) };
  it.each<[string, readonly unknown[], Given]>([
    ['of a deployment that is called by its id', [a], { model: 'a' }],
    ['for which the call has no time', [failedOn({ id: 'a' }, { retryAfterMs: 10_000 })], { others: 0 }],
    ['after a `Retry-After`, if a fallback could answer', [failedOn({ id: 'a' }, { retryAfterMs: 10 })], { others: 0, call: asked }],
    ['that the policy forbids', [a], { policy: { InternalServerErrorRetries: 0 } }],
    ["that the model group's policy forbids", [a], { policy: { DefaultRetries: 3 }, ofGroups: { m: { InternalServerErrorRetries: 0 } } }],
    ['of a 429 without a healthy deployment', [failedOn({ id: 'a' }, { kind: 'rate_limit' })], { others: -1 }],
    [
      'of a 429, with a queue, if a fallback is left',
      [failedOn({ id: 'a' }, { kind: 'rate_limit' })],
      { others: -1, waiting: {}, call: asked },
    ],
  ])('makes no retry %s', async (_, outcomes, given) => {
    expect((await run([...outcomes, 'answer'], given)).outcome).toBe(outcomes[0]);
  });

  it('neither waits nor counts a retry once a call may make no more attempts', async () => {
    const { outcome, waits, call } = await run([a, 'answer'], { others: 0, call: { isSpent: true } });
    expect([outcome, waits, call.retries]).toEqual([a, [], 0]);
  });

  it('makes no attempt if the time of the call is over after the wait', async () => {
    const { outcome, views } = await run([a, 'answer'], { others: 0, onWait: (call) => (call.isSpent = true) });
    expect([outcome, views.length]).toEqual([a, 1]);
  });

  it('adds what a call has waited to its other waits', async () => {
    let nowMs = 1_000;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const { call } = await run([a, b, 'answer'], { others: 0, call: { waitedMs: 5 }, onWait: () => (nowMs += 70) });
    clock.mockRestore();
    expect(call.waitedMs).toBe(145);
  });

  it('retries a 429 of all deployments if the call can wait in a queue', async () => {
    expect((await run([failedOn({ id: 'a' }, { kind: 'rate_limit' }), 'answer'], { others: -1, waiting: {} })).outcome).toBe('answer');
  });

  it('retries without a `Retry-After` although a fallback could answer', async () => {
    expect((await run([a, 'answer'], { others: 0, call: asked })).waits).toEqual([500]);
  });

  it("prefers a deployment's own number of retries to the policy", async () => {
    const own = failedOn({ id: 'a', numRetries: 1 } as never);
    expect((await run([own, 'answer'], { policy: { DefaultRetries: 0 } })).outcome).toBe('answer');
  });

  it('records that a retry was denied when those of all calls are used up', async () => {
    const { outcome, call } = await run([a, 'answer'], { budget: 0 });
    expect([outcome, call.isRetryDenied]).toEqual([a, true]);
    expect((await run([a, 'answer'])).call.isRetryDenied).toBe(false);
  });
});
