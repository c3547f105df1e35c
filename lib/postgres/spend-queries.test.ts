import { hasPostgres, TestDatabase } from '../../test/support/postgres.js';
import { writeSpend, type SpendRowFields } from '../../test/support/spend-rows.js';
import { SPEND_DIMENSIONS, type SpendDimension, type SpendFilter } from '../spend/spend-queries.js';
import { FastLiteLLMSpendService } from '../spend/spend.service.js';
import { postgresStore, type PostgresStore } from './postgres-store.js';

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2027, 0, 27);
const NOW_MS = FIRST_MS + 9 * DAY_MS + DAY_MS / 2;

/** The same calls in every run. */
function randomCalls(count: number): SpendRowFields[] {
  let state = 7;
  const below = (most: number): number => (state = (state * 48_271) % 2_147_483_647) % most;
  const some = (name: string, most: number): string | undefined => (below(4) === 0 ? undefined : `${name}${below(most)}`);
  return Array.from({ length: count }, (_, at) => ({
    id: `call${at}`,
    started_at: FIRST_MS + below(10) * DAY_MS + below(DAY_MS),
    model_group: `group${below(3)}`,
    upstream_model: `model${below(4)}`,
    provider: `provider${below(2)}`,
    operation: below(5) === 0 ? 'embeddings' : 'chat',
    key_id: some('key', 4),
    user_id: some('user', 3),
    team_id: some('team', 3),
    end_user: some('customer', 3),
    organization_id: some('org', 2),
    tags: [...(below(2) === 0 ? ['a'] : []), ...(below(3) === 0 ? ['b', 'b'] : [])],
    session_id: some('session', 5),
    status: below(5) === 0 ? 'failure' : 'success',
    error_code: 'RATE_LIMITED',
    prompt_tokens: below(1_000),
    completion_tokens: below(1_000),
    nano_usd: below(10) === 0 ? null : below(1_000_000),
    saved_nano_usd: below(100),
    duration_ms: below(5_000),
  }));
}

const OF: Readonly<Record<SpendDimension, (call: SpendRowFields) => readonly (string | undefined)[]>> = {
  key: ({ key_id }) => [key_id],
  team: ({ team_id }) => [team_id],
  user: ({ user_id }) => [user_id],
  endUser: ({ end_user }) => [end_user],
  organization: ({ organization_id }) => [organization_id],
  tag: ({ tags = [] }) => [...new Set(tags)],
  model: ({ upstream_model }) => [upstream_model],
  modelGroup: ({ model_group }) => [model_group],
  provider: ({ provider }) => [provider],
  operation: ({ operation }) => [operation],
};

function matches(call: SpendRowFields, filter: SpendFilter): boolean {
  const { excludeTeams = [], ...rest } = filter;
  if (excludeTeams.includes(call.team_id ?? '')) return false;
  return Object.entries(rest).every(([name, wanted]) => OF[name as SpendDimension](call).some((value) => [wanted].flat().includes(value!)));
}

const figures = (calls: readonly SpendRowFields[]): object => {
  const sum = (name: 'prompt_tokens' | 'nano_usd' | 'duration_ms' | 'saved_nano_usd'): number =>
    calls.reduce((total, call) => total + (call[name] ?? 0), 0);
  return {
    requests: calls.length,
    failures: calls.filter(({ status }) => status === 'failure').length,
    promptTokens: sum('prompt_tokens'),
    nanoUsd: sum('nano_usd'),
    usd: sum('nano_usd') / 1e9,
    savedNanoUsd: sum('saved_nano_usd'),
    durationMs: sum('duration_ms'),
  };
};

