import { viewOf } from '../../../test/support/layer-calls.js';
import { BudgetExceededError, RouterRateLimitError } from '../../common/http-errors.js';
import { BodyFacts } from '../../http/token-estimate/body-facts.js';
import { CallQueue } from '../../queue/call-queue.js';
import { resolveOptions } from '../../common/option.js';
import { QUEUE, type QueueOptions } from '../../queue/queue.options.js';
import { CallCancellation } from '../cancellation.js';
import { Failure } from '../failure.js';
import type { CallView } from '../attempt.js';
import { queuedAdmission } from './queued-admission.js';

const deployment = { id: 'a', modelName: 'm', params: {}, info: {}, pricesOf: () => [] };
const selection = { deployment, group: 'm', model: 'gpt-4o' };
const full = (reached: string[] = ['concurrency'], retryAfterMs?: number): Error =>
  new RouterRateLimitError('m', retryAfterMs, [], undefined, reached as never);
const held = new BudgetExceededError({ limitName: 'l', reason: 'budget_held' } as never);

describe('queuedAdmission', () => {
  let nowMs: number;
  beforeEach(() => {
    nowMs = 1_000_000;
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => jest.useRealTimers());

  const pass = async (ms: number): Promise<void> => {
    // What is about to wait sets its timers first.
    await jest.advanceTimersByTimeAsync(0);
    nowMs += ms;
    await jest.advanceTimersByTimeAsync(ms);
  };

  /**
   * Admission to a deployment; `acquire` decides whether it takes a call, and `hold` about its
   * money.
   */
  function opened(options: QueueOptions = {}) {
    const queue = new CallQueue(resolveOptions(QUEUE, 'queue', options), { now: () => nowMs, component: 'test' });
    const asked: string[] = [];
    const unused: unknown[] = [];
    const state = { error: undefined as Error | undefined, of: (_: object): Error | undefined => state.error };
    const acquire = (model: string, context: object): unknown => {
      asked.push(model);
      const error = state.of(context);
      if (error !== undefined) throw error;
      return selection;
    };
    const router = { acquire, release: (each: unknown) => unused.push(each) };
    const now = (): number => nowMs;
    const admit = queuedAdmission({ queue, options: resolveOptions(QUEUE, 'queue', options), now }, {
      router,
      maxOutputOf: () => 1,
    } as never);
    return { admit, queue, asked, unused, state };
  }

  const callOf = (more: object = {}): CallView =>
    viewOf({
      asked: { model: 'm', operation: 'chat', facts: new BodyFacts({}) },
      options: {},
      context: {},
      waitedMs: 0,
      leftMs: Infinity,
      attemptMs: Infinity,
      cancellation: new CallCancellation(),
      ...more,
    });
  /** A hold that returns these results one after the other, and is notified when room is freed. */
  const moneyOf = (...answers: unknown[]) => {
    const freed: (() => void)[] = [];
    const hold = {
      holdsMoney: true,
      unpricedNanoUsd: 5,
      hold: () => Promise.resolve(answers.shift() ?? { nanoUsd: 5 }),
      whenFreed: (listener: () => void) => {
        freed.push(listener);
        return () => freed.splice(freed.indexOf(listener), 1);
      },
      expectedOutput: () => undefined,
      medianOutput: () => undefined,
    };
    return { request: { hold }, freed };
  };

  it('selects at once while nothing waits', () => {
    const { admit, asked, queue } = opened();
    expect(admit(callOf())).toBe(selection);
    expect([asked, queue.length]).toEqual([['m'], 0]);
  });

  it('waits until a deployment takes the call, and adds up the time', async () => {
    const { admit, queue, state } = opened();
    state.error = full();
    const view = callOf();
    const admitted = admit(view) as Promise<unknown>;
    await pass(30);
    expect(queue.length).toBe(1);
    state.error = undefined;
    queue.wake();
    await pass(0);
    expect(await admitted).toBe(selection);
    expect([queue.length, view.call.waitedMs]).toEqual([0, 30]);
  });

  it('waits its turn after calls in the queue, although a deployment is free', async () => {
    const { admit, queue, state } = opened();
    state.error = full();
    const order: string[] = [];
    const first = (admit(callOf()) as Promise<unknown>).then(() => order.push('first'));
    await pass(1);
    state.error = undefined;
    const second = (admit(callOf()) as Promise<unknown>).then(() => order.push('second'));
    expect(queue.length).toBe(2);
    queue.wake();
    await pass(0);
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });

  it('ends with a failure that another group may still answer once the call has waited its time', async () => {
    const { admit, state } = opened({ maxWaitMs: 50 });
    state.error = full();
    const admitted = admit(callOf()) as Promise<unknown>;
    await pass(50);
    expect(await admitted).toMatchObject({ fault: 'pool', reason: { kind: 'rate_limit', status: 429 }, error: { code: 'QUEUE_TIMEOUT' } });
  });

  it.each([
    ['while its attempt may run', { attemptMs: 20 }],
    ['while the call may run', { leftMs: 20 }],
  ])('waits no longer than %s', async (_, limits) => {
    const { admit, state } = opened();
    state.error = full();
    const admitted = admit(callOf(limits)) as Promise<unknown>;
    await pass(20);
    expect(await admitted).toBeInstanceOf(Failure);
  });

  const failedBy = (kind: string): object => ({ after: { last: { reason: { kind } }, tried: {} } });
  const fallback = { alternatives: () => ({ hasNext: () => true }) };
  it.each<[string, Error, object, object, boolean]>([
    ['of a full deployment', full(), {}, {}, true],
    ['of a full deployment, although a fallback is left', full(), fallback, {}, true],
    ['of a used-up minute', full(['requests'], 20), {}, {}, true],
    ['of a used-up minute if a fallback is left', full(['requests'], 20), fallback, {}, false],
    ['of a minute that ends too late', full(['requests'], 60_000), {}, {}, false],
    ['of tokens that a call in flight may give back sooner', full(['tokens'], 60_000), {}, {}, true],
    ['of a quota of which more may be left', full(['quota'], 60_000), {}, {}, true],
    ['of tokens if a fallback is left', full(['tokens'], 60_000), fallback, {}, false],
    ['after a 429', full(), {}, failedBy('rate_limit'), true],
    ['after any other failure', full(), {}, failedBy('server'), false],
  ])('waits or not: %s', async (_, error, call, parts, waits) => {
    const { admit, queue, state } = opened();
    state.error = error;
    const view = callOf(call);
    const admitted = Promise.resolve(admit(Object.assign(view, parts)));
    await pass(0);
    expect(queue.length).toBe(waits ? 1 : 0);
    if (!waits) return expect(await admitted).toMatchObject({ error, fault: 'provider' });
    state.error = undefined;
    queue.wake();
    await pass(20);
    expect(await admitted).toBe(selection);
  });

  it.each([
    ['tags', { tags: ['free'] }],
    ['blocked models', { blockedModels: ['x'] }],
    ['excluded deployments', { excludeIds: ['x'] }],
    ['a strategy', { strategy: 'least_busy' }],
  ])('does not hold up calls with other %s, which may need other deployments', async (_, context) => {
    const { admit, queue, state } = opened();
    state.error = full();
    const plain = callOf();
    const held = admit(plain) as Promise<unknown>;
    const same = admit(callOf({ context })) as Promise<unknown>;
    await pass(0);
    expect(queue.length).toBe(2);
    const seen: unknown[] = [];
    state.of = (asked) => (seen.push(asked), asked === plain.call.context ? full() : undefined);
    queue.wake();
    await pass(0);
    expect(await same).toBe(selection);
    expect([queue.length, seen]).toEqual([1, [plain.call.context, context]]);
    state.of = () => undefined;
    queue.wake();
    await pass(0);
    expect(await held).toBe(selection);
  });

  it.each<[string, string[], number[]]>([
    ['of used-up tokens, unless one that needs no more could not go', ['tokens'], [0, 1, 3, 4]],
    ['of a used-up quota, unless one that needs no more could not go', ['quota'], [0, 1, 3, 4]],
    ['of a full deployment, once for all', ['concurrency'], [0]],
  ])('tries calls %s', async (_, reached, expected) => {
    const { admit, queue, state } = opened();
    state.error = full(reached);
    // Prompt tokens, output tokens of each choice, and choices.
    const calls = [
      [90, 5, 5],
      [100, 0, 1],
      [100, 5, 1],
      [90, 5, 2],
      [10, 0, 1],
    ].map(([promptTokens, maxTokens, choices], at) => {
      const asked = { model: 'm', operation: 'chat', maxTokens, facts: { output: { choices } } };
      return callOf({ promptTokens, asked, context: { inputTokens: at } });
    });
    const waiting = calls.map((call) => admit(call) as Promise<unknown>);
    await pass(0);
    const tried: unknown[] = [];
    state.of = (context) => (tried.push((context as { inputTokens: number }).inputTokens), state.error);
    queue.wake();
    await pass(0);
    expect(tried).toEqual(expected);
    state.error = undefined;
    for (let at = 0; at < calls.length; at++) {
      queue.wake();
      await pass(0);
    }
    expect(await Promise.all(waiting)).toEqual(calls.map(() => selection));
  });

  it('tries each call that leaves out deployments that it has tried', async () => {
    const { admit, queue, state } = opened();
    state.error = full();
    const calls = [1, 2].map((inputTokens) => Object.assign(callOf({ context: { inputTokens } }), failedBy('rate_limit')));
    const waiting = calls.map((call) => admit(call) as Promise<unknown>);
    await pass(0);
    const tried: unknown[] = [];
    state.of = (context) => (tried.push((context as { inputTokens: number }).inputTokens), full());
    queue.wake();
    await pass(0);
    expect(tried).toEqual([1, 2]);
    await pass(10_000);
    for (const each of await Promise.all(waiting)) expect(each).toBeInstanceOf(Failure);
  });

  it('throws an error that neither waiting nor a fallback would help', async () => {
    const { admit, state } = opened();
    state.error = new TypeError('mistake');
    expect(() => admit(callOf())).toThrow('mistake');
    const cancellation = new CallCancellation();
    state.error = full();
    const admitted = admit(callOf({ cancellation })) as Promise<unknown>;
    cancellation.cancel(new Error('left'));
    await expect(admitted).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
  });

  describe('with a budget', () => {
    it('selects and holds as one step', async () => {
      const { admit, unused } = opened();
      const view = callOf(moneyOf());
      expect(await admit(view)).toBe(selection);
      expect([view.heldAhead, unused]).toEqual([{ nanoUsd: 5 }, []]);
    });

    it('releases the selection while calls in flight hold the money, and tries again when some is freed', async () => {
      const { admit, queue, unused, asked } = opened();
      const { request, freed } = moneyOf({ error: held });
      const admitted = admit(callOf({ request })) as Promise<unknown>;
      await pass(1);
      expect([unused, queue.length, freed.length]).toEqual([[selection], 1, 1]);
      freed[0]();
      await pass(0);
      expect(await admitted).toBe(selection);
      expect([asked, freed]).toEqual([['m', 'm'], []]);
    });

    it('asks again every 250 ms: another process may have settled', async () => {
      const { admit, asked } = opened();
      const { request } = moneyOf({ error: held }, { error: held });
      const admitted = admit(callOf({ request })) as Promise<unknown>;
      await pass(249);
      expect(asked).toHaveLength(1);
      await pass(1);
      expect(asked).toHaveLength(2);
      await pass(250);
      expect(await admitted).toBe(selection);
    });

    it('ends with the denial once the call has waited its time', async () => {
      const { admit } = opened({ maxWaitMs: 100 });
      const { request } = moneyOf({ error: held });
      const admitted = admit(callOf({ request })) as Promise<unknown>;
      await pass(100);
      expect(await admitted).toMatchObject({ error: held, fault: 'caller', reason: { kind: 'bad_request', status: 429 } });
    });

    it('holds nothing if no deployment can be selected', async () => {
      const { admit, state } = opened();
      state.error = full(['requests'], 20);
      const view = callOf({ ...moneyOf(), ...fallback });
      expect(await admit(view)).toMatchObject({ error: state.error });
      expect(view.heldAhead).toBeUndefined();
    });

    it('leaves any other denial to the attempt', async () => {
      const { admit, unused } = opened();
      const denied = new BudgetExceededError({ limitName: 'l', reason: 'budget_exhausted' } as never);
      const view = callOf(moneyOf({ error: denied }));
      expect(await admit(view)).toBe(selection);
      expect([view.heldAhead, unused]).toEqual([undefined, []]);
    });
  });
});
