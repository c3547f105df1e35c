import { createHash } from 'node:crypto';
import { FastLiteLLMGatewayModule, FastLiteLLMKeysModule, postgresStore, type PostgresStore } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp, type RawAnswer } from '../../support/gateway-app.js';
import { hasPostgresBinaries, PostgresCluster } from '../../support/postgres-cluster.js';
import { hasPostgres } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const MASTER = 'sk-the-master-key-0123456';
type Fields = Record<string, unknown>;

(hasPostgres && hasPostgresBinaries ? describe : describe.skip)('a gateway with keys in PostgreSQL', () => {
  let cluster: PostgresCluster;
  let provider: TestProvider;
  let store: PostgresStore;
  let gateway: GatewayApp;
  beforeAll(async () => {
    [cluster, provider] = await Promise.all([PostgresCluster.start(), startProvider('openai')]);
    store = postgresStore({ url: cluster.url, timeoutMs: 2_000 });
    gateway = await GatewayApp.start('Fastify', FastLiteLLMGatewayModule.forRoot(), {
      module: { router: { modelList: [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })] } },
      imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER })],
    });
    await until(() => store.isFollowing?.() === true);
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await cluster.remove();
  });

  const headers = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}`, 'x-request-id': 'request-7' });
  const post = (path: string, body: unknown = {}): Promise<RawAnswer> => gateway.post(path, body, headers(MASTER));
  const get = (path: string, key = MASTER): Promise<RawAnswer> => gateway.ask(path, { method: 'GET', headers: headers(key) });
  const statusOf = async (key: string): Promise<number> => (await get('/v1/models', key)).status;
  async function done(answer: Promise<RawAnswer>): Promise<Fields> {
    const { status, text } = await answer;
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return JSON.parse(text) as Fields;
  }

  it('accepts a key and never its hash, in any form', async () => {
    const { key } = (await done(post('/key/generate', { key_alias: 'one' }))) as { key: string };
    expect(await statusOf(key)).toBe(200);
    const hash = createHash('sha256').update(key).digest('hex');
    for (const form of [hash, `sk-${hash}`, `sk-${key.slice(3, 15)}-${hash.slice(0, 43)}`]) expect(await statusOf(form)).toBe(401);
    const imported = 'sk-imported-key-1234567890';
    await done(post('/key/generate', { key: imported }));
    expect(await statusOf(imported)).toBe(200);
    expect(await statusOf(`sk-${createHash('sha256').update(imported).digest('hex')}`)).toBe(401);
  });

  it('accepts a change by SQL within a second', async () => {
    const { key, token } = (await done(post('/key/generate'))) as { key: string; token: string };
    expect(await statusOf(key)).toBe(200);
    await cluster.query(`UPDATE fast_litellm.keys SET record = record || '{"blocked": true}' WHERE public_id = $1`, [token]);
    await until(async () => (await statusOf(key)) === 403);
  });

  it('lists who changed which key, for the master key only', async () => {
    const { key, token } = (await done(post('/key/generate', { key_alias: 'audited', metadata: { password: 'hidden' } }))) as Record<
      string,
      string
    >;
    await done(post('/key/block', { key: token }));
    await done(post('/key/unblock', { key: token }));
    await done(post('/key/update', { key: token, max_budget: 5 }));
    const { key: rotated } = (await done(post('/key/regenerate', { key: token }))) as Record<string, string>;
    await done(post(`/key/${token}/reset_spend`, { reset_to: 0 }));
    for (const path of ['/audit', '/audit/00000000-0000-4000-8000-000000000000']) expect((await get(path, rotated)).status).toBe(403);
    await done(post('/key/delete', { keys: [token] }));
    const answer = await get(`/audit?object_id=${token}&page_size=3&page=2&sort_order=asc`);
    const { audit_logs: logs, ...page } = JSON.parse(answer.text) as { audit_logs: Fields[] };
    expect(page).toEqual({ total: 7, page: 2, page_size: 3, total_pages: 3 });
    expect(logs.map(({ action }) => action)).toEqual(['updated', 'rotated', 'spend_reset']);
    const all = await get(`/audit?object_id=${token}&table_name=LiteLLM_VerificationToken&page_size=100`);
    const { audit_logs: entries } = JSON.parse(all.text) as { audit_logs: Fields[] };
    expect(entries.map(({ action }) => action)).toEqual([
      'deleted',
      'spend_reset',
      'rotated',
      'updated',
      'unblocked',
      'blocked',
      'created',
    ]);
    expect(entries[5]).toMatchObject({
      ...{ changed_by: 'master', changed_by_api_key: 'master', object_id: token, table_name: 'LiteLLM_VerificationToken' },
      ...{ address: '127.0.0.1', request_id: 'request-7', before_value: { alias: 'audited' }, updated_values: { blocked: true } },
    });
    for (const secret of [key, rotated, 'hidden', createHash('sha256').update(key).digest('hex')]) expect(all.text).not.toContain(secret);
    expect((await get('/audit', 'sk-unknown-key-1234567890')).status).toBe(401);
    expect((await get('/audit?start_date=yesterday')).status).toBe(400);
    expect(JSON.parse((await get(`/audit/${String(entries[0].id)}`)).text)).toEqual(entries[0]);
    for (const id of ['00000000-0000-4000-8000-000000000000', 'none', '%00', "'"]) expect((await get(`/audit/${id}`)).status).toBe(404);
    for (const query of ['/audit?object_id=a%00', '/key/list?user_id=a%00', '/key/list?team_id=%00', '/key/list?key_alias=b%00']) {
      const { status, text } = await get(query);
      const path = /[?](\w+)=/.exec(query)?.[1];
      expect([query, status, text]).toEqual([query, 400, expect.stringContaining(`${path}: must not contain U+0000`)]);
    }
    expect((await post('/key/delete', { key_aliases: ['a\0'] })).status).toBe(400);
    expect(JSON.parse((await get('/audit?start_date=2000-01-01&end_date=2000-01-02')).text)).toMatchObject({ total: 0 });
  });

  it.each([
    ['is stopped', () => cluster.stop(), () => cluster.start()],
    ['is killed', () => cluster.kill(), () => cluster.start()],
    ['hangs', async () => cluster.signal('SIGSTOP'), async () => cluster.signal('SIGCONT')],
  ])('goes on with known keys while the database %s, and refuses new ones', async (_, end, start) => {
    const { key, token } = (await done(post('/key/generate'))) as { key: string; token: string };
    const { key: other } = (await done(post('/key/generate'))) as { key: string };
    expect(await statusOf(key)).toBe(200);
    await end();
    expect(await statusOf(key)).toBe(200);
    const refused = await get('/v1/models', other);
    expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('api_key_store_unavailable')]);
    expect((await post('/key/block', { key: token })).status).toBe(503);
    expect(await statusOf(key)).toBe(200);
    expect(gateway.llm.healthCheck()).toMatchObject({ status: 'degraded' });
    await start();
    await until(async () => (await statusOf(other)) === 200);
    await until(() => store.isFollowing?.() === true);
    await done(post('/key/block', { key: token }));
    expect(await statusOf(key)).toBe(403);
  });
});