(hasPostgres ? describe : describe.skip)('answers from the spend log', () => {
  let database: TestDatabase;
  let store: PostgresStore;
  let spend: FastLiteLLMSpendService;
  const calls = randomCalls(1_500);
  beforeAll(async () => {
    database = await TestDatabase.create();
    store = postgresStore({ url: database.url });
    await store.migrate();
    await writeSpend(database, calls);
    await store.put({ publicId: 'key1', alias: 'mobile', hashes: [{ sha256: 'a'.repeat(64) }], revision: 1 });
    spend = new FastLiteLLMSpendService(store.spendQueries, () => NOW_MS);
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  const within = (from: string, to: string) => (call: SpendRowFields) =>
    call.started_at >= Date.parse(from) && call.started_at < Date.parse(to);
  const DAYS = { from: '2027-01-29', to: '2027-02-02' };
  const inDays = within('2027-01-29', '2027-02-03');
  const HOURS = { from: '2027-01-29T06:30', to: new Date('2027-02-02T18:00Z') };
  const inHours = within('2027-01-29T06:30Z', '2027-02-02T18:00Z');

  const FILTERS: readonly SpendFilter[] = [
    {},
    { team: 'team1' },
    { key: 'key1' },
    { key: ['key1', 'key2'], modelGroup: 'group1' },
    { user: 'user0', provider: 'provider1' },
    { tag: 'a' },
    { model: 'model2', key: 'key0' },
    { team: ['team0', 'team2'], operation: 'chat' },
    { excludeTeams: ['team0'] },
    { team: 'team1', user: 'user1' },
    { tag: ['a', 'b'], team: 'team1' },
    { team: 'no such team' },
  ];
  const QUESTIONS = SPEND_DIMENSIONS.flatMap((by) => FILTERS.map((filter) => [by, filter] as const));

  it.each(QUESTIONS)('by %s with the filter %j are those of the calls, to the nano-dollar', async (by, filter) => {
    for (const [period, isIn] of [
      [DAYS, inDays],
      [HOURS, inHours],
    ] as const) {
      const matching = calls.filter((call) => isIn(call) && matches(call, filter));
      const wanted = [by in filter ? filter[by]! : []].flat();
      const names = new Set(matching.flatMap((call) => OF[by](call)).filter((name) => name !== undefined));
      const expected = [...names]
        .filter((name) => wanted.length === 0 || wanted.includes(name))
        .map((name) => ({ name, ...figures(matching.filter((call) => OF[by](call).includes(name))) }));
      const { rows, total } = await spend.spendBy({ by, filter, ...period });
      const sorted = (list: readonly { name: string }[]): readonly object[] => list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      expect(sorted(rows)).toMatchObject(sorted(expected));
      expect(rows).toHaveLength(expected.length);
      expect(rows.map(({ nanoUsd }) => nanoUsd)).toEqual(rows.map(({ nanoUsd }) => nanoUsd).toSorted((a, b) => b - a));
      // The sums of several tags count a call once for each.
      if (Array.isArray(filter.tag) && filter.team === undefined) continue;
      expect(total).toMatchObject(figures(matching));
    }
  });

  it('name keys by their alias', async () => {
    const { rows } = await spend.spendBy({ by: 'key', ...DAYS });
    expect(rows.find(({ name }) => name === 'key1')?.label).toBe('mobile');
    expect(rows.find(({ name }) => name === 'key2')?.label).toBeUndefined();
  });

  it('list the last day, and days without calls', async () => {
    const days = await spend.daily({ from: '2027-01-25', to: '2027-02-05' });
    expect([days.length, days[0], days[11].day]).toEqual([12, expect.objectContaining({ day: '2027-01-25', requests: 0 }), '2027-02-05']);
    for (const { day, ...sums } of days) {
      const at = Date.parse(day);
      expect(sums).toMatchObject(figures(calls.filter((call) => call.started_at >= at && call.started_at < at + DAY_MS)));
    }
  });

  it('are of the last 30 days by default, with today', async () => {
    const { from, to, current } = await spend.compare();
    expect([from, to]).toEqual([new Date('2027-01-07'), new Date('2027-02-06')]);
    expect(current).toMatchObject(figures(calls));
  });

  it('compare with the period of the same length before', async () => {
    const { current, previous, change } = await spend.compare({ from: '2027-02-01', to: '2027-02-04', filter: { team: 'team1' } });
    const before = calls.filter((call) => matches(call, { team: 'team1' }) && within('2027-01-28', '2027-02-01')(call));
    expect(previous).toMatchObject(figures(before));
    expect(change).toBeCloseTo((current.nanoUsd - previous.nanoUsd) / previous.nanoUsd);
    const top = await spend.topSpenders({ by: 'user', from: '2027-02-01', to: '2027-02-04', limit: 2 });
    expect(top.rows).toHaveLength(2);
    for (const { name, previousNanoUsd } of top.rows)
      expect({ nanoUsd: previousNanoUsd }).toEqual({
        nanoUsd: (figures(calls.filter((call) => call.user_id === name && within('2027-01-28', '2027-02-01')(call))) as { nanoUsd: number })
          .nanoUsd,
      });
    const nothingBefore = await spend.compare({ from: '2027-01-27', to: '2027-01-27' });
    expect(nothingBefore.change).toBeNull();
  });

  it('forecast a month by the mean of the last seven days', async () => {
    const { month, spentNanoUsd, perDayNanoUsd, nanoUsd } = await spend.forecast();
    const sum = (from: string, to: string): number => (figures(calls.filter(within(from, to))) as { nanoUsd: number }).nanoUsd;
    expect([month, spentNanoUsd]).toEqual(['2027-02', sum('2027-02-01', '2027-03-01')]);
    expect(perDayNanoUsd).toBe(Math.round(sum('2027-01-29', '2027-02-05') / 7));
    expect(nanoUsd).toBe(Math.round(spentNanoUsd + (sum('2027-01-29', '2027-02-05') / 7) * 23.5));
    const past = await spend.forecast({ month: '2027-01' });
    expect(past.nanoUsd).toBe(sum('2027-01-01', '2027-02-01'));
  });

  it.each([false, true])('page through all calls once, without offsets (oldest first: %s)', async (oldestFirst) => {
    const seen: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await spend.calls({ ...DAYS, limit: 97, after, oldestFirst });
      seen.push(...page.calls.map(({ id }) => id));
      if (page.next === undefined) break;
      after = page.next;
    }
    const expected = calls.filter(inDays).toSorted((a, b) => b.started_at - a.started_at || (a.id < b.id ? -1 : 1));
    expect(seen).toEqual((oldestFirst ? expected.toReversed() : expected).map(({ id }) => id));
  });

  it('page through calls of the same millisecond', async () => {
    const same = Array.from({ length: 25 }, (_, at) => ({ id: `same${at}`, started_at: Date.UTC(2026, 5, 1), key_id: 'same' }));
    await writeSpend(database, same);
    const period = { from: '2026-06-01', to: '2026-06-01' };
    const ids: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await spend.calls({ ...period, limit: 10, after, filter: { key: 'same' } });
      ids.push(...page.calls.map(({ id }) => id));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect([ids.length, new Set(ids).size]).toEqual([25, 25]);
  });

  it.each([
    [{ sessionId: 'session1' }, ({ session_id }: SpendRowFields) => session_id === 'session1'],
    [{ isFailed: true, key: 'key1' }, ({ status, key_id }: SpendRowFields) => status === 'failure' && key_id === 'key1'],
    [{ minNanoUsd: 500_000, maxNanoUsd: 900_000 }, ({ nano_usd: n }: SpendRowFields) => n! >= 500_000 && n! <= 900_000],
    [{ tag: ['b'], user: 'user1' }, ({ tags, user_id }: SpendRowFields) => tags!.includes('b') && user_id === 'user1'],
    [{ id: 'call7' }, ({ id }: SpendRowFields) => id === 'call7'],
    [{ excludeTeams: ['team1', 'team0'] }, ({ team_id }: SpendRowFields) => team_id !== 'team1' && team_id !== 'team0'],
  ])('list the calls with %j', async (filter, isWanted) => {
    const { calls: found } = await spend.calls({ filter, limit: 1_000 });
    expect(found.map(({ id }) => id).toSorted()).toEqual(
      calls
        .filter(isWanted)
        .map(({ id }) => id)
        .toSorted()
        .slice(0, 1_000),
    );
    expect(await store.spendQueries.countCalls({ fromMs: 0, toMs: NOW_MS * 2 }, filter, 5_000)).toBeGreaterThanOrEqual(found.length);
  });

  it('show a call with its attempts and bodies', async () => {
    const attempt = { started_at: FIRST_MS + 5, duration_ms: 9, model_group: 'gpt', deployment_id: 'd', provider: 'openai' };
    const attempts = [
      { ...attempt, number: 1, upstream_model: 'gpt-4o', status: 'failure', error_code: 'TIMEOUT' },
      { ...attempt, number: 2, upstream_model: 'gpt-4o', status: 'success', nano_usd: 1_000 },
    ];
    await writeSpend(database, [
      {
        id: 'whole',
        started_at: FIRST_MS - DAY_MS * 90,
        tags: ['x'],
        attempts,
        request: { model: 'gpt' },
        answer: { ok: 1 },
        team_id: 't',
      },
    ]);
    const call = await spend.call('whole');
    expect(call).toMatchObject({ id: 'whole', startedAt: new Date(FIRST_MS - DAY_MS * 90), nanoUsd: 1_000, usd: 0.000_001, tags: ['x'] });
    expect(call).toMatchObject({ request: { model: 'gpt' }, answer: { ok: 1 }, team: 't', requestedModel: 'gpt', model: 'gpt-4o' });
    expect(call?.attemptList.map(({ number, status, errorCode, nanoUsd }) => [number, status, errorCode, nanoUsd])).toEqual([
      [1, 'failure', 'TIMEOUT', null],
      [2, 'success', null, 1_000],
    ]);
    expect(await spend.call('whole', { team: 'another' })).toBeUndefined();
    expect(await spend.call('none')).toBeUndefined();
  });

  it('export every call once, and stop with the loop', async () => {
    const ids: string[] = [];
    for await (const page of spend.export({ from: '2027-01-27', to: '2027-02-05' })) ids.push(...page.map(({ id }) => id));
    expect(ids.toSorted()).toEqual(calls.map(({ id }) => id).toSorted());
  });

  it.each([
    [() => spend.spendBy({ by: 'teem' as never }), 'by: must be one of key, team'],
    [() => spend.spendBy({ by: 'team', filter: { tema: 'x' } as never }), 'filter.tema: is not a known option (did you mean team?)'],
    [() => spend.spendBy({ by: 'team', form: '2027-01-01' } as never), 'form: is not a known option (did you mean from?)'],
    [() => spend.daily({ from: '2027-02-30' }), 'from: must be a date'],
    [() => spend.daily({ from: '2027-02-02', to: '2027-02-01' }), 'from: must be before to'],
    [() => spend.daily({ from: '1999-01-01', to: '2027-02-01' }), 'from: must be at most 3700 days before to'],
    [() => spend.calls({ limit: 1_001 }), 'limit: must be an integer from 1 to 1000'],
    [() => spend.calls({ after: 'x' }), 'after: must be the cursor of the previous page'],
    [() => spend.forecast({ month: '2027-13' }), 'month: must be a month such as 2027-01'],
  ])('reject a wrong question: %#', async (ask, message) => {
    await expect(ask()).rejects.toThrow(message);
  });

  it('run nothing of what a filter contains', async () => {
    const { total } = await spend.spendBy({ by: 'team', filter: { team: `'; DROP TABLE fast_litellm.calls; --` } });
    expect(total.requests).toBe(0);
    expect((await spend.calls()).calls.length).toBeGreaterThan(0);
  });
});
