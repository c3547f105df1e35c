import {
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  InvalidConfigurationError,
  type ApiKeysOptions,
  type KeysMount,
} from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { hashApiKey } from '../../../lib/keys/api-key.js';
import { ADAPTERS, GatewayApp, type AdapterName, type RawAnswer } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';
import { until } from '../../support/until.js';

const MASTER = 'sk-the-master-key-0123';
type Fields = Record<string, unknown>;

const nested = (levels: number): object => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`) as object;

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))("LiteLLM's key API on %s", (adapter) => {
  let provider: TestProvider;
  let store: MemoryKeyStore;
  let gateway: GatewayApp;
  beforeAll(async () => {
    provider = await startProvider('openai');
  });
  afterAll(() => provider.close());
  beforeEach(() => start());
  afterEach(() => gateway.stop());

  async function start(options: ApiKeysOptions & KeysMount = {}): Promise<void> {
    store = new MemoryKeyStore();
    gateway = await GatewayApp.start(adapter, FastLiteLLMGatewayModule.forRoot(), {
      module: { router: { modelList: [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })] } },
      imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER, ...options })],
    });
  }
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const post = (path: string, body: unknown = {}, key = MASTER) => gateway.post(path, body, bearer(key));
  const get = (path: string, key = MASTER) => gateway.ask(path, { method: 'GET', headers: bearer(key) });
  const json = ({ text }: RawAnswer) => JSON.parse(text) as Fields;
  async function done(answer: Promise<RawAnswer>): Promise<Fields> {
    const { status, text } = await answer;
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return JSON.parse(text) as Fields;
  }
  const generate = (body: object = {}) => done(post('/key/generate', body)) as Promise<Fields & { key: string; token: string }>;
  const statusOf = async (key: string) => (await get('/v1/models', key)).status;
  const errorOf = (answer: RawAnswer) => ({ status: answer.status, ...(json(answer).error as object) });

  const infoOf = async (token: string) => (await done(get(`/key/info?key=${token}`))).info as Fields;
  const spend = (token: string, usd: number) => {
    const { rateLimiter } = gateway.llm;
    rateLimiter.settle(rateLimiter.reserve(`key:${token}`, { limit: 'api-key', limits: store.records.get(token)?.limits, usd }), { usd });
  };

  it('logs each change of a key, and never the key', async () => {
    const log = jest.spyOn(gateway.llm.log, 'log').mockImplementation(() => {});
    const { key, token } = await generate({ key_alias: 'mobile\n' });
    await done(post('/key/block', { key: token }));
    await done(post('/key/update', { key: token, blocked: false }));
    await done(post('/key/update', { key: token, max_budget: 5 }));
    const rotated = await done(post('/key/regenerate', { key: token }));
    await done(post(`/key/${token}/reset_spend`, { reset_to: 0 }));
    await done(post('/key/delete', { keys: [token] }));
    const lines = log.mock.calls.map(([line]) => String(line)).filter((line) => line.startsWith('API keys: key '));
    log.mockRestore();
    const events = ['created', 'blocked', 'unblocked', 'updated', 'rotated', 'spend reset', 'deleted'];
    expect(lines).toEqual(events.map((event) => `API keys: key ${token} ${event} (by the master key, alias mobile\\x0a)`));
    for (const secret of [key, String(rotated.key)]) expect(lines.join()).not.toContain(secret);
  });

  const FULL = {
    key_alias: 'mobile',
    models: ['gpt-4o*'],
    user_id: 'ann',
    team_id: 'red',
    metadata: { app: 'ios' },
    tags: ['ios'],
    rpm_limit: 60,
    tpm_limit: 10_000,
    max_parallel_requests: 5,
    max_budget: 50,
    budget_duration: '30d',
    priority: 'batch',
    blocked: false,
  };

  it('answers 503 to every route while the store of keys is away', async () => {
    const { token } = await generate();
    store.failure = 'connection refused';
    const asked = [
      post('/key/generate'),
      post('/key/update', { key: token, key_alias: 'other' }),
      post('/key/update', { key: token, tags: ['a'] }),
      post('/key/regenerate', { key: token }),
      post('/key/block', { key: token }),
      post('/key/delete', { keys: [token] }),
      post(`/key/${token}/reset_spend`, { reset_to: 0 }),
      get('/key/list'),
      get(`/key/info?key=${token}`),
    ];
    for (const answer of await Promise.all(asked)) {
      expect(errorOf(answer)).toMatchObject({ status: 503, code: 'api_key_store_unavailable' });
      expect(answer.headers).toHaveProperty('retry-after');
      expect(answer.text).not.toContain('refused');
    }
    store.failure = undefined;
    expect((await infoOf(token)).token).toBe(token);
  });

  it('says that a record of the store cannot be read, and removes it', async () => {
    const { token } = await generate({ key_alias: 'broken' });
    const find = jest.spyOn(store, 'findByPublicId');
    find.mockRejectedValue(new InvalidConfigurationError(`the record of the API key ${token} in Redis`, 'must be valid JSON'));
    for (const answer of [await get(`/key/info?key=${token}`), await post('/key/block', { key: token })]) {
      const message = `the record of the API key ${token} in Redis: must be valid JSON; remove the key with /key/delete`;
      expect(errorOf(answer)).toMatchObject({ status: 409, code: 'api_key_unreadable', message });
    }
    expect(await done(post('/key/delete', { keys: [token] }))).toEqual({ deleted_keys: [token] });
    expect(store.records.has(token)).toBe(false);
  });

  it('says that a key has the wrong form without showing it', async () => {
    const answers = [await post('/key/generate', { key: 'sk-short' }), await post('/key/block', { key: 'my-short' })];
    for (const answer of answers) {
      expect(errorOf(answer)).toMatchObject({ status: 400, param: 'key' });
      expect(errorOf(answer)).toHaveProperty('message', expect.stringMatching(/^key: must be .*, got a string of 8 characters$/));
    }
  });

  it('makes a key with the fields of LiteLLM, and shows its secret this once', async () => {
    const answer = await post('/key/generate', { ...FULL, duration: '24h' });
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
    const { key, token, ...made } = json(answer) as Fields & { key: string; token: string };
    expect(key).toMatch(new RegExp(`^sk-${token}-[\\w-]{43}$`));
    expect(made).toMatchObject({ ...FULL, token_id: token, key_name: `sk-${token}-…` });
    expect(Date.parse(made.expires as string) - Date.now()).toBeGreaterThan(86_000_000);
    expect(await statusOf(key)).toBe(200);
    const shown = [await get('/key/info?key=' + token), await get('/key/list?return_full_object=true'), await get('/key/info', key)];
    for (const { text } of shown) {
      expect(text).not.toContain(key.slice(-43));
      expect(text).not.toContain(hashApiKey(key));
    }
    expect(json(shown[0])).toMatchObject({ key: token, info: { ...FULL, status: 'active', spend: 0 } });
  });

  it("accepts what LiteLLM's clients send empty", async () => {
    const empty = {
      aliases: {},
      config: {},
      permissions: {},
      spend: 0,
      model_max_budget: {},
      allowed_routes: [],
      key_type: 'default',
      team_id: null,
      guardrails: null,
    };
    const { key } = await generate({ ...empty, models: [] });
    expect(await statusOf(key)).toBe(200);
  });

  it.each<[string, Fields, string]>([
    ['an unknown field', { rpm_limits: 5 }, 'rpm_limits: is not a known option (did you mean rpm_limit?)'],
    ['an unknown field that resembles none', { foo: 1 }, 'foo: is not a known option; known options are rpm_limit, tpm_limit'],
    ["the name of a setting in the app's own options", { alias: 'x' }, 'alias: is not a known option'],
    ['a field without effect here', { access_group_ids: ['a'] }, 'access_group_ids: must not be set, because it has no effect here, got'],
    ['another type of key', { key_type: 'management' }, 'key_type: must be default or llm_api'],
    ['a limit that is none', { rpm_limit: 'many' }, 'rpm_limit: must be an integer from 0'],
    ['tokens below 0', { tpm_limit: -1 }, 'tpm_limit: must be an integer from 0'],
    ['places below 0', { max_parallel_requests: -1 }, 'max_parallel_requests: must be an integer from 0'],
    ['a duration without a budget', { budget_duration: '30d' }, 'max_budget: must be set together with'],
    ['a duration that is none', { max_budget: 5, budget_duration: 'month' }, 'budget_duration: must be a duration such as'],
    ['a budget that is none', { max_budget: 'all', budget_duration: '30d' }, 'max_budget: must be a number from 0'],
    ['an expiry that is none', { duration: 'soon' }, 'duration: must be a duration such as'],
    ['models that are no list', { models: 'gpt-4o' }, 'models: must be an array'],
    ['an alias that is no text', { key_alias: 7 }, 'key_alias: must be a string'],
    ['a priority that is none', { priority: 'high' }, 'priority: must be one of critical, default, batch'],
    ['metadata that is no object', { metadata: [] }, 'metadata: must be an object'],
    ['metadata that is too deep for Redis', { metadata: nested(101) }, 'metadata: must not be nested deeper than 100 levels'],
    ['the master key', { key: MASTER }, 'key: must differ from the master key'],
    ['a field with the name of a method', { constructor: 1 }, 'constructor: is not a known option'],
    ['a key that is none', { key: 'secret' }, 'key: must be sk- followed by 13 to 125'],
    ['a list in place of a body', [] as never, 'body: must be an object'],
  ])('refuses %s with 400 by its name', async (_, body, message) => {
    const { status, text } = await post('/key/generate', body);
    expect([status, (JSON.parse(text) as { error: { message: string } }).error.message]).toEqual([400, expect.stringContaining(message)]);
    expect(text).not.toContain('secret');
    expect(store.records.size).toBe(0);
  });

  it('changes a key by key, public id or alias, and removes what is null', async () => {
    const { key, token } = await generate(FULL);
    const changes = { rpm_limit: 1, tpm_limit: null, team_id: null, key_alias: 'renamed' };
    expect(await done(post('/key/update', { key, ...changes }))).toMatchObject({ ...FULL, ...changes, user_id: 'ann' });
    expect(await done(post('/key/update', { key_alias: 'renamed', max_budget: null, tags: [] }))).toMatchObject({
      rpm_limit: 1,
      max_budget: null,
      budget_duration: null,
      tags: [],
    });
    expect(await done(post('/key/update', { key: token, models: [], duration: '1h' }))).toMatchObject({ models: [] });
    expect(await done(post('/key/update', { key: token, duration: '-1', rpm_limit: null, max_parallel_requests: null }))).toMatchObject({
      expires: null,
    });
    expect(store.records.get(token)).toMatchObject({ alias: 'renamed', user: 'ann', revision: 5 });
    expect(store.records.get(token)?.limits).toBeUndefined();
    await generate({ key_alias: 'other' });
    const taken = await post('/key/update', { key: token, key_alias: 'other' });
    expect(errorOf(taken)).toMatchObject({ status: 400, param: 'key_alias' });
  });

  it('blocks, unblocks and deletes', async () => {
    const [one, two] = [await generate({ key_alias: 'one' }), await generate({ key_alias: 'two' })];
    expect(await done(post('/key/block', { key: one.key }))).toMatchObject({ blocked: true });
    expect(await statusOf(one.key)).toBe(403);
    expect(await done(get(`/key/info?key=${one.token}`))).toMatchObject({ info: { status: 'revoked' } });
    await done(post('/key/unblock', { key: one.token }));
    expect(await statusOf(one.key)).toBe(200);
    expect((await post('/key/delete', { keys: [one.token, 'abcdefghijkl'] })).status).toBe(404);
    expect(await statusOf(one.key)).toBe(200);
    expect(await done(post('/key/delete', { keys: [one.key] }))).toEqual({ deleted_keys: [one.token] });
    expect(await done(post('/key/delete', { key_aliases: ['two'] }))).toEqual({ deleted_keys: [two.token] });
    expect([await statusOf(one.key), await statusOf(two.key)]).toEqual([401, 401]);
    for (const body of [{}, { keys: [] }, { keys: 'all' }, { keys: [7] }]) expect((await post('/key/delete', body)).status).toBe(400);
  });

  it('gives a key another secret, with both valid for the grace period', async () => {
    const { key: first, token } = await generate(FULL);
    const second = (await done(post('/key/regenerate', { key: first, grace_period: '1h', rpm_limit: 7 }))) as Fields & { key: string };
    expect(second).toMatchObject({ ...FULL, token, rpm_limit: 7 });
    expect([await statusOf(first), await statusOf(second.key)]).toEqual([200, 200]);
    const third = (await done(post(`/key/${second.key}/regenerate`))) as Fields & { key: string };
    expect([await statusOf(first), await statusOf(second.key), await statusOf(third.key)]).toEqual([401, 401, 200]);
    expect((await post('/key/regenerate', { key: token, grace_period: 'a while' })).status).toBe(400);
    expect((await post('/key/regenerate', {})).status).toBe(400);
    expect((await post('/key/abcdefghijkl/regenerate')).status).toBe(404);
  });

  it('imports a key that clients have, found by the hash of LiteLLM', async () => {
    const key = 'sk-QWrxEynunsNpV1zT48HIrw';
    const { token } = await generate({ key });
    expect(await statusOf(key)).toBe(200);
    expect(await done(get(`/key/info?key=${hashApiKey(key)}`))).toMatchObject({ key: token });
    expect(errorOf(await post('/key/generate', { key }))).toMatchObject({ status: 400, param: 'key' });
  });

  it('lists keys by page and filter', async () => {
    for (let i = 0; i < 12; i++) await generate({ key_alias: `key ${i}`, user_id: i < 3 ? 'ann' : 'bob', blocked: i === 0 });
    expect(await done(get('/key/list'))).toMatchObject({ total_count: 12, current_page: 1, total_pages: 2 });
    const second = (await done(get('/key/list?page=2&size=5'))) as { keys: string[] };
    expect(second.keys).toHaveLength(5);
    const filtered = (await done(get('/key/list?user_id=ann&status=active&return_full_object=true'))) as { keys: Fields[] };
    expect(filtered.keys.map(({ key_alias: alias }) => alias).sort()).toEqual(['key 1', 'key 2']);
    for (const query of ['page=0', 'page=1e0', 'page=1.5', 'page=%201', 'page=1&page=1', 'size=101', 'size=many', 'status=old', 'user=ann'])
      expect((await get(`/key/list?${query}`)).status).toBe(400);
  });

  it.each(['14d', '48h', '3mo', '90m'])('accepts the budget_duration %s, which no calendar has', async (duration) => {
    const { token } = await generate({ max_budget: 5, budget_duration: duration });
    expect(await infoOf(token)).toMatchObject({ max_budget: 5, budget_duration: duration });
    expect(await done(post('/key/update', { key: token, budget_duration: '30d' }))).toMatchObject({ budget_duration: '30d' });
  });

  it('shows what a key has spent, and forgets it', async () => {
    const { token } = await generate({ max_budget: 5, budget_duration: '30d' });
    const of = { limit: 'api-key', limits: store.records.get(token)?.limits };
    const { rateLimiter } = gateway.llm;
    rateLimiter.settle(rateLimiter.reserve(`key:${token}`, { ...of, usd: 2 }), { usd: 1.5 });
    expect(await done(get(`/key/info?key=${token}`))).toMatchObject({
      info: { spend: 1.5, max_budget: 5, budget_reset_at: expect.any(String) as string },
    });
    for (const reset_to of [-1, true, '0', null]) expect((await post(`/key/${token}/reset_spend`, { reset_to })).status).toBe(400);
    await done(post(`/key/${token}/reset_spend`, { reset_to: 0.25 }));
    expect(await done(get(`/key/info?key=${token}`))).toMatchObject({ info: { spend: 0.25 } });
    expect(await done(post(`/key/${token}/reset_spend`, { reset_to: 0 }))).toMatchObject({
      key_hash: token,
      spend: 0,
      previous_spend: 0.25,
      max_budget: 5,
    });
    expect(await done(get(`/key/info?key=${token}`))).toMatchObject({ info: { spend: 0 } });
  });

  it('gives a key a budget that never starts again, without a duration', async () => {
    const { token, ...made } = await generate({ max_budget: 5 });
    expect(made).toMatchObject({ max_budget: 5, budget_duration: null });
    expect(store.records.get(token)?.limits).toEqual({ usdTotal: 5 });
    spend(token, 1.5);
    expect(await infoOf(token)).toMatchObject({ spend: 1.5, max_budget: 5, budget_duration: null, budget_reset_at: null });
    expect(await done(post('/key/update', { key: token, max_budget: 7 }))).toMatchObject({ max_budget: 7, budget_duration: null });
    expect(await infoOf(token)).toMatchObject({ spend: 1.5 });
  });

  it('starts a window at 0, and keeps what is shown as spent where there is no window any more', async () => {
    const { token } = await generate({ max_budget: 5 });
    spend(token, 4);
    expect(await done(post('/key/update', { key: token, budget_duration: '30d' }))).toMatchObject({
      max_budget: 5,
      budget_duration: '30d',
    });
    expect(await infoOf(token)).toMatchObject({ spend: 0, budget_reset_at: expect.any(String) as string });
    spend(token, 1);
    expect(await done(post('/key/update', { key: token, budget_duration: null }))).toMatchObject({ max_budget: 5, budget_duration: null });
    expect(await infoOf(token)).toMatchObject({ spend: 1, budget_reset_at: null });
    expect(store.records.get(token)?.limits).toEqual({ usdTotal: 5 });
    await done(post('/key/update', { key: token, max_budget: null }));
    expect(await infoOf(token)).toMatchObject({ spend: 1, max_budget: null });
    await done(post('/key/update', { key: token, max_budget: 2 }));
    expect(await infoOf(token)).toMatchObject({ spend: 1, max_budget: 2 });
    expect((await post('/key/update', { key: token, max_budget: null, budget_duration: '1d' })).status).toBe(400);
  });

  it('shows what a key without a budget has spent, sets it, and forgets it with the key', async () => {
    const key = 'sk-QWrxEynunsNpV1zT48HIrw';
    const { token } = await generate({ key, rpm_limit: 5 });
    expect(await infoOf(token)).toMatchObject({ spend: 0, max_budget: null, budget_reset_at: null });
    const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] };
    expect((await post('/v1/chat/completions', chat, key)).status).toBe(200);
    await until(async () => (await infoOf(token)).spend !== 0);
    const once = (await infoOf(token)).spend as number;
    expect((await post('/v1/chat/completions', { ...chat, stream: true }, key)).status).toBe(200);
    await until(async () => Math.abs(((await infoOf(token)).spend as number) - 2 * once) < 1e-9);
    expect(await done(get('/key/list?return_full_object=true'))).toMatchObject({ keys: [{ spend: 2 * once }] });
    expect(await done(post(`/key/${token}/reset_spend`, { reset_to: 0.5 }))).toMatchObject({ previous_spend: 2 * once, max_budget: null });
    expect(await infoOf(token)).toMatchObject({ spend: 0.5 });
    await done(post('/key/delete', { keys: [token] }));
    await generate({ key, rpm_limit: 5 });
    expect(await infoOf(token)).toMatchObject({ spend: 0 });
  });

  it('is for the master key alone, but a key may read what concerns itself', async () => {
    const [one, two] = [await generate(), await generate()];
    const routes = [
      'generate',
      'update',
      'regenerate',
      'block',
      'unblock',
      'delete',
      `${one.token}/regenerate`,
      `${one.token}/reset_spend`,
    ];
    for (const route of routes) {
      expect(errorOf(await post(`/key/${route}`, {}, one.key))).toMatchObject({ status: 403, code: 'master_key_required' });
      expect((await gateway.post(`/key/${route}`, {})).status).toBe(401);
    }
    expect((await get('/key/list', one.key)).status).toBe(403);
    expect(await done(get('/key/info', one.key))).toMatchObject({ key: one.token });
    expect(await done(get(`/key/info?key=${one.key}`, one.key))).toMatchObject({ key: one.token });
    expect((await get(`/key/info?key=${two.token}`, one.key)).status).toBe(404);
    expect((await get('/key/info?key=abcdefghijkl')).status).toBe(404);
    expect((await get('/key/info')).status).toBe(400);
    expect((await gateway.ask('/key/info', { method: 'GET' })).headers['www-authenticate']).toBe('Bearer');
    expect(store.records.size).toBe(2);
  });

  it('makes no key without a master key, and none without a store', async () => {
    await gateway.stop();
    await start({ masterKey: null });
    expect((await post('/key/generate')).status).toBe(401);
    await gateway.stop();
    await start({ store: undefined });
    expect(errorOf(await post('/key/generate'))).toMatchObject({ status: 409, code: 'api_key_store_missing' });
  });

  it('is at another path, or not there', async () => {
    await gateway.stop();
    await start({ path: 'admin/keys' });
    expect((await post('/admin/keys/generate')).status).toBe(200);
    expect((await post('/key/generate')).status).toBe(404);
    await gateway.stop();
    await start({ api: false });
    expect((await post('/key/generate')).status).toBe(404);
    await expect(start({ path: 'a b' })).rejects.toThrow('keys.path: must be a path that contains only letters');
  });
});
