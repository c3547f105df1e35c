import {
  ApiKeyService,
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMSpendModule,
  postgresStore,
  type PostgresStore,
} from 'nestjs-fast-litellm';
import { request as send } from 'node:http';
import { GatewayApp, type AdapterName, type RawAnswer } from '../../support/gateway-app.js';
import { usuallyOrLong } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { writeSpend, type SpendRowFields } from '../../support/spend-rows.js';
import { until } from '../../support/until.js';

const MASTER = 'sk-the-master-key-0123456';
const DATES = 'start_date=2027-03-01&end_date=2027-03-03';
const DAY_MS = 86_400_000;
const MARCH = Date.UTC(2027, 2, 1);
type Fields = Record<string, unknown>;
type Sender = 'master' | 'admin' | 'member' | 'keyOnly' | 'other';

(hasPostgres ? describe : describe.skip).each<AdapterName>(['Express', 'Fastify'])('LiteLLM routes about spend, on %s', (adapter) => {
  let database: TestDatabase;
  let store: PostgresStore;
  let gateway: GatewayApp;
  const keys = { master: MASTER } as Record<Sender, string>;
  const ids = {} as Record<Sender, string>;
  let calls: SpendRowFields[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    store = postgresStore({ url: database.url, timeoutMs: 5_000 });
    gateway = await GatewayApp.start(adapter, FastLiteLLMGatewayModule.forRoot(), {
      module: { router: { modelList: [] } },
      imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER }), FastLiteLLMSpendModule.forRoot({ store })],
    });
    const apiKeys = gateway.app.get(ApiKeyService, { strict: false });
    const settings = {
      admin: { team: 'team1', user: 'ann', alias: 'anns key' },
      member: { team: 'team1', user: 'ben', alias: 'bens key' },
      keyOnly: { team: 'team1' },
      other: { team: 'team2', user: 'cleo' },
    };
    for (const [name, given] of Object.entries(settings)) {
      const { key, record } = await apiKeys.create(given);
      keys[name as Sender] = key;
      ids[name as Sender] = record.publicId;
    }
    await database.query(`INSERT INTO fast_litellm.teams (id, alias, record) VALUES ('team1', 'Search', '{"id": "team1"}')`);
    for (const [user, role] of [
      ['ann', 'admin'],
      ['ben', 'user'],
    ]) {
      const record = { id: `team1/${user}`, team: 'team1', user, role };
      await database.query('INSERT INTO fast_litellm.team_members (id, team_id, user_id, role, record) VALUES ($1, $2, $3, $4, $5)', [
        ...Object.values(record),
        JSON.stringify(record),
      ]);
    }
    const of = (name: Sender) => ({
      key_id: ids[name],
      ...('user' in settings[name as 'admin'] && { user_id: settings[name as 'admin'].user }),
      team_id: settings[name as 'admin'].team,
    });
    const at = (day: number, ms = 0): number => MARCH + day * DAY_MS + ms;
    calls = [
      { id: 'c1', started_at: at(0), ...of('admin'), tags: ['x', 'y'], nano_usd: 1_000_000_000, end_user: 'shop' },
      {
        id: 'c2',
        started_at: at(1, 5),
        ...of('member'),
        tags: ['x'],
        nano_usd: 2_000_000_000,
        model_group: 'claude',
        upstream_model: 'claude-5',
        provider: 'anthropic',
      },
      // The last millisecond of the last day.
      {
        id: 'c3',
        started_at: at(3) - 1,
        ...of('member'),
        nano_usd: 4_000_000_000,
        status: 'failure',
        error_code: 'TIMEOUT',
        session_id: 's',
      },
      { id: 'c4', started_at: at(1), ...of('keyOnly'), nano_usd: 8_000_000_000, cache_status: 'hit' },
      {
        id: 'c5',
        started_at: at(1),
        ...of('other'),
        nano_usd: 16_000_000_000,
        tags: ['x'],
        request: { messages: [{ role: 'user', content: 'Hi' }] },
        answer: { id: 'a' },
      },
      { id: 'c6', started_at: at(3), ...of('member'), nano_usd: 32_000_000_000 },
    ];
    await writeSpend(database, calls);
  });
  afterAll(async () => {
    await gateway.stop();
    await store.close();
    await database.drop();
  });

  const get = (path: string, sender: Sender = 'master'): Promise<RawAnswer> =>
    gateway.ask(path, { method: 'GET', headers: { authorization: `Bearer ${keys[sender]}` } });
  async function done<T>(path: string, sender: Sender = 'master'): Promise<T> {
    const { status, text } = await get(path, sender);
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return JSON.parse(text) as T;
  }

  const idsIn = (answer: unknown): string[] =>
    ((answer as { data?: Fields[] }).data ?? (answer as Fields[])).map((row) => String(row.request_id)).toSorted();
  const spendIn = (answer: unknown): number => (answer as { metadata: { total_spend: number } }).metadata.total_spend;
  const tagsIn = (answer: unknown): string =>
    (answer as Fields[])
      .map((row) => `${row.individual_request_tag as string}:${row.total_spend as number}`)
      .toSorted()
      .join(' ');

  /** What each sender sees; a number: the status of a rejection. */
  const VISIBLE: readonly [path: string, read: (answer: unknown) => unknown, Record<Sender, unknown>][] = [
    [
      `/spend/logs/v2?${DATES}`,
      idsIn,
      { master: ['c1', 'c2', 'c3', 'c4', 'c5'], admin: ['c1'], member: ['c2', 'c3'], keyOnly: ['c4'], other: ['c5'] },
    ],
    [
      `/spend/logs/ui?${DATES}&team_id=team1`,
      idsIn,
      { master: ['c1', 'c2', 'c3', 'c4'], admin: ['c1', 'c2', 'c3', 'c4'], member: ['c2', 'c3'], keyOnly: ['c4'], other: 403 },
    ],
    [`/spend/logs/v2?${DATES}&user_id=ben`, idsIn, { master: ['c2', 'c3'], admin: 403, member: ['c2', 'c3'], keyOnly: [], other: 403 }],
    [
      `/spend/logs/v2?${DATES}&team_id=team1&user_id=ben`,
      idsIn,
      { master: ['c2', 'c3'], admin: ['c2', 'c3'], member: ['c2', 'c3'], keyOnly: [], other: 403 },
    ],
    [
      `/spend/logs?${DATES}&summarize=false`,
      idsIn,
      { master: ['c1', 'c2', 'c3', 'c4', 'c5'], admin: ['c1'], member: ['c2', 'c3'], keyOnly: ['c4'], other: ['c5'] },
    ],
    ['/spend/logs?request_id=c4', idsIn, { master: ['c4'], admin: [], member: [], keyOnly: ['c4'], other: [] }],
    ['/spend/logs/ui/c5', (row) => (row as Fields).request_id, { master: 'c5', admin: 404, member: 404, keyOnly: 404, other: 'c5' }],
    [`/spend/tags?${DATES}`, tagsIn, { master: 'x:19 y:1', admin: 'x:1 y:1', member: 'x:2', keyOnly: '', other: 'x:16' }],
    [`/user/daily/activity?${DATES}`, spendIn, { master: 31, admin: 1, member: 6, keyOnly: 8, other: 16 }],
    [`/user/daily/activity?${DATES}&user_id=ben`, spendIn, { master: 6, admin: 403, member: 6, keyOnly: 0, other: 403 }],
    [`/team/daily/activity?${DATES}&team_ids=team1`, spendIn, { master: 15, admin: 15, member: 6, keyOnly: 8, other: 403 }],
    [`/team/daily/activity?${DATES}`, spendIn, { master: 31, admin: 15, member: 6, keyOnly: 8, other: 16 }],
    [
      `/team/daily/activity/aggregated?${DATES}&team_ids=team1,team2`,
      spendIn,
      { master: 31, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [`/tag/daily/activity?${DATES}&tags=x`, spendIn, { master: 19, admin: 1, member: 2, keyOnly: 0, other: 16 }],
    [`/global/spend?${DATES}`, (answer) => (answer as Fields).spend, { master: 31, admin: 403, member: 403, keyOnly: 403, other: 403 }],
    [
      `/global/spend/report?${DATES}`,
      (answer) => (answer as Fields[]).length,
      { master: 3, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/global/spend/keys?${DATES}`,
      (answer) => (answer as Fields[]).length,
      { master: 4, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/global/spend/teams?${DATES}`,
      (answer) => (answer as Fields).teams,
      { master: ['team2', 'team1'], admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/global/spend/models?${DATES}`,
      (answer) => (answer as Fields[]).length,
      { master: 2, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/global/spend/logs?${DATES}`,
      (answer) => (answer as Fields[]).length,
      { master: 3, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/global/activity?${DATES}`,
      (answer) => (answer as Fields).sum_api_requests,
      { master: 5, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/global/activity/model?${DATES}`,
      (answer) => (answer as Fields[]).length,
      { master: 2, admin: 403, member: 403, keyOnly: 403, other: 403 },
    ],
    [
      `/spend/export?${DATES}&format=json`,
      (answer) => (answer as Fields[]).map(({ id }) => id),
      { master: ['c1', 'c5', 'c4', 'c2', 'c3'], admin: ['c1'], member: ['c2', 'c3'], keyOnly: ['c4'], other: ['c5'] },
    ],
  ];
  it.each(VISIBLE.flatMap(([path, read, seen]) => Object.entries(seen).map(([sender, expected]) => ({ path, sender, read, expected }))))(
    'show by $path to $sender what it may see',
    async ({ path, sender, read, expected }) => {
      const { status, text } = await get(path, sender as Sender);
      if (typeof expected === 'number' && expected > 400) expect(status).toBe(expected);
      else expect([status, read(JSON.parse(text))]).toEqual([200, expected]);
    },
  );

  it.each(VISIBLE.map(([path]) => path))('reject a request without a key: %s', async (path) => {
    expect((await gateway.ask(path, { method: 'GET' })).status).toBe(401);
  });

  it('list calls in the fields of LiteLLM, without bodies', async () => {
    const { data, ...page } = await done<{ data: Fields[] }>(`/spend/logs/v2?${DATES}&page_size=2&page=2&sort_by=spend`);
    expect(page).toEqual({ total: 5, page: 2, page_size: 2, total_pages: 3, total_is_capped: false });
    expect(idsIn({ data })).toEqual(['c2', 'c3']);
    expect(data[0]).toMatchObject({
      request_id: 'c3',
      call_type: 'acompletion',
      api_key: ids.member,
      spend: 4,
      total_tokens: 15,
      startTime: '2027-03-03T23:59:59.999Z',
      endTime: '2027-03-04T00:00:00.099Z',
      model: 'gpt-4o',
      status: 'failure',
      cache_hit: 'False',
      session_id: 's',
      metadata: { user_api_key_team_id: 'team1', error_information: { error_class: 'TIMEOUT' } },
    });
    expect(data[0]).not.toHaveProperty('messages');
    expect(await done('/spend/logs/ui/c5')).toMatchObject({ messages: [{ role: 'user', content: 'Hi' }], response: { id: 'a' } });
  });

  it.each([
    ['status_filter=failure', ['c3']],
    ['cache_hit_filter=hit', ['c4']],
    ['min_spend=4&max_spend=8', ['c3', 'c4']],
    ['model_group=claude', ['c2']],
    ['error_code=TIMEOUT', ['c3']],
    ['session_id=s', ['c3']],
    ['end_user=shop', ['c1']],
    ['tags=y', ['c1']],
    ['api_key=KEY', ['c2', 'c3']],
  ])('filter calls by %s', async (filter, expected) => {
    expect(idsIn(await done(`/spend/logs/v2?${DATES}&${filter.replace('KEY', keys.member)}`))).toEqual(expected);
  });

  it('accept times, as the first date that is included and the last that is not', async () => {
    const path = `/spend/logs/ui?start_date=${encodeURIComponent('2027-03-02 00:00:00')}&end_date=${encodeURIComponent('2027-03-02 00:00:01')}`;
    expect(idsIn(await done(path))).toEqual(['c2', 'c4', 'c5']);
  });

  it('sum the log by day, with the last one', async () => {
    expect(await done(`/spend/logs?${DATES}`)).toEqual([
      { startTime: '2027-03-01', spend: 1, users: { ann: 1 }, models: { 'gpt-4o': 1 } },
      { startTime: '2027-03-02', spend: 26, users: { ben: 2, cleo: 16 }, models: { 'gpt-4o': 24, 'claude-5': 2 } },
      { startTime: '2027-03-03', spend: 4, users: { ben: 4 }, models: { 'gpt-4o': 4 } },
    ]);
    expect(await done(`/spend/logs?${DATES}&api_key=${keys.keyOnly}`)).toEqual([
      { startTime: '2027-03-02', spend: 8, users: {}, models: { 'gpt-4o': 8 }, [ids.keyOnly]: 8 },
    ]);
  });

  it('report by team, customer and key', async () => {
    const teams = await done<Fields[]>(`/global/spend/report?${DATES}`);
    expect(teams[1]).toEqual({
      group_by_day: '2027-03-02T00:00:00+00:00',
      teams: [
        {
          team_name: 'team2',
          total_spend: 16,
          metadata: [{ model: 'gpt-4o', api_key: ids.other, spend: 16, total_tokens: 15, api_requests: 1 }],
        },
        {
          team_name: 'team1',
          total_spend: 10,
          metadata: [
            { model: 'gpt-4o', api_key: ids.keyOnly, spend: 8, total_tokens: 15, api_requests: 1 },
            { model: 'claude-5', api_key: ids.member, spend: 2, total_tokens: 15, api_requests: 1 },
          ],
        },
      ],
    });
    const customers = await done<Fields[]>(`/global/spend/report?${DATES}&group_by=customer`);
    expect(customers).toMatchObject([{ customers: [{ customer: 'shop', total_spend: 1 }] }]);
    const byKey = await done<Fields[]>(`/global/spend/report?${DATES}&group_by=api_key&team_id=team1`);
    expect(byKey[1]).toEqual({
      api_key: ids.member,
      total_cost: 6,
      total_input_tokens: 20,
      total_output_tokens: 10,
      model_details: [
        { model: 'claude-5', total_cost: 2, total_input_tokens: 10, total_output_tokens: 5 },
        { model: 'gpt-4o', total_cost: 4, total_input_tokens: 10, total_output_tokens: 5 },
      ],
    });
  });

  it('rank keys, teams and models', async () => {
    expect((await done<Fields[]>(`/global/spend/keys?${DATES}&limit=3`))[2]).toEqual({
      api_key: ids.member,
      key_alias: 'bens key',
      key_name: `sk-${ids.member}-…`,
      total_spend: 6,
    });
    expect(await done(`/global/spend/models?${DATES}`)).toEqual([
      { model: 'gpt-4o', total_spend: 29 },
      { model: 'claude-5', total_spend: 2 },
    ]);
    expect(await done(`/global/spend/teams?${DATES}`)).toEqual({
      daily_spend: [
        { date: '2027-03-01', team1: 1 },
        { date: '2027-03-02', team2: 16, team1: 10 },
        { date: '2027-03-03', team1: 4 },
      ],
      teams: ['team2', 'team1'],
      total_spend_per_team: [
        { team_id: 'team2', total_spend: 16 },
        { team_id: 'team1', total_spend: 15 },
      ],
    });
    expect(await done('/global/spend')).toEqual({ spend: 63, max_budget: null });
  });

  it('list spend, requests and tokens by day', async () => {
    expect(await done(`/global/spend/logs?${DATES}`)).toEqual([
      { date: '2027-03-01', spend: 1 },
      { date: '2027-03-02', spend: 26 },
      { date: '2027-03-03', spend: 4 },
    ]);
    expect(await done(`/global/spend/logs?${DATES}&api_key=${keys.keyOnly}`)).toEqual([
      { date: '2027-03-02', spend: 8, api_key: ids.keyOnly },
    ]);
    const days = [
      { date: 'Mar 01', api_requests: 1, total_tokens: 15 },
      { date: 'Mar 02', api_requests: 3, total_tokens: 45 },
      { date: 'Mar 03', api_requests: 1, total_tokens: 15 },
    ];
    expect(await done(`/global/activity?${DATES}`)).toEqual({ daily_data: days, sum_api_requests: 5, sum_total_tokens: 75 });
    expect(await done(`/global/activity/model?${DATES}`)).toEqual([
      {
        model: 'gpt',
        daily_data: [days[0], { ...days[1], api_requests: 2, total_tokens: 30 }, days[2]],
        sum_api_requests: 4,
        sum_total_tokens: 60,
      },
      {
        model: 'claude',
        daily_data: [{ date: 'Mar 02', api_requests: 1, total_tokens: 15 }],
        sum_api_requests: 1,
        sum_total_tokens: 15,
      },
    ]);
  });

  it('show the group as the model for days before sums had upstream models', async () => {
    await database.query(`INSERT INTO fast_litellm.daily_spend (day, dimension, entity, key_id, model_group, requests, nano_usd)
      VALUES ('2024-01-05', 'team', 'team1', 'old', 'smart', 3, 2000000000)`);
    const old = 'team_ids=team1&start_date=2024-01-05&end_date=2024-01-05';
    const [{ breakdown }] = (await done<{ results: { breakdown: Record<string, object> }[] }>(`/team/daily/activity?${old}`)).results;
    expect([Object.keys(breakdown.models), Object.keys(breakdown.model_groups)]).toEqual([['smart'], ['smart']]);
    expect(await done(`/global/spend/report?${old.replace('team_ids', 'team_id')}`)).toMatchObject([
      { teams: [{ total_spend: 2, metadata: [{ model: 'smart' }] }] },
    ]);
  });

  it('reject what a query cannot mean, and keys that may not request the route', async () => {
    for (const query of ['team_id=team1&team_id=team2', 'team_id[]=team2', 'team_id[$ne]=x', 'user_id=a%00', '__proto__=x']) {
      const { status } = await get(`/spend/logs/v2?${DATES}&${query}`, 'other');
      expect([query, status]).toEqual([query, 400]);
    }
    const apiKeys = gateway.app.get(ApiKeyService, { strict: false });
    const [chats, reads] = [
      await apiKeys.create({ team: 'team1', user: 'ben', allowedRoutes: ['/v1/chat/completions'] }),
      await apiKeys.create({ team: 'team1', user: 'ben', allowedRoutes: ['/spend/logs/ui', '/spend/logs/ui/*'] }),
    ];
    const statusOf = async (path: string, key: string): Promise<number> =>
      (await gateway.ask(path, { method: 'GET', headers: { authorization: `Bearer ${key}` } })).status;
    const statuses = (key: string): Promise<number[]> =>
      Promise.all([`/spend/logs/ui?${DATES}`, '/spend/logs/ui/c2', `/spend/export?${DATES}`].map((path) => statusOf(path, key)));
    expect(await statuses(chats.key)).toEqual([403, 403, 403]);
    expect(await statuses(reads.key)).toEqual([200, 200, 403]);
  });

  it('show the activity of a tag with any name', async () => {
    const day = MARCH + 40 * DAY_MS;
    const names = ['__proto__', 'constructor', '<script>'];
    const model = { model_group: '__proto__', upstream_model: '__proto__' };
    await writeSpend(database, [{ id: 'named', started_at: day, key_id: ids.other, tags: names, nano_usd: 0, ...model }]);
    const { text } = await get('/tag/daily/activity?start_date=2027-04-10&end_date=2027-04-10');
    const [{ breakdown }] = (JSON.parse(text) as { results: { breakdown: Record<string, object> }[] }).results;
    expect(Object.keys(breakdown.entities).toSorted()).toEqual(names.toSorted((one, other) => (one < other ? -1 : 1)));
    expect(Object.keys(breakdown.models)).toEqual(['__proto__']);
  });

  it('page daily activity by whole days, with totals of all days', async () => {
    const path = `/team/daily/activity?${DATES}&team_ids=team1&page_size=1`;
    const first = await done<{ results: Fields[]; metadata: Fields }>(path);
    const second = await done<{ results: Fields[]; metadata: Fields }>(`${path}&page=2`);
    expect([first.results.map(({ date }) => date), second.results.map(({ date }) => date)]).toEqual([['2027-03-03'], ['2027-03-02']]);
    expect(first.metadata).toMatchObject({
      total_spend: 15,
      total_api_requests: 4,
      total_failed_requests: 1,
      total_pages: 3,
      has_more: true,
    });
    expect(second.metadata).toMatchObject({ ...first.metadata, page: 2 });
    const { breakdown, metrics } = second.results[0] as { breakdown: Record<string, Record<string, Fields>>; metrics: Fields };
    expect(metrics).toMatchObject({ spend: 10, api_requests: 2, successful_requests: 2 });
    expect(Object.entries(breakdown).map(([name, parts]) => [name, Object.keys(parts).toSorted()])).toEqual([
      ['models', ['claude-5', 'gpt-4o']],
      ['model_groups', ['claude', 'gpt']],
      ['providers', ['anthropic', 'openai']],
      ['endpoints', ['acompletion']],
      ['api_keys', [ids.member, ids.keyOnly].toSorted()],
      ['mcp_servers', []],
      ['entities', ['team1']],
    ]);
    expect(breakdown.entities.team1).toMatchObject({ metrics: { spend: 10 }, metadata: { team_alias: 'Search' } });
    expect(breakdown.api_keys[ids.member].metadata).toEqual({ key_alias: 'bens key', team_id: 'team1' });
    expect(breakdown.models['claude-5'].api_key_breakdown).toMatchObject({ [ids.member]: { metrics: { spend: 2 } } });
    const all = await done<{ results: Fields[]; metadata: Fields }>(`/team/daily/activity/aggregated?${DATES}&exclude_team_ids=team2`);
    expect([all.results.length, all.metadata.total_spend]).toEqual([3, 15]);
  });

  it.each([
    [`/spend/logs/v2?${DATES}&tema_id=x`, 400, 'tema_id: is not a known option (did you mean team_id?)'],
    ['/spend/logs/v2?start_date=yesterday', 400, 'start_date: must be a date'],
    [`/spend/logs/v2?${DATES}&page_size=1001`, 400, 'page_size: must be an integer from 1 to 1000'],
    [`/spend/logs/v2?${DATES}&sort_by=model`, 400, 'sort_by: must be one of startTime, spend'],
    [`/user/daily/activity?start_date=2020-01-01&end_date=2027-01-01`, 400, 'start_date: must be at most 400 days before end_date'],
    [`/spend/export?${DATES}&format=xml`, 400, 'format: must be one of csv, json, ndjson'],
    [`/spend/logs/v2?${DATES}&api_key=secret`, 400, 'api_key: must be a key or its public id'],
  ])('reject %s', async (path, status, message) => {
    const answer = await get(path);
    expect([answer.status, (JSON.parse(answer.text) as { error: { message: string } }).error.message]).toEqual([
      status,
      expect.stringContaining(message),
    ]);
  });

  it('export as CSV that no spreadsheet runs', async () => {
    await writeSpend(database, [
      { id: '=HYPERLINK("x")', started_at: Date.UTC(2026, 0, 5), user_id: 'a,"b"\nc', model: '-1+1', nano_usd: 125 },
    ]);
    const { headers, text } = await get('/spend/export?start_date=2026-01-05&end_date=2026-01-05');
    expect(headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(headers['content-disposition']).toBe('attachment; filename="spend.csv"');
    const [names, ...lines] = text.split('\r\n');
    expect(names).toMatch(/^id,started_at,.*,usd,nano_usd,/);
    expect(lines.join('\r\n')).toContain(`"'=HYPERLINK(""x"")",2026-01-05T00:00:00.000Z,100,,chat,false,'-1+1,`);
    expect(text).toContain('"a,""b""\nc"');
    expect(text).toContain(',0.000000125,125,');
    const nd = await get('/spend/export?start_date=2026-01-05&end_date=2026-01-05&format=ndjson');
    expect(
      nd.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Fields),
    ).toMatchObject([{ user_id: 'a,"b"\nc', nano_usd: 125, tags: [] }]);
    const none = await get('/spend/export?start_date=2020-01-05&end_date=2020-01-05&format=json');
    expect(JSON.parse(none.text)).toEqual([]);
  });

  it('stop an export when its client leaves, and read no page ahead of it', async () => {
    const rows = usuallyOrLong(30_000, 300_000);
    await database.query(`SELECT fast_litellm.create_spend_month('2025-06-01T00:00:00Z')`);
    await database.query(`INSERT INTO fast_litellm.calls (id, started_at, duration_ms, operation, stream, model, status, process_id, metadata)
      SELECT 'big' || n, timestamptz '2025-06-01T00:00:00Z' + n * interval '1 second', 1, 'chat', false, repeat('m', 300), 'success', 'p', '{}'
      FROM generate_series(1, ${rows}) AS n`);
    let pages = 0;
    const { spendQueries } = store;
    const read = spendQueries.calls.bind(spendQueries);
    jest.spyOn(spendQueries, 'calls').mockImplementation((slice) => (pages++, read(slice)));
    const client = send({
      ...{ host: '127.0.0.1', port: gateway.port, path: '/spend/export?start_date=2025-06-01&end_date=2025-06-30', agent: false },
      headers: { authorization: `Bearer ${MASTER}` },
    });
    client.on('error', () => {});
    client.end();
    await new Promise<void>((resolve) => client.on('response', (response) => (response.pause(), resolve())));
    // Until the buffers of the sockets are full.
    let before = -1;
    await until(async () => {
      const isStill = before === pages;
      before = pages;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return isStill;
    });
    expect(pages).toBeLessThan(rows / 1_000);
    client.destroy();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(pages).toBeLessThanOrEqual(before + 1);
    jest.restoreAllMocks();
  });
});
