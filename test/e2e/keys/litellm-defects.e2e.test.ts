import { FastLiteLLMKeysModule, postgresStore, type PostgresStore } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp, type RawAnswer } from '../../support/gateway-app.js';
import { tokenOf } from '../../support/litellm-database.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';

// What goes wrong in LiteLLM 1.110.2 with teams, customers and organizations, and does not here.

const MASTER = 'sk-the-master-key-0123456';
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of a route or a row
type Fields = Record<string, any>;

(hasPostgres ? describe : describe.skip)('a defect of LiteLLM does not exist here:', () => {
  let database: TestDatabase;
  let provider: TestProvider;
  let store: PostgresStore;
  let gateway: GatewayApp;
  beforeAll(async () => {
    [database, provider] = await Promise.all([TestDatabase.create(), startProvider('openai', { script: 'Hello.' })]);
    store = postgresStore({ url: database.url, timeoutMs: 10_000 });
    gateway = await GatewayApp.start(
      'Express',
      { rateLimit: { default: false } },
      {
        module: { router: { modelList: [provider.deployment('m', { model: 'openai/gpt-4o' })] } },
        imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER })],
      },
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await database.drop();
  });

  const headersOf = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
  const post = (path: string, body: unknown, key = MASTER): Promise<RawAnswer> => gateway.post(path, body, headersOf(key));
  const get = (path: string): Promise<RawAnswer> => gateway.ask(path, { method: 'GET', headers: headersOf(MASTER) });
  async function done(answer: Promise<RawAnswer>): Promise<Fields> {
    const { status, text } = await answer;
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return JSON.parse(text) as Fields;
  }
  const chatAs = async (user: string, key: string): Promise<number> =>
    (await post('/v1/chat/completions', { model: 'm', user, messages: [{ role: 'user', content: 'Hi' }] }, key)).status;
  const keyOf = async (fields: Fields): Promise<string> => String((await done(post('/key/generate', fields))).key);

  it('/customer/update changes the budget of all customers that share it', async () => {
    await done(post('/budget/new', { budget_id: 'shared', max_budget: 9 }));
    for (const user_id of ['one', 'two']) await done(post('/customer/new', { user_id, budget_id: 'shared' }));
    await done(post('/customer/update', { user_id: 'one', max_budget: 1 }));
    expect(await done(post('/budget/info', { budgets: ['shared'] }))).toMatchObject([{ max_budget: 9 }]);
    expect(await done(get('/customer/info?end_user_id=two'))).toMatchObject({ budget_id: 'shared' });
    expect(await done(get('/customer/info?end_user_id=one'))).toMatchObject({ litellm_budget_table: { max_budget: 1 } });
  });

  it('a customer with a budget of 0 is not limited', async () => {
    const key = await keyOf({});
    await done(post('/customer/new', { user_id: 'nothing', max_budget: 0 }));
    expect(await chatAs('nothing', key)).toBe(429);
    expect(await chatAs('someone', key)).toBe(200);
  });

  it('/customer/unblock leaves a customer blocked', async () => {
    const key = await keyOf({});
    await done(post('/customer/new', { user_id: 'blocked' }));
    await done(post('/customer/block', { user_ids: ['blocked'] }));
    expect(await chatAs('blocked', key)).toBe(403);
    await done(post('/customer/unblock', { user_ids: ['blocked'] }));
    expect(await chatAs('blocked', key)).toBe(200);
  });

  it('/organization/delete removes teams and keys before it finds that an organization does not exist', async () => {
    await done(post('/organization/new', { organization_id: 'kept', organization_alias: 'Kept' }));
    await done(post('/team/new', { team_id: 'of-kept', organization_id: 'kept' }));
    const key = await keyOf({ team_id: 'of-kept' });
    const body = JSON.stringify({ organization_ids: ['kept', 'none'] });
    const headers = { ...headersOf(MASTER), 'content-type': 'application/json', 'content-length': String(body.length) };
    expect((await gateway.ask('/organization/delete', { method: 'DELETE', headers, body })).status).toBeGreaterThanOrEqual(400);
    expect(await done(get('/organization/info?organization_id=kept'))).toMatchObject({ organization_alias: 'Kept' });
    expect(await done(get('/team/info?team_id=of-kept'))).toMatchObject({ team_id: 'of-kept' });
    expect(await chatAs('', key)).toBe(200);
  });

  it('/team/info and /user/info return the hashes of keys', async () => {
    await done(post('/team/new', { team_id: 'shown', members_with_roles: [{ role: 'user', user_id: 'member' }] }));
    const key = await keyOf({ team_id: 'shown', user_id: 'member' });
    for (const path of ['/team/info?team_id=shown', '/user/info?user_id=member', '/team/list', '/key/list?return_full_object=true']) {
      const { status, text } = await get(path);
      expect([path, status]).toEqual([path, 200]);
      expect(text).not.toContain(tokenOf(key));
      expect(text).not.toContain(key.slice(-43));
    }
  });

  it('sums by day have several rows for calls without a team, provider or model group', async () => {
    const call = (id: string): string =>
      JSON.stringify({
        id,
        started_at: Date.UTC(2026, 0, 1),
        duration_ms: 1,
        operation: 'chat',
        model: 'm',
        status: 'success',
        nano_usd: 1,
        process_id: 'p',
      });
    expect(await store.spend.write([call('a')])).toBe(1);
    expect(await store.spend.write([call('a'), call('b')])).toBe(1);
    const rows = `SELECT requests::int, nano_usd::int FROM fast_litellm.daily_spend WHERE dimension = 'all' AND day = '2026-01-01'`;
    expect(await database.query(rows)).toEqual([{ requests: 2, nano_usd: 2 }]);
  });
});
