import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineNames } from '../../../test/support/engine-names.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import type { RateLimitOptions } from '../rate-limit.options.js';
import { refuseArgument } from '../../common/options.js';
import { compileBudgets } from './budget-limits.js';
import type { BudgetAlert } from './budget-settings.js';

const logger = { log() {}, warn() {}, error() {} };
const NOON = Date.parse('2024-02-29T12:00:00Z');

describe.each(engineNames())('budgets on the %s engine', (engine) => {
  let nowMs = NOON;
  const open: FastLiteLLM[] = [];
  const limiterOf = (rateLimit: RateLimitOptions) => {
    const llm = new FastLiteLLM({ logger, engine, rateLimit }, { env: {}, now: () => nowMs });
    open.push(llm);
    return llm.rateLimiter;
  };
  beforeEach(() => (nowMs = NOON));
  afterEach(() => Promise.all(open.splice(0).map((llm) => llm.close())));

  it('keeps spent and held money apart, and tells why it denies', () => {
    const limiter = limiterOf({ usdPerDay: 1 });
    const first = limiter.reserve('a', { usd: 0.6 });
    expect(first).toMatchObject({ allowed: true, remainingUsd: 0.4 });
    const second = limiter.reserve('a', { usd: 0.6 });
    expect(second).toMatchObject({ allowed: false, exceeded: 'usd', budgetDenial: 'budget_held', retryAfterMs: undefined });
    expect(limiter.reserve('a', { usd: 1.1 })).toMatchObject({ budgetDenial: 'request_exceeds_budget', retryAfterMs: undefined });
    limiter.settle(first, { usd: 0.5 });
    const third = limiter.reserve('a', { usd: 0.6 });
    expect(third).toMatchObject({ budgetDenial: 'budget_exhausted', retryAfterMs: 12 * 3_600_000, remainingUsd: 0.5 });
    expect(limiter.getBudgets('a')).toEqual([
      { period: 'day', limitUsd: 1, spentUsd: 0.5, heldUsd: 0, totalUsd: 0.5, resetsAt: new Date('2024-03-01T00:00:00Z') },
    ]);
    nowMs += 12 * 3_600_000;
    expect(limiter.reserve('a', { usd: 0.6 }).allowed).toBe(true);
    expect(limiter.getBudgets('a')).toMatchObject([{ spentUsd: 0, heldUsd: 0.6, totalUsd: 0.5 }]);
  });

  it('takes nothing from any scope where one denies, be it by money, requests or tokens', () => {
    const limits = {
      key: { usdPerDay: 1, requestsPerMinute: 2, tokensPerMinute: 100 },
      team: { usdPerMonth: 1.5 },
      all: { maxConcurrent: 2 },
    };
    const limiter = limiterOf({ requestsPerMinute: 100, limits });
    const scopes = (key: string) => [
      { key, limit: 'key' },
      { key: 'team', limit: 'team' },
      { key: '*', limit: 'all' },
    ];
    const first = limiter.reserve(scopes('a'), { usd: 0.9, tokens: 50 });
    expect(first.allowed).toBe(true);
    expect(limiter.reserve(scopes('b'), { usd: 0.9 })).toMatchObject({ allowed: false, scope: 1, budgetDenial: 'budget_held' });
    expect(limiter.peek('b', { limit: 'key', cost: 0 })).toMatchObject({ remainingRequests: 2, remainingUsd: 1 });
    expect(limiter.reserve(scopes('a'), { tokens: 60 })).toMatchObject({ allowed: false, scope: 0, exceeded: 'tokens' });
    expect(limiter.getBudgets('team', { limit: 'team' })).toMatchObject([{ heldUsd: 0.9 }]);
    limiter.settle(first, { usd: 0.3, tokens: 10 });
    expect(limiter.reserve(scopes('b'), { usd: 0.9 }).allowed).toBe(true);
    expect(limiter.getBudgets('team', { limit: 'team' })).toMatchObject([{ spentUsd: 0.3, heldUsd: 0.9 }]);
  });

  it('settles in the window of the reservation', () => {
    const limiter = limiterOf({ usdPerDay: 1, timeZone: 'Asia/Kolkata' });
    const reservation = limiter.reserve('a', { usd: 0.5 });
    nowMs = Date.parse('2024-02-29T18:30:00Z');
    limiter.settle(reservation, { usd: 0.7 });
    expect(limiter.getBudgets('a')).toMatchObject([{ spentUsd: 0, heldUsd: 0, totalUsd: 0.7 }]);
  });

  it('names the days of each time zone differently where they are stored', () => {
    const ids = ['UTC', 'Asia/Kolkata', 'Europe/Zurich'].map((timeZone) =>
      compileBudgets(
        { usdPerDay: 1, usdPerMonth: 9, usdPerWindow: 1, usdWindow: '3h', usdWindowKind: 'sliding', timeZone },
        '',
        refuseArgument,
      )?.map(({ id }) => id),
    );
    expect(ids).toEqual([
      ['calendar:86400000:UTC', 'calendar:2592000000:UTC', 'sliding:10800000'],
      ['calendar:86400000:Asia.Kolkata', 'calendar:2592000000:Asia.Kolkata', 'sliding:10800000'],
      ['calendar:86400000:Europe.Zurich', 'calendar:2592000000:Europe.Zurich', 'sliding:10800000'],
    ]);
  });

  it('counts days of each time zone for itself', () => {
    const [utc, india, zurich] = ['UTC', 'Asia/Kolkata', 'Europe/Zurich'].map((timeZone) => ({ usdPerDay: 1, timeZone }));
    const limiter = limiterOf({ limits: { utc, india, zurich } });
    limiter.settle(limiter.reserve([{ key: 'a', limit: 'utc' }], { usd: 0.5 }), { usd: 0.5 });
    const spent = (limit: string): unknown => limiter.getBudgets('a', { limit }).map(({ spentUsd, resetsAt }) => [spentUsd, resetsAt]);
    expect(spent('utc')).toEqual([[0.5, new Date('2024-03-01T00:00:00Z')]]);
    expect(spent('india')).toEqual([[0, new Date('2024-02-29T18:30:00Z')]]);
    expect(spent('zurich')).toEqual([[0, new Date('2024-02-29T23:00:00Z')]]);
  });

  it('spends all that was held if the settlement names no money', () => {
    const limiter = limiterOf({ usdPerDay: 1 });
    limiter.settle(limiter.reserve('a', { usd: 0.25 }), 0);
    expect(limiter.getBudgets('a')).toMatchObject([{ spentUsd: 0.25, heldUsd: 0 }]);
  });

  it('extends a reservation as far as the budget goes', () => {
    const limiter = limiterOf({ usdPerDay: 1 });
    const reservation = limiter.reserve('a', { usd: 0.2 });
    expect(limiter.extend(reservation, 0.9)).toBe(true);
    expect(limiter.extend(reservation, 1.1)).toBe(false);
    expect(limiter.getBudgets('a')).toMatchObject([{ heldUsd: 0.9 }]);
    limiter.settle(reservation, { usd: 0.1 });
    expect(limiter.extend(reservation, 5)).toBe(true);
    expect(limiter.getBudgets('a')).toMatchObject([{ spentUsd: 0.1, heldUsd: 0 }]);
  });

  it('counts each nano-dollar, and none that floating point adds', () => {
    const limiter = limiterOf({ usdPerDay: 0.3 });
    for (let i = 0; i < 3; i++) limiter.settle(limiter.reserve('a', { usd: 0.1 }), { usd: 0.1 });
    expect(limiter.getBudgets('a')).toMatchObject([{ spentUsd: 0.3 }]);
    expect(limiter.reserve('a', { usd: 0.000_000_000_1 })).toMatchObject({ budgetDenial: 'budget_exhausted' });
  });

  it('does not deny a key for what was spent before it had a budget, nor after reset()', () => {
    const limiter = limiterOf({ requestsPerMinute: 100 });
    limiter.settle(limiter.reserve('a', { usd: 5 }), { usd: 5 });
    const limits = { usdPerDay: 1 };
    expect(limiter.getBudgets('a', { limits })).toMatchObject([{ spentUsd: 0 }]);
    const held = limiter.reserve('a', { limits, usd: 1 });
    limiter.reset('a', { limits });
    limiter.settle(held, { usd: 1 });
    expect(limiter.getBudgets('a', { limits })).toMatchObject([{ spentUsd: 0, heldUsd: 0 }]);
  });

  it('keeps what was spent when the amount of a budget changes', () => {
    const limiter = limiterOf({ requestsPerMinute: 100 });
    limiter.settle(limiter.reserve('a', { limits: { usdPerDay: 1 }, usd: 0.9 }), { usd: 0.9 });
    expect(limiter.reserve('a', { limits: { usdPerDay: 1 }, usd: 0.2 }).allowed).toBe(false);
    expect(limiter.reserve('a', { limits: { usdPerDay: 2 }, usd: 0.2 }).allowed).toBe(true);
  });

  it('reports each mark once in a window', () => {
    const alerts: BudgetAlert[] = [];
    const limiter = limiterOf({ usdPerDay: 1, budgets: { alertAt: [1, 0.5, 0.8], onAlert: (alert) => alerts.push(alert) } });
    for (const usd of [0.4, 0.15, 0.1, 0.3, 0.2]) {
      limiter.settle(limiter.reserve('a', { usd: 0.05 }), { usd });
    }
    expect(alerts.map(({ mark, spentUsd }) => [mark, spentUsd])).toEqual([
      [0.5, 0.55],
      [0.8, 0.95],
      [1, 1.15],
    ]);
    limiter.settle(limiter.reserve('b', { usd: 1 }), { usd: 1 });
    expect(alerts.slice(3).map(({ mark, key }) => [key, mark])).toEqual([
      ['b', 0.5],
      ['b', 0.8],
      ['b', 1],
    ]);
    const value = (name: string): number[] => limiter.metrics().flatMap((sample) => (sample.name === name ? [sample.value] : []));
    expect(value('rate_limit_budget_alerts_total')).toEqual([2, 2, 2]);
    expect(value('rate_limit_budget_overshoot_usd_total')[0]).toBeCloseTo(0.35 + 0.1 + 0.05 + 0.25 + 0.15, 9);
  });

  it('restores its budgets from a file, with what a process held that ended', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'budgets-'));
    const snapshotFile = join(folder, 'budgets.jsonl');
    try {
      const first = limiterOf({ usdPerMonth: 10, budgets: { snapshotFile } });
      first.settle(first.reserve('a', { usd: 1 }), { usd: 0.75 });
      first.reserve('a', { usd: 2 });
      await first.close();
      expect(statSync(snapshotFile).mode & 0o777).toBe(0o600);
      expect(readFileSync(snapshotFile, 'utf8').split('\n')).toHaveLength(3);
      const second = limiterOf({ usdPerMonth: 10, budgets: { snapshotFile } });
      expect(second.getBudgets('a')).toMatchObject([{ spentUsd: 2.75, heldUsd: 0, totalUsd: 2.75 }]);
      nowMs = Date.parse('2024-03-01T00:00:00Z');
      expect(second.getBudgets('a')).toMatchObject([{ spentUsd: 0, totalUsd: 2.75 }]);
      writeFileSync(snapshotFile, '{}\n');
      expect(() => limiterOf({ usdPerMonth: 10, budgets: { snapshotFile } })).toThrow(
        'rateLimit.budgets.snapshotFile: is not a budget file (unknown format); remove it to start at 0',
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('logs at the start that its file cannot be written, once', async () => {
    const snapshotFile = join(tmpdir(), 'no-such-folder', 'budgets.jsonl');
    const warn = jest.spyOn(logger, 'warn');
    try {
      const limiter = limiterOf({ usdPerDay: 1, budgets: { snapshotFile } });
      expect(warn).toHaveBeenCalledTimes(1);
      limiter.settle(limiter.reserve('a', { usd: 1 }), { usd: 0.75 });
      await limiter.close();
      await limiter.close();
      const lines = (warn.mock.calls as unknown[][]).map(([line]) => String(line));
      expect(lines.filter((line) => line.includes('snapshotFile'))).toEqual([
        expect.stringMatching(
          /^Rate limiter: cannot write rateLimit\.budgets\.snapshotFile \(ENOENT.*\); create its folder or make it writable, otherwise a restart loses/,
        ),
      ]);
    } finally {
      warn.mockRestore();
    }
  });

  it('counts everything that a key has spent under usdTotal, and raises that for good', async () => {
    const limiter = limiterOf({ usdTotal: 1, usdPerDay: 0.5 });
    const spend = (usd: number) => {
      const reservation = limiter.reserve('a', { usd });
      if (reservation.allowed) limiter.settle(reservation, { usd });
      return reservation;
    };
    for (let day = 0; day < 3; day++, nowMs += 300 * 86_400_000) spend(0.3);
    expect(limiter.getBudgets('a')).toEqual([
      { period: 'day', limitUsd: 0.5, spentUsd: 0, heldUsd: 0, totalUsd: 0.9, resetsAt: new Date(nowMs + 43_200_000) },
      { period: 'total', limitUsd: 1, spentUsd: 0.9, heldUsd: 0, totalUsd: 0.9, resetsAt: undefined },
    ]);
    expect(spend(0.2)).toMatchObject({ allowed: false, budgetDenial: 'budget_exhausted', retryAfterMs: undefined, remainingUsd: 0.1 });
    await limiter.raiseBudget('a', 0.5, { period: 'total' });
    nowMs += 300 * 86_400_000;
    expect(spend(0.2).allowed).toBe(true);
    await limiter.setSpent('a', 1.45, { period: 'total' });
    expect(spend(0.1)).toMatchObject({ allowed: false, remainingUsd: 0.05 });
    limiter.reset('a');
    expect(limiter.getBudgets('a')[1]).toMatchObject({ limitUsd: 1, spentUsd: 0 });
  });

  it('restores usdTotal from a file, and what it was raised by', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'budgets-'));
    const rateLimit = { usdTotal: 1, budgets: { snapshotFile: join(folder, 'budgets.jsonl') } };
    try {
      const first = limiterOf(rateLimit);
      first.settle(first.reserve('a', { usd: 0.5 }), { usd: 0.75 });
      await first.raiseBudget('a', 1);
      await first.close();
      nowMs += 1_000 * 86_400_000;
      expect(limiterOf(rateLimit).getBudgets('a')).toMatchObject([{ period: 'total', limitUsd: 2, spentUsd: 0.75 }]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('evicts keys whose spending no time ends after all others', () => {
    const limiter = limiterOf({ usdPerDay: 1, limits: { all: { usdTotal: 1 } }, maxKeys: 4 });
    const spend = (key: string, limit?: string) => limiter.settle(limiter.reserve(key, { limit, usd: 0.5 }), { usd: 0.5 });
    spend('a', 'all');
    spend('b', 'all');
    for (let i = 0; i < 20; i++) spend(`day ${i}`);
    expect(limiter.getBudgets('a', { limit: 'all' })).toMatchObject([{ spentUsd: 0.5 }]);
    expect(limiter.getBudgets('b', { limit: 'all' })).toMatchObject([{ spentUsd: 0.5 }]);
    for (let i = 0; i < 20; i++) spend(`all ${i}`, 'all');
    expect(limiter.store.stats()).toMatchObject({ keys: 4, evicted: 38 });
  });

  it('evicts idle keys before those that have spent', () => {
    const limiter = limiterOf({ usdPerDay: 1, usdPerWindow: 1, usdWindow: '1m', usdWindowKind: 'sliding', maxKeys: 4 });
    limiter.settle(limiter.reserve('a', { usd: 1 }), { usd: 1 });
    for (const key of ['b', 'c']) limiter.settle(limiter.reserve(key, { usd: 0 }), { usd: 0 });
    expect(limiter.store.stats()).toMatchObject({ evicted: 2 });
  });

  it.each([
    [{ usdPerDay: -1 }, 'rateLimit.usdPerDay: must be a number from 0 to 4000000, got -1'],
    [{ usdPerDay: 1, timeZone: 'Mars/Base' }, 'rateLimit.timeZone: must be an IANA time zone such as Europe/Zurich, got "Mars/Base"'],
    [{ usdPerWindow: 1 }, 'rateLimit.usdWindow: must be a duration such as 30m, 24h, 7d, 1w or 1mo, of at most 366 days, got undefined'],
    [{ usdPerWindow: 1, usdWindow: '2mo' }, 'rateLimit.usdWindow: must be 1mo (30d), 1w (7d), 1d, or hours or minutes that divide a day'],
    [
      { usdPerWindow: 1, usdWindow: '1d', usdWindowKind: 'fixed' as 'calendar' },
      'rateLimit.usdWindowKind: must be one of calendar, sliding, firstUse',
    ],
    [
      { usdPerDay: 1, usdPerWindow: 2, usdWindow: '24h' },
      'rateLimit.usdPerWindow: must have a different window from usdPerDay and usdPerMonth',
    ],
    [{ usdTotal: -1 }, 'rateLimit.usdTotal: must be a number from 0 to 4000000, got -1'],
    [{ usdWindow: '1d' }, 'rateLimit.usdWindow: requires usdPerWindow'],
    [{ requestsPerMinute: 1, timeZone: 'UTC' }, 'rateLimit.timeZone: requires a budget'],
    [{ usdPerMonth: 1, sharedAs: 'x' }, 'rateLimit.usdPerMonth: cannot be combined with sharedAs, because budgets are kept per thread'],
    [{ budgets: { alertAt: [0] } }, 'rateLimit.budgets.alertAt[0]: must be a number from 0.000001 to 100, got 0'],
    [{ budgets: { snapshot: 'x' } as object }, 'rateLimit.budgets.snapshot: is not a known option'],
  ] as readonly [RateLimitOptions, string][])('refuses %j', (rateLimit, message) => {
    expect(() => limiterOf(rateLimit)).toThrow(message);
  });
});
