import type { AttemptRecord, CallRecord } from '../../common/call-record.js';
import { windowOf } from './attempt-window.js';
import { RecentCalls } from './recent-calls.js';

const NOW = 1_800_000_000_000;
const attempt = (fields: Partial<AttemptRecord> = {}): AttemptRecord => ({
  number: 1,
  deploymentId: 'east',
  provider: 'openai',
  upstreamModel: 'gpt-4o',
  group: 'chat',
  startedAtMs: NOW - 1_000,
  durationMs: 100,
  status: 'success',
  ...fields,
});
const call = (id: number, fields: Partial<CallRecord> = {}): CallRecord => ({
  id: `c${id}`,
  startedAtMs: NOW - 1_000,
  endedAtMs: NOW,
  operation: 'chat',
  stream: false,
  model: 'chat',
  tags: [],
  durationMs: 100,
  status: 'success',
  retries: 0,
  fallbacks: 0,
  attempts: [attempt()],
  ...fields,
});

describe('RecentCalls', () => {
  it('keeps the last 1,000 calls, without what could compute bodies', async () => {
    const recent = new RecentCalls(() => NOW);
    for (let id = 0; id < 2_500; id++) recent.add(call(id, { logging: () => ({}) as never, request: () => ({}), answer: () => ({}) }));
    const { calls, next } = await recent.calls({ filter: {}, limit: 2_000 });
    expect([calls.length, calls[0].id, calls.at(-1)?.id, next]).toEqual([1_000, 'c2499', 'c1500', undefined]);
    expect(await recent.call('c1499')).toBeUndefined();
    expect(Object.values((await recent.call('c2000')) ?? {}).some((value) => typeof value === 'function')).toBe(false);
  });

  it('lists calls page by page, while newer ones arrive', async () => {
    const recent = new RecentCalls(() => NOW);
    for (let id = 0; id < 5; id++) recent.add(call(id));
    const first = await recent.calls({ filter: {}, limit: 2 });
    recent.add(call(5));
    const second = await recent.calls({ filter: {}, limit: 2, after: first.next });
    const third = await recent.calls({ filter: {}, limit: 2, after: second.next });
    expect([first, second, third].map(({ calls }) => calls.map(({ id }) => id))).toEqual([['c4', 'c3'], ['c2', 'c1'], ['c0']]);
    expect(third.next).toBeUndefined();
    await expect(recent.calls({ filter: {}, limit: 2, after: 'gone' })).rejects.toThrow(/^after: must be the cursor/);
  });

  it.each([
    [{ key: 'k1' }, ['c1']],
    [{ key: 'mobile' }, ['c1']],
    [{ modelGroup: 'chat', status: 'failure' }, ['c2']],
    [{ tag: 'blue' }, ['c3']],
    [{ team: 'red' }, []],
  ])('finds calls by %j', async (filter, expected) => {
    const recent = new RecentCalls(() => NOW);
    recent.add(call(1, { keyId: 'k1', keyAlias: 'mobile' }));
    recent.add(call(2, { status: 'failure' }));
    recent.add(call(3, { model: 'other', tags: ['blue', 'green'] }));
    expect((await recent.calls({ filter, limit: 9 })).calls.map(({ id }) => id)).toEqual(expected);
  });

  it('keeps attempts of quiet deployments however busy others are, and no long model names', async () => {
    const recent = new RecentCalls(() => NOW);
    recent.add(call(0, { model: 'm'.repeat(1e6), attempts: [attempt({ deploymentId: 'quiet', status: 'failure', errorKind: 'server' })] }));
    for (let id = 1; id <= 500; id++) recent.add(call(id));
    expect(recent.windowOf(['quiet'])).toMatchObject({ attempts: 1, failures: 1, cause: 'server' });
    expect(recent.windowOf(['east'])).toMatchObject({ attempts: 64, failures: 0 });
    expect(recent.windowOf(['quiet', 'east'])?.attempts).toBe(65);
    expect(recent.windowOf(['none'])).toBeUndefined();
    expect((await recent.call('c0'))?.requestedModel.length).toBe(201);
  });

  it('adds the parts of the cost up', async () => {
    const recent = new RecentCalls();
    recent.add(call(1, { nanoUsd: 100, costParts: { input: 40, output: 30, cacheRead: 5, reasoning: 25 } }));
    const shown = await recent.call('c1');
    expect(shown).toMatchObject({ usd: 1e-7, costInput: 40, costOutput: 30, costCacheRead: 5, costCacheWrite: 0, costOther: 25 });
  });
});

describe('windowOf', () => {
  it('judges neither old attempts nor failures of clients', () => {
    const attempts = [
      attempt(),
      attempt({ startedAtMs: NOW - 400_000, status: 'failure' }),
      attempt({ status: 'cancelled' }),
      attempt({ status: 'failure', errorKind: 'bad_request' }),
      attempt({ status: 'failure', errorKind: 'timeout', durationMs: 60_000 }),
    ];
    expect(windowOf(attempts, NOW)).toMatchObject({ attempts: 2, failures: 1, p50Ms: 100, p95Ms: 60_000, cause: 'timeout' });
    expect(windowOf([], NOW)).toBeUndefined();
  });

  it('has percentiles of all attempts', () => {
    const attempts = Array.from({ length: 100 }, (_, at) => attempt({ durationMs: at + 1, timeToFirstTokenMs: (at + 1) / 10 }));
    expect(windowOf(attempts, NOW)).toMatchObject({ p50Ms: 50, p95Ms: 95, firstTokenP95Ms: 9.5 });
  });
});
