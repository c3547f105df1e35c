import { type BudgetAlert, DirectoryService, FastLiteLLMKeysModule, postgresStore, type PostgresStore } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { ADAPTERS, GatewayApp, type AdapterName, type RawAnswer } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const MASTER = 'sk-the-master-key-0123456';
const messages = [{ role: 'user', content: 'Hello' }];
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of a route or a row
type Fields = Record<string, any>;

(hasPostgres ? describe : describe.skip).each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('a gateway with teams on %s', (adapter) => {
  let database: TestDatabase;
  let provider: TestProvider;
  let store: PostgresStore;
  let alerts: BudgetAlert[];
  let gateway: GatewayApp;
  beforeAll(async () => {
    [database, provider] = await Promise.all([TestDatabase.create(), startProvider('openai', { script: 'Hello.' })]);
    alerts = [];
    store = postgresStore({ url: database.url, timeoutMs: 10_000 });
    const modelList = ['gpt-4o', 'gpt-4o-mini', 'claude'].map((name) => provider.deployment(name, { model: 'openai/gpt-4o' }));
    gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: {
          router: { modelList },
          rateLimit: { requestsPerMinute: 10_000, budgets: { onAlert: (alert) => void alerts.push(alert) } },
        },
        imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER })],
      },
    );
    await until(() => store.isFollowing?.() === true);
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await database.drop();
  });

  const headers = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
  const post = (path: string, body: unknown = {}, key = MASTER): Promise<RawAnswer> => gateway.post(path, body, headers(key));
  const get = (path: string, key = MASTER): Promise<RawAnswer> => gateway.ask(path, { method: 'GET', headers: headers(key) });
  const send = (method: string, path: string, fields: unknown): Promise<RawAnswer> => {
    const body = JSON.stringify(fields);
    const length = String(Buffer.byteLength(body));
    return gateway.ask(path, {
      method,
      headers: { ...headers(MASTER), 'content-type': 'application/json', 'content-length': length },
      body,
    });
  };
  const chat = (key: string, body: Fields = {}): Promise<RawAnswer> =>
    post('/v1/chat/completions', { model: 'gpt-4o', messages, ...body }, key);
  const codeOf = ({ status, text }: RawAnswer): unknown => [status, (JSON.parse(text) as Fields).error?.code ?? null];
  async function done<T = Fields>(answer: Promise<RawAnswer>): Promise<T> {
    const { status, text } = await answer;
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return JSON.parse(text) as T;
  }
  const keyFor = async (settings: Fields): Promise<string> => (await done(post('/key/generate', settings))).key as string;

  it('counts requests with any key of a team, its user and its organization together', async () => {
    await done(post('/organization/new', { organization_id: 'o1', organization_alias: 'Org', rpm_limit: 6 }));
    await done(post('/team/new', { team_id: 't1', organization_id: 'o1', rpm_limit: 4, models: ['gpt-4o'] }));
    await done(post('/team/new', { team_id: 't2', organization_id: 'o1' }));
    const [first, second, third] = [await keyFor({ team_id: 't1' }), await keyFor({ team_id: 't1' }), await keyFor({ team_id: 't2' })];
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => chat(i % 2 === 0 ? first : second)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.text).toContain('4 requests per minute (teams)');
    const others = await Promise.all(Array.from({ length: 5 }, () => chat(third)));
    expect(others.filter(({ status }) => status === 200)).toHaveLength(2);
    expect(others.find(({ status }) => status === 429)?.text).toContain('(organizations)');
    expect(codeOf(await chat(first, { model: 'claude' }))).toEqual([403, 'model_not_allowed']);
  });

  it('never spends more than the budget of a team, with many keys at a time, and shows its spend', async () => {
    await done(post('/budget/new', { budget_id: 'tiny', max_budget: 0.001, budget_duration: '30d' }));
    await done(post('/team/new', { team_id: 'poor', budget_id: 'tiny' }));
    const keys = await Promise.all(Array.from({ length: 4 }, () => keyFor({ team_id: 'poor' })));
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => chat(keys[i % 4], { max_tokens: 20 })));
    const statuses = new Set(answers.map(({ status }) => status));
    expect([...statuses].sort()).toEqual([200, 429]);
    for (let i = 0; i < 100 && (await chat(keys[i % 4], { max_tokens: 20 })).status === 200; i++);
    const { team_info: team } = await done(get('/team/info?team_id=poor'));
    expect(team.spend).toBeGreaterThan(0);
    expect(team.spend).toBeLessThanOrEqual(0.001);
    expect(team.budget_reset_at).not.toBeNull();
  });

  it('counts what a team without a budget and its user spend', async () => {
    await done(post('/team/new', { team_id: 'free' }));
    const { key } = await done(post('/user/new', { user_id: 'ann', user_email: 'ann@example.com', teams: ['free'] }));
    const inTeam = await keyFor({ team_id: 'free', user_id: 'ann' });
    await done(chat(key));
    await done(chat(inTeam));
    await until(async () => (await done(get('/user/info?user_id=ann'))).user_info.spend > 0);
    const [user, team] = [await done(get('/user/info?user_id=ann')), await done(get('/team/info?team_id=free'))];
    const each = team.team_info.spend as number;
    expect(each).toBeGreaterThan(0);
    await until(async () => Math.abs((await done(get('/user/info', key))).user_info.spend - 2 * each) < 1e-9);
    expect(user.teams).toEqual([{ team_id: 'free', team_alias: null }]);
    expect(team.team_memberships).toMatchObject([{ user_id: 'ann', role: 'user' }]);
  });

  it('rejects requests of a blocked team at once, also for end users', async () => {
    await done(post('/team/new', { team_id: 'blocked' }));
    const key = await keyFor({ team_id: 'blocked' });
    await done(chat(key));
    expect((await done(post('/team/block', { team_id: 'blocked' }))).blocked).toBe(true);
    expect(codeOf(await chat(key))).toEqual([403, 'team_blocked']);
    await done(post('/team/unblock', { team_id: 'blocked' }));
    await done(chat(key));
    await done(post('/customer/block', { user_ids: ['eve'] }));
    expect(codeOf(await chat(key, { user: 'eve' }))).toEqual([403, 'customer_blocked']);
    expect(codeOf(await chat(MASTER, { user: 'eve' }))).toEqual([403, 'customer_blocked']);
    await done(post('/end_user/unblock', { user_ids: ['eve'] }));
    await done(chat(key, { user: 'eve' }));
    await done(post('/customer/new', { user_id: 'bob', rpm_limit: 1 }));
    await done(chat(key, { user: 'bob' }));
    expect((await chat(MASTER, { user: 'bob' })).text).toContain('1 requests per minute (customers)');
    await until(async () => (await done(get('/customer/info?end_user_id=bob'))).spend > 0);
  });

  it('reports soft budgets of a key and of its team once, and denies nothing', async () => {
    await done(post('/budget/new', { budget_id: 'soft', soft_budget: 0.00002 }));
    await done(post('/team/new', { team_id: 'watched', max_budget: 5, soft_budget: 0.00005 }));
    const key = await keyFor({ team_id: 'watched', budget_id: 'soft' });
    const soft = (name: string): BudgetAlert[] => alerts.filter(({ isSoft, limit }) => isSoft === true && limit === name);
    for (let i = 0; i < 50 && (soft('api-key').length === 0 || soft('teams').length === 0); i++) {
      await done(chat(key));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await done(chat(key));
    expect(soft('teams')).toMatchObject([{ key: 'team:watched', limitUsd: 0.00005, mark: 1, period: 'total' }]);
    expect(soft('api-key')).toMatchObject([{ limitUsd: 0.00002 }]);
  });

  it('counts the spend of a user with any key, and denies it only with keys without a team', async () => {
    await done(post('/team/new', { team_id: 'paying' }));
    const model = { model_max_budget: { 'gpt-4o-mini': { budget_limit: 0.000001, time_period: '1d' } } };
    await done(post('/user/new', { user_id: 'payer', max_budget: 0.001, budget_duration: '30d', rpm_limit: 10, ...model }));
    const [own, ofTeam] = [await keyFor({ user_id: 'payer' }), await keyFor({ user_id: 'payer', team_id: 'paying' })];
    const spent = async (): Promise<number> => (await done(get('/user/info?user_id=payer'))).user_info.spend as number;
    await done(chat(own, { max_tokens: 5 }));
    await until(async () => (await spent()) > 0);
    const before = await spent();
    await done(chat(ofTeam, { max_tokens: 5 }));
    await until(async () => (await spent()) > before);
    const user = gateway.app.get(DirectoryService, { strict: false });
    await user.resetSpend('users', (await user.find('users', 'payer'))!, 0.001);
    expect((await chat(own, { max_tokens: 5 })).text).toContain('budget_exhausted');
    await done(chat(ofTeam, { max_tokens: 5 }));
    await done(chat(ofTeam, { model: 'gpt-4o-mini', max_tokens: 5 }));
    expect((await chat(own, { model: 'gpt-4o-mini', max_tokens: 5 })).status).toBe(429);
    await until(async () => (await spent()) > 0.001);
    // Limits of requests apply to all keys, as in LiteLLM.
    for (let i = 0; i < 10; i++) await chat(ofTeam, { max_tokens: 5 });
    expect((await chat(ofTeam, { max_tokens: 5 })).text).toContain('10 requests per minute (users)');
  });

  it('replaces the aliases of a key in forms, and lists them', async () => {
    const key = await keyFor({
      models: ['gpt-4o', 'gpt-4o-mini'],
      aliases: { fast: 'gpt-4o-mini', best: 'claude', 'gpt-4o': 'gpt-4o-mini' },
    });
    const listed = await done(get('/v1/models', key));
    expect((listed.data as Fields[]).map(({ id }) => id as string).toSorted()).toEqual(['fast', 'gpt-4o', 'gpt-4o-mini']);
    expect(await done(get('/v1/models/fast', key))).toMatchObject({ id: 'fast' });
    expect((await get('/v1/models/best', key)).status).toBe(404);
    const form = new FormData();
    form.set('model', 'fast');
    form.set('file', new Blob(['RIFF']), 'a.wav');
    const sent = provider.requests.length;
    const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', headers: headers(key), body: form });
    const text = await answer.text();
    expect([answer.status, provider.requests.length, text]).toEqual([200, sent + 1, text]);
    form.set('model', 'best');
    const denied = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', headers: headers(key), body: form });
    expect([denied.status, await denied.text()]).toEqual([403, expect.stringContaining('model_not_allowed')]);
  });

  it('limits models, routes and names of a key', async () => {
    const key = await keyFor({
      ...{ model_rpm_limit: { 'gpt-4o': 1 }, models: ['gpt-4o', 'gpt-4o-mini'], aliases: { fast: 'gpt-4o-mini', best: 'claude' } },
      allowed_routes: ['/v1/chat/completions'],
    });
    await done(chat(key));
    expect((await chat(key)).text).toContain('1 requests per minute (models)');
    expect((await chat(key, { model: 'gpt-4o-mini', fallbacks: ['gpt-4o'] })).status).toBe(429);
    const sent = provider.requests.length;
    expect((await done(chat(key, { model: 'fast' }))).model).toBeDefined();
    expect(provider.requests).toHaveLength(sent + 1);
    expect(codeOf(await chat(key, { model: 'best' }))).toEqual([403, 'model_not_allowed']);
    for (const path of ['/v1/models', '/key/info', '/team/list']) expect(codeOf(await get(path, key))).toEqual([403, 'route_not_allowed']);
    expect(codeOf(await post('/v1/embeddings', { model: 'gpt-4o', input: 'a' }, key))).toEqual([403, 'route_not_allowed']);
    const group = await keyFor({ allowed_routes: ['llm_api_routes'] });
    expect((await get('/v1/models', group)).status).toBe(200);
    expect(codeOf(await get('/key/info', group))).toEqual([403, 'route_not_allowed']);
  });

  it('manages teams, members, users, budgets, customers and organizations in the fields of LiteLLM', async () => {
    const team = await done(
      post('/team/new', {
        team_id: 'all',
        team_alias: 'All',
        max_budget: 5,
        members_with_roles: [{ role: 'admin', user_id: 'root' }],
        guardrails: [],
        tags: null,
      }),
    );
    expect(team).toMatchObject({
      team_id: 'all',
      admins: ['root'],
      members_with_roles: [{ user_id: 'root', role: 'admin' }],
      max_budget: 5,
      spend: 0,
      models: [],
    });
    const added = await done(
      post('/team/member_add', { team_id: 'all', member: [{ role: 'user', user_email: 'new@example.com' }], max_budget_in_team: 2 }),
    );
    const [{ user_id: id }] = added.updated_users;
    expect(added.updated_team_memberships).toMatchObject([{ user_id: id, litellm_budget_table: { max_budget: 2 } }]);
    expect(
      await done(post('/team/member_update', { team_id: 'all', user_email: 'NEW@example.com', max_budget_in_team: 3, role: 'admin' })),
    ).toEqual({
      ...{
        team_id: 'all',
        user_id: id,
        user_email: 'new@example.com',
        role: 'admin',
        max_budget_in_team: 3,
        tpm_limit: null,
        rpm_limit: null,
      },
    });
    const memberKey = await keyFor({ team_id: 'all', user_id: id });
    expect((await done(post('/team/member_delete', { team_id: 'all', user_id: id }))).members).toEqual(['root']);
    expect((await get('/v1/models', memberKey)).status).toBe(401);
    expect(
      (await done(post('/team/update', { team_id: 'all', team_alias: 'Every', max_budget: null, model_rpm_limit: { a: 1 } }))).data,
    ).toMatchObject({
      ...{ team_alias: 'Every', max_budget: null, model_rpm_limit: { a: 1 } },
    });
    expect((await done(get('/v2/team/list?search=every&page_size=5'))).teams.map((each: Fields) => each.team_id)).toEqual(['all']);
    expect((await done(get('/v2/team/list?user_id=root'))).total).toBe(1);
    expect((await done(get('/user/list?user_email=NEW@'))).users).toMatchObject([{ user_id: id, teams: [] }]);
    expect((await done(post('/user/update', { user_email: 'new@example.com', user_alias: 'New', tpm_limit: 7 }))).data).toMatchObject({
      user_alias: 'New',
      tpm_limit: 7,
    });
    expect(codeOf(await post('/user/new', { user_id: id }))).toEqual([409, 'user_exists']);
    expect(await done(get(`/v2/user/info?user_id=${id}`))).toMatchObject({ user_id: id, user_alias: 'New', spend: 0 });
    expect(codeOf(await post('/user/update', { user_id: id, user_role: 'admin' }))).toEqual([400, 'invalid_argument']);
    expect(codeOf(await post('/user/update', { user_alias: 'Nobody' }))).toEqual([400, 'invalid_argument']);
    await done(
      post('/budget/new', {
        budget_id: 'b',
        max_budget: 9,
        soft_budget: 8,
        model_max_budget: { 'gpt-4o': { budget_limit: 1, time_period: '1d' } },
      }),
    );
    expect(await done(post('/budget/info', { budgets: ['b', 'none'] }))).toMatchObject([{ budget_id: 'b', max_budget: 9, soft_budget: 8 }]);
    expect(await done(post('/budget/update', { budget_id: 'b', rpm_limit: 3 }))).toMatchObject({ max_budget: 9, rpm_limit: 3 });
    await done(post('/customer/new', { user_id: 'c', alias: 'C', budget_id: 'b' }));
    expect(await done(get('/customer/info?end_user_id=c'))).toMatchObject({
      ...{ user_id: 'c', alias: 'C', budget_id: 'b', blocked: false },
      litellm_budget_table: {
        budget_id: 'b',
        max_budget: 9,
        soft_budget: 8,
        rpm_limit: 3,
        model_max_budget: { 'gpt-4o': { budget_limit: 1 } },
      },
    });
    expect(await done(post('/customer/update', { user_id: 'c', max_budget: 0 }))).toMatchObject({
      litellm_budget_table: { max_budget: 0 },
    });
    expect((await post('/budget/delete', { id: 'b' })).status).toBe(400);
    expect(await done(post('/customer/delete', { user_ids: ['c'] }))).toMatchObject({ deleted_customers: 1 });
    expect(await done(post('/budget/delete', { id: 'b' }))).toMatchObject({ budget_id: 'b' });
    await done(post('/budget/new', { budget_id: 'shared', max_budget: 4 }));
    const sharing = await done(post('/organization/new', { organization_id: 'sharing', budget_id: 'shared' }));
    expect(sharing.litellm_budget_table).toMatchObject({ budget_id: 'shared', max_budget: 4 });
    await done(post('/organization/new', { organization_id: 'org', models: ['a'] }));
    await done(post('/team/update', { team_id: 'all', organization_id: 'org' }));
    expect(await done(get('/organization/info?organization_id=org'))).toMatchObject({ teams: [{ team_id: 'all' }], models: ['a'] });
    expect((await send('DELETE', '/organization/delete', { organization_ids: ['org'] })).status).toBe(400);
    expect(await done(send('PATCH', '/organization/update', { organization_id: 'org', organization_alias: 'O' }))).toMatchObject({
      organization_alias: 'O',
    });
    const teamKey = await keyFor({ team_id: 'all' });
    expect((await done(get('/key/list?team_id=all'))).total_count).toBe(1);
    expect((await done(get('/team/info?team_id=all'))).keys).toMatchObject([{ team_id: 'all', spend: 0, status: 'active' }]);
    expect(await done(post('/team/delete', { team_ids: ['all'] }))).toEqual({ deleted_teams: ['all'] });
    expect((await get('/v1/models', teamKey)).status).toBe(401);
    expect(await done(send('DELETE', '/organization/delete', { organization_ids: ['org'] }))).toHaveLength(1);
    expect(await done(post('/user/delete', { user_ids: [id, 'root'] }))).toBe(2);
    const { audit_logs: logs } = await done(get('/audit?object_id=all&table_name=LiteLLM_TeamTable&page_size=100'));
    expect(logs.map(({ action }: Fields) => action)).toEqual(['deleted', 'updated', 'updated', 'created']);
  });

  it('refuses unknown fields, ids and values with the name of the field', async () => {
    const paramOf = async (answer: Promise<RawAnswer>): Promise<unknown> => [
      (await answer).status,
      ((JSON.parse((await answer).text) as Fields).error as Fields).param,
    ];
    await done(post('/team/new', { team_id: 'twice' }));
    expect(await paramOf(post('/team/new', { team_id: 'twice' }))).toEqual([400, 'team_id']);
    expect(await paramOf(post('/team/new', { colour: 'red' }))).toEqual([400, 'colour']);
    expect(await paramOf(post('/team/new', { guardrails: ['a'] }))).toEqual([400, 'guardrails']);
    expect(await paramOf(post('/team/new', { max_budget: -1 }))).toEqual([400, 'max_budget']);
    expect(await paramOf(post('/team/new', { budget_id: 'none' }))).toEqual([400, 'budget_id']);
    expect(await paramOf(post('/team/new', { organization_id: 'none' }))).toEqual([400, 'organization_id']);
    expect(await paramOf(post('/team/update', { team_id: 'none', team_alias: 'a' }))).toEqual([404, 'team_id']);
    expect(await paramOf(post('/team/delete', { team_ids: ['none'] }))).toEqual([404, 'team_ids']);
    expect(await paramOf(post('/team/member_delete', { team_id: 'twice', user_id: 'none' }))).toEqual([404, 'user_id']);
    expect(await paramOf(post('/user/update', { user_email: 'none@example.com' }))).toEqual([404, 'user_id']);
    expect(await paramOf(post('/key/generate', { budget_id: 'none' }))).toEqual([400, 'budget_id']);
    expect(await paramOf(get('/v2/team/list?page_size=1000'))).toEqual([400, 'page_size']);
    expect(await paramOf(get('/user/info'))).toEqual([400, 'user_id']);
    expect(await paramOf(get('/v2/team/list?page=999999999'))).toEqual([400, 'page']);
    expect(await paramOf(get('/user/list?page=999999999'))).toEqual([400, 'page']);
    expect(await paramOf(get('/v2/team/list?search=a%00'))).toEqual([400, 'search']);
    expect(await paramOf(post('/team/update', { team_id: 'a\ud800', team_alias: 'a' }))).toEqual([400, 'team_id']);
    expect(await paramOf(post('/team/member_add', { team_id: 'twice', member: { user_id: '\ud800' } }))).toEqual([400, 'user_id']);
    expect(await paramOf(post('/customer/block', { user_ids: ['a\0'] }))).toEqual([400, 'user_ids[0]']);
  });

  it('shows the keys of a team to their users, and a key without a user only itself', async () => {
    await done(post('/team/new', { team_id: 'shared', members_with_roles: [{ role: 'admin', user_id: 'lead' }] }));
    const [lead, worker, first] = [
      await keyFor({ team_id: 'shared', user_id: 'lead', key_alias: 'lead' }),
      await keyFor({ team_id: 'shared', user_id: 'hand', key_alias: 'hand' }),
      await keyFor({ team_id: 'shared', key_alias: 'first' }),
    ];
    await keyFor({ team_id: 'shared', key_alias: 'second' });
    const shown = async (key: string): Promise<unknown[]> =>
      ((await done(get('/team/info?team_id=shared', key))).keys as Fields[]).map(({ key_alias: alias }) => alias as unknown).toSorted();
    expect(await shown(lead)).toEqual(['first', 'hand', 'lead', 'second']);
    expect([await shown(worker), await shown(first)]).toEqual([['hand'], ['first']]);
  });

  it('deletes all keys of a team, also if some cannot be read', async () => {
    await done(post('/team/new', { team_id: 'large' }));
    await database.query(`INSERT INTO fast_litellm.keys (public_id, team_id, hashes, blocked, revision, record, created_at, updated_at)
      SELECT 'unreadable' || to_char(n, 'FM00'), 'large', '{}', false, 1, '{"publicId": 1}', now() + interval '1 day', now() FROM generate_series(1, 2) AS n`);
    const keys = await Promise.all(Array.from({ length: 101 }, () => keyFor({ team_id: 'large' })));
    await done(post('/team/delete', { team_ids: ['large'] }));
    const [{ count }] = await database.query(
      `SELECT count(*)::int AS count FROM fast_litellm.keys WHERE public_id NOT LIKE 'unreadable%' AND team_id = 'large'`,
    );
    expect([count, (await get('/v1/models', keys[0])).status]).toEqual([0, 401]);
    await database.query(`DELETE FROM fast_litellm.keys WHERE public_id LIKE 'unreadable%'`);
  });

  describe('who may', () => {
    const who: Record<string, string> = {};
    beforeAll(async () => {
      await done(
        post('/team/new', {
          team_id: 'ours',
          members_with_roles: [
            { role: 'admin', user_id: 'boss' },
            { role: 'user', user_id: 'worker' },
          ],
        }),
      );
      await done(post('/team/new', { team_id: 'theirs' }));
      who.master = MASTER;
      who.admin = await keyFor({ user_id: 'boss' });
      who.member = await keyFor({ team_id: 'ours', user_id: 'worker' });
      who.other = await keyFor({ team_id: 'theirs', user_id: 'stranger' });
    });

    it.each<[string, string, Fields | undefined, Record<'master' | 'admin' | 'member' | 'other', number>]>([
      ['read the team', '/team/info?team_id=ours', undefined, { master: 200, admin: 200, member: 200, other: 403 }],
      ['read a team that does not exist', '/team/info?team_id=none', undefined, { master: 404, admin: 403, member: 403, other: 403 }],
      ['read a user', '/user/info?user_id=worker', undefined, { master: 200, admin: 403, member: 200, other: 403 }],
      ['list users', '/user/list', undefined, { master: 200, admin: 403, member: 403, other: 403 }],
      ['list teams of a user', '/team/list?user_id=worker', undefined, { master: 200, admin: 403, member: 200, other: 403 }],
      ['list budgets', '/budget/list', undefined, { master: 200, admin: 403, member: 403, other: 403 }],
      ['list customers', '/customer/list', undefined, { master: 200, admin: 403, member: 403, other: 403 }],
      ['list organizations', '/organization/list', undefined, { master: 200, admin: 403, member: 403, other: 403 }],
      ['name the team', '/team/update', { team_id: 'ours', team_alias: 'A' }, { master: 200, admin: 200, member: 403, other: 403 }],
      ['raise its budget', '/team/update', { team_id: 'ours', max_budget: 100 }, { master: 200, admin: 403, member: 403, other: 403 }],
      ['allow models', '/team/update', { team_id: 'ours', models: [] }, { master: 200, admin: 403, member: 403, other: 403 }],
      [
        'add a member',
        '/team/member_add',
        { team_id: 'ours', member: { role: 'user', user_id: 'new' } },
        { master: 200, admin: 200, member: 403, other: 403 },
      ],
      [
        'change a member',
        '/team/member_update',
        { team_id: 'ours', user_id: 'worker', rpm_limit: 9 },
        { master: 200, admin: 200, member: 403, other: 403 },
      ],
      ['block the team', '/team/block', { team_id: 'theirs' }, { admin: 403, member: 403, other: 403, master: 200 }],
      ['create a team', '/team/new', {}, { master: 200, admin: 403, member: 403, other: 403 }],
      ['create a user', '/user/new', { auto_create_key: false }, { master: 200, admin: 403, member: 403, other: 403 }],
      ['create a customer', '/customer/new', { user_id: 'x' }, { admin: 403, member: 403, other: 403, master: 200 }],
      ['delete a team', '/team/delete', { team_ids: ['ours'] }, { admin: 403, member: 403, other: 403, master: 200 }],
    ])('%s', async (_, path, body, expected) => {
      if (path === '/team/new') await done(post('/team/unblock', { team_id: 'theirs' }));
      for (const [name, status] of Object.entries(expected)) {
        const answer = await (body === undefined ? get(path, who[name]) : post(path, body, who[name]));
        expect([name, answer.status, status === answer.status ? '' : answer.text]).toEqual([name, status, '']);
      }
    });
  });

  it('gives the service to the app', async () => {
    const directory = gateway.app.get(DirectoryService, { strict: false });
    const team = await directory.create('teams', { id: 'by-app', limits: { usdPerMonth: 5 } }, { actor: 'ann' });
    expect(await directory.spendingOf('teams', team)).toMatchObject({ period: 'month', spentUsd: 0, limitUsd: 5 });
    await directory.resetSpend('teams', team, 2);
    expect(await directory.spendingOf('teams', team)).toMatchObject({ spentUsd: 2 });
    const { entries } = await store.audit.search({ entityId: 'by-app' });
    expect(entries.map(({ actor, action }) => [actor, action])).toEqual([
      ['app', 'spend_reset'],
      ['ann', 'created'],
    ]);
  });
});
