import { setTimeout as sleep } from 'node:timers/promises';
import { FastLiteLLM } from '../fast-litellm.js';
import { BudgetExceededError } from '../common/http-errors.js';
import type { AttemptHold, HoldDenial } from './request-hold.js';
import { RequestContext } from './request-context.js';

const NANO = 1_000_000_000;
const { rateLimiter: limiter } = new FastLiteLLM({
  logger: { log: () => {}, warn: () => {}, error: () => {} },
  rateLimit: { usdPerDay: 1, tokensPerMinute: 1_000, budgets: { unpricedUsd: 0.05 } },
});

describe('RequestHold', () => {
  const begin = (key: string, ...reservedUsd: number[]) => {
    const { hold } = RequestContext.of({});
    for (const usd of reservedUsd) hold.add(limiter, limiter.reserve(key, { usd }));
    const money = () => {
      const [{ spentUsd, heldUsd }] = limiter.getBudgets(key);
      return { spentUsd, heldUsd };
    };
    const held = async (usd: number): Promise<AttemptHold> => (await hold.hold(usd * NANO)) as AttemptHold;
    return { hold, money, held };
  };

  it('raises the reservation to the costs and holds of attempts', async () => {
    const { hold, money, held } = begin('raised', 0.1);
    const first = await held(0.2);
    expect(money()).toEqual({ spentUsd: 0, heldUsd: 0.2 });
    hold.settle(first, 0.05 * NANO);
    // What the first attempt gave back pays for a part of the second.
    const second = await held(0.25);
    expect(money()).toEqual({ spentUsd: 0, heldUsd: 0.3 });
    hold.settle(second, 0.01 * NANO);
    hold.end(false);
    expect(money()).toEqual({ spentUsd: 0.06, heldUsd: 0 });
  });

  it('adds up attempts that run at the same time', async () => {
    const { hold, money, held } = begin('parallel', 0.1);
    const both = await Promise.all([held(0.2), held(0.3)]);
    expect(money().heldUsd).toBe(0.5);
    hold.settle(both[1], 0.3 * NANO);
    hold.release(both[0]);
    hold.end(false);
    expect(money()).toEqual({ spentUsd: 0.3, heldUsd: 0 });
  });

  it('holds nothing for an attempt that a budget denies, and reports the remaining budget', async () => {
    const { hold, money, held } = begin('denied', 0.1);
    const first = await held(0.4);
    const denial = (await hold.hold(0.7 * NANO)) as HoldDenial;
    expect(denial.error).toBeInstanceOf(BudgetExceededError);
    expect(denial).toMatchObject({ leftNanoUsd: 0.6 * NANO, ownNanoUsd: 0 });
    expect(money().heldUsd).toBe(0.4);
    const fitting = await held(0.6);
    for (const each of [first, fitting]) hold.settle(each, each.nanoUsd);
    hold.end(false);
    expect(money()).toEqual({ spentUsd: 1, heldUsd: 0 });
  });

  it('holds nothing twice for reservations of the same budgets', async () => {
    const { hold, money, held } = begin('two guards', 0.1, 0.1);
    const attempt = await held(0.15);
    expect(money().heldUsd).toBe(0.2);
    const other = await held(0.15);
    expect(money().heldUsd).toBeCloseTo(0.3, 9);
    for (const each of [attempt, other]) hold.settle(each, 0.07 * NANO);
    hold.end(false);
    expect(money()).toEqual({ spentUsd: 0.14, heldUsd: 0 });
  });

  it('adds up attempts that run at the same time while a store decides about several budgets', async () => {
    const { hold, money, held } = begin('first set', 0.1);
    const other = begin('second set');
    hold.add(limiter, limiter.reserve('second set', { usd: 0.1 }));
    const raise = limiter.raise.bind(limiter);
    let raises = 0;
    const slow = jest.spyOn(limiter, 'raise').mockImplementation(async (...args) => {
      // The first budget of the second attempt is decided last but one.
      await sleep(++raises === 2 ? 20 : 0);
      return raise(...args);
    });
    await Promise.all([held(0.2), held(0.3)]);
    slow.mockRestore();
    expect([money().heldUsd, other.money().heldUsd]).toEqual([0.5, 0.5]);
  });

  it('charges unpricedUsd for an attempt without a known price, and nothing without any attempt', async () => {
    const unpriced = begin('unpriced', 0.1);
    unpriced.hold.settle(await unpriced.held(0.05), undefined);
    unpriced.hold.end(false);
    expect(unpriced.money()).toEqual({ spentUsd: 0.05, heldUsd: 0 });
    const none = begin('no attempt', 0.1);
    none.hold.beginCall();
    none.hold.endCall(0);
    none.hold.end(false);
    expect(none.money()).toEqual({ spentUsd: 0, heldUsd: 0 });
  });

  it('waits for attempts that are still read after the response', async () => {
    const { hold, money, held } = begin('drained', 0.1);
    hold.beginCall();
    const attempt = await held(0.2);
    hold.end(true);
    expect(money()).toEqual({ spentUsd: 0, heldUsd: 0.2 });
    hold.settle(attempt, 0.03 * NANO);
    hold.endCall(undefined, { tokens: 5, isUncounted: false });
    expect(money()).toEqual({ spentUsd: 0.03, heldUsd: 0 });
  });

  it('holds and charges each call that begins after the end, as of a message that makes several', async () => {
    const { hold, money, held } = begin('message', 0.1);
    hold.end(false);
    for (const spentUsd of [0.25, 0.5, 0.75]) {
      hold.beginCall();
      const attempt = await held(0.25);
      expect(money()).toMatchObject({ heldUsd: 0.25 });
      hold.settle(attempt, 0.25 * NANO);
      hold.endCall(100, undefined, true);
      await sleep(0);
      expect(money()).toEqual({ spentUsd, heldUsd: 0 });
    }
    expect(limiter.peek('message').remainingTokens).toBe(700);
    // Read before the next call holds anything.
    expect(hold.unpricedNanoUsd).toBe(0.05 * NANO);
    hold.beginCall();
    expect((await hold.hold(0.5 * NANO)) as HoldDenial).toMatchObject({ error: { reason: 'budget_exhausted' }, leftNanoUsd: 0.25 * NANO });
    hold.settle(await held(0.25), 0.25 * NANO);
    hold.endCall(undefined);
    await sleep(0);
    hold.beginCall();
    expect((await hold.hold(1)) as HoldDenial).toMatchObject({ error: { reason: 'budget_exhausted' } });
    hold.endCall(undefined);
    await sleep(0);
    expect(money()).toEqual({ spentUsd: 1, heldUsd: 0 });
  });

  it('charges calls together that run at the same time after the end', async () => {
    const { hold, money, held } = begin('parallel message', 0.1);
    hold.beginCall();
    hold.settle(await held(0.1), 0.1 * NANO);
    hold.end(false);
    hold.endCall(10, undefined, true);
    hold.beginCall();
    hold.beginCall();
    const both = await Promise.all([held(0.2), held(0.3)]);
    expect(money()).toEqual({ spentUsd: 0.1, heldUsd: 0.5 });
    for (const each of both) hold.settle(each, each.nanoUsd);
    hold.endCall(10, undefined, true);
    hold.endCall(10, undefined, true);
    await sleep(0);
    expect(money()).toEqual({ spentUsd: 0.6, heldUsd: 0 });
  });

  it('charges nothing for usage that is reported again after the end', () => {
    const { hold, money } = begin('reported', 0.1);
    hold.report(10, undefined, 0.1 * NANO);
    hold.end(false);
    hold.report(10, undefined, 0.1 * NANO);
    expect(money()).toEqual({ spentUsd: 0.1, heldUsd: 0 });
  });

  it('passes the spend of a request without a budget on once', () => {
    const spends: number[] = [];
    const { hold } = RequestContext.of({});
    for (let guard = 0; guard < 2; guard++)
      hold.countSpend(
        (nanoUsd) => void spends.push(nanoUsd),
        () => 7,
      );
    hold.beginCall();
    hold.settle(undefined, 12);
    hold.settle(undefined, 30);
    hold.endCall(10, undefined, true);
    hold.end(false);
    hold.report(10, { promptTokens: 4, completionTokens: 6, totalTokens: 10 });
    expect(spends).toEqual([42]);
  });

  it('prices a reported usage if no call is known', () => {
    const spends: number[] = [];
    const { hold } = RequestContext.of({});
    hold.countSpend(
      (nanoUsd) => void spends.push(nanoUsd),
      ({ totalTokens }) => totalTokens * 2,
    );
    hold.report(10, { promptTokens: 4, completionTokens: 6, totalTokens: 10 });
    hold.end(false);
    expect(spends).toEqual([20]);
  });
});
