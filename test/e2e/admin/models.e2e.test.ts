import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLMAdminModule, FastLiteLLMKeysModule, postgresStore, StoredModels, type PostgresStore } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { ADAPTERS, GatewayApp, type AdapterName, type RawAnswer } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const MASTER = 'sk-the-master-key-0123456';
const SALT = 'the salt key of this suite';
const SECRET = 'sk-secret-of-a-stored-model-0123456789';
const messages = [{ role: 'user', content: 'Hello' }];
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of a route or a row
type Fields = Record<string, any>;

(hasPostgres ? describe : describe.skip).each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('the admin API on %s', (adapter) => {
  let database: TestDatabase;
  let provider: TestProvider;
  let store: PostgresStore;
  let gateway: GatewayApp;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'admin-'));
    [database, provider] = await Promise.all([TestDatabase.create(), startProvider('openai', { script: 'Hello.' })]);
    store = postgresStore({ url: database.url, timeoutMs: 10_000 });
    gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: {
          router: { modelList: [provider.deployment('of-file', { model: 'openai/gpt-4o' })] },
          rateLimit: { requestsPerMinute: 10_000 },
        },
        imports: [
          FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER }),
          FastLiteLLMAdminModule.forRoot({ store, saltKey: SALT, allowedAddresses: ['127.0.0.1'] }),
        ],
      },
    );
    await until(() => store.isFollowing?.() === true);
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await database.drop();
    rmSync(folder, { recursive: true });
  });

  const call = (method: string, path: string, key: string | undefined, fields?: unknown): Promise<RawAnswer> => {
    const body = fields === undefined ? undefined : JSON.stringify(fields);
    const headers: Record<string, string> = { ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    if (body !== undefined)
      Object.assign(headers, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) });
    return gateway.ask(path, { method, headers, body });
  };
  const post = (path: string, fields: unknown = {}, key: string | undefined = MASTER): Promise<RawAnswer> =>
    call('POST', path, key, fields);
  const codeOf = ({ status, text }: RawAnswer): unknown => [status, (JSON.parse(text) as Fields).error?.code ?? null];
  async function done(answer: Promise<RawAnswer>): Promise<Fields> {
    const { status, text } = await answer;
    if (status !== 200) throw new Error(`${status}: ${text}`);
    return JSON.parse(text) as Fields;
  }
  async function refused(answer: Promise<RawAnswer>): Promise<Fields> {
    const { status, text } = await answer;
    return { status, ...(JSON.parse(text) as Fields).error };
  }
  const params = (more: Fields = {}): Fields => ({ model: 'openai/gpt-4o', api_base: provider.apiBase, api_key: SECRET, ...more });
  const created = (name: string, more: Fields = {}, info: Fields = {}): Promise<Fields> =>
    done(post('/model/new', { model_name: name, litellm_params: params(more), model_info: info }));
  const chat = (model: string): Promise<RawAnswer> => post('/v1/chat/completions', { model, messages });
  const rowOf = async (id: string): Promise<Fields> =>
    (await database.query(`SELECT record FROM fast_litellm.configuration WHERE id = $1`, [id]))[0]?.record as Fields;

  it('adds a model that answers at once, with its secret encrypted in the store', async () => {
    const row = await created('added', { rpm: 100 });
    expect(row).toMatchObject({
      model_name: 'added',
      litellm_params: { model: 'openai/gpt-4o', api_base: provider.apiBase, api_key: 'sk****89', rpm: 100 },
      model_info: { id: row.model_id, db_model: true },
      blocked: false,
      created_by: 'master',
      discarded_secrets: [],
    });
    expect((await chat('added')).status).toBe(200);
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}`);
    const stored = await rowOf(row.model_id as string);
    expect(stored.sealed).toEqual({ 'litellm_params.api_key': expect.stringMatching(/^v1\.[0-9a-f]{8}\./) as string });
    const dump = JSON.stringify(await database.query('SELECT * FROM fast_litellm.configuration, fast_litellm.audit_log'));
    expect(dump).not.toContain(SECRET);
  });

  it('changes, blocks and deletes a model, and audits each change with masked secrets', async () => {
    const { model_id: id } = await created('changed');
    await done(
      call('PATCH', `/model/${id}/update`, MASTER, { litellm_params: { rpm: 5, api_key: 'sk****89', tpm: null }, model_name: 'renamed' }),
    );
    expect((await chat('renamed')).status).toBe(200);
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}`);
    const row = await done(post('/model/update', { model_info: { id, mode: 'chat' }, litellm_params: { api_key: `${SECRET}-2` } }));
    expect(row).toMatchObject({ model_name: 'renamed', litellm_params: { rpm: 5 }, model_info: { mode: 'chat' } });
    await chat('renamed');
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}-2`);
    expect(await done(post('/model/block', { model_id: id }))).toMatchObject({ blocked: true });
    expect((await chat('renamed')).status).not.toBe(200);
    expect(await done(post('/model/unblock', { model_id: id }))).toMatchObject({ blocked: false });
    expect((await chat('renamed')).status).toBe(200);
    expect(await done(post('/model/delete', { id }))).toEqual({ message: `Model: ${id} deleted successfully` });
    expect(codeOf(await post('/model/delete', { id }))).toEqual([404, 'not_found']);
    expect((await chat('renamed')).status).toBe(404);
    const { audit_logs: log } = await done(call('GET', `/audit?object_id=${id}&page_size=20`, MASTER));
    const actions = (log as Fields[]).map(({ action, changed_by: by, table_name: table }) => [action, by, table]);
    const expected = ['deleted', 'unblocked', 'blocked', 'updated', 'updated', 'created'];
    expect(actions).toEqual(expected.map((action) => [action, 'master', 'LiteLLM_ProxyModelTable']));
    expect(JSON.stringify(log)).not.toContain(SECRET);
  });

  it('changes nothing that the file defines', async () => {
    const id = `${provider.name}/of-file`;
    for (const answer of [
      post('/model/update', { model_info: { id }, litellm_params: { rpm: 1 } }),
      call('PATCH', `/model/${encodeURIComponent(id)}/update`, MASTER, { litellm_params: { rpm: 1 } }),
      post('/model/delete', { id }),
      post('/model/block', { model_id: id }),
      post('/model/new', { model_name: 'other', litellm_params: params(), model_info: { id } }),
    ])
      expect(await refused(answer)).toMatchObject({ status: 409, code: 'defined_in_file', message: expect.stringContaining(id) as string });
    expect((await chat('of-file')).status).toBe(200);
  });

  it('refuses an id that exists', async () => {
    const { model_id: id } = await created('once', {}, { id: 'once-1' });
    expect(codeOf(await post('/model/new', { model_name: 'twice', litellm_params: params(), model_info: { id } }))).toEqual([
      409,
      'conflict',
    ]);
  });

  it.each<[string, Fields, string, RegExp]>([
    ['no model', { litellm_params: {} }, 'litellm_params.model', /non-empty/],
    ['no name', { model_name: '' }, 'model_name', /non-empty/],
    ['an unknown field', { model_nam: 'x' }, 'model_nam', /did you mean model_name/],
    ['a variable', { litellm_params: { model: 'openai/x', api_key: 'os.environ/HOME' } }, 'litellm_params.api_key', /literal value/],
    [
      'a variable in headers',
      { litellm_params: { model: 'openai/x', extra_headers: { a: 'os.environ/HOME' } } },
      'litellm_params.extra_headers.a',
      /literal value/,
    ],
    ['a shell variable', { litellm_params: { model: 'openai/x', api_key: '${HOME}' } }, 'litellm_params.api_key', /literal value/],
    ['a variable as the name', { model_name: 'os.environ/HOME' }, 'model_name', /literal value/],
    [
      'a file with a token',
      { litellm_params: { model: 'azure/x', azure_ad_token: 'oidc/file/etc/passwd' } },
      'litellm_params.azure_ad_token',
      /literal value/,
    ],
    [
      'a file with credentials',
      { litellm_params: { model: 'vertex_ai/gemini-2.5-pro', vertex_credentials: '/etc/passwd' } },
      'litellm_params.vertex_credentials',
      /JSON/,
    ],
    [
      'an identity that starts a program',
      {
        litellm_params: {
          model: 'vertex_ai/gemini-2.5-pro',
          vertex_credentials: '{"type":"external_account","credential_source":{"executable":{}}}',
        },
      },
      'litellm_params.vertex_credentials',
      /service account/,
    ],
    [
      'a profile',
      { litellm_params: { model: 'bedrock/x', aws_profile_name: 'default' } },
      'litellm_params.aws_profile_name',
      /configuration file/,
    ],
    ['a tokenizer', { model_info: { custom_tokenizer: { file: '/etc/passwd' } } }, 'model_info.custom_tokenizer', /configuration file/],
    ['a team', { model_info: { team_id: 't1' } }, 'model_info.team_id', /does not restrict keys/],
    ['no key', { litellm_params: { model: 'groq/llama' } }, 'litellm_params', /no API key/],
    [
      'a login in the address',
      { litellm_params: { model: 'openai/x', api_base: 'https://a:b@example.com' } },
      'litellm_params.api_base',
      /login/,
    ],
    [
      'another protocol',
      { litellm_params: { model: 'openai/x', api_base: 'file:///etc/passwd' } },
      'litellm_params.api_base',
      /http or https/,
    ],
    ['a limit that is not a number', { litellm_params: { model: 'openai/x', api_key: 'a', rpm: 'many' } }, 'litellm_params.rpm', /number/],
    [
      'an unknown credential',
      { litellm_params: { model: 'openai/x', litellm_credential_name: 'none' } },
      'litellm_params.litellm_credential_name',
      /stored credential/,
    ],
  ])('stores nothing of a model with %s', async (_, fields, param, words) => {
    const before = (await database.query('SELECT count(*) AS count FROM fast_litellm.configuration'))[0].count;
    const answer = await refused(post('/model/new', { model_name: 'refused', litellm_params: params(), ...fields }));
    expect(answer).toMatchObject({ status: 400, param, message: expect.stringMatching(words) as string });
    expect((await database.query('SELECT count(*) AS count FROM fast_litellm.configuration'))[0].count).toBe(before);
  });

  it('reports unknown fields of a model that it stores', async () => {
    const { warnings } = await created('with-fields', { unheard_of: 1 }, { unknown_fact: true });
    expect(warnings).toEqual([
      expect.stringContaining('model_info.unknown_fact') as string,
      expect.stringContaining('unheard_of') as string,
    ]);
  });

  it('deletes secrets with a change of the address, unless they are sent again', async () => {
    const { model_id: id } = await created('moved', { extra_headers: { 'x-key': SECRET } });
    const other = provider.apiBase.replace('/v1', '/v1/');
    const moved = await done(call('PATCH', `/model/${id}/update`, MASTER, { litellm_params: { api_base: other } }));
    expect(moved.discarded_secrets).toEqual(['api_key', 'extra_headers']);
    expect(moved.litellm_params).toEqual({ model: 'openai/gpt-4o', api_base: other });
    await chat('moved');
    expect(provider.latest.headers).not.toMatchObject({ 'x-key': SECRET });
    expect(provider.latest.headers.authorization ?? '').not.toContain(SECRET);
    const back = { api_base: provider.apiBase, api_key: SECRET };
    expect(await done(call('PATCH', `/model/${id}/update`, MASTER, { litellm_params: back }))).toMatchObject({ discarded_secrets: [] });
    const provided = call('PATCH', `/model/${id}/update`, MASTER, { litellm_params: { model: 'groq/llama', api_base: '' } });
    expect(await refused(provided)).toMatchObject({ status: 400, message: expect.stringContaining('send it again') as string });
  });

  it('shares a credential among models, and keeps it while one uses it', async () => {
    const values = { api_key: SECRET, api_base: provider.apiBase };
    const credential = { credential_name: 'team/shared', credential_values: values, credential_info: { description: 'of a test' } };
    expect(await done(post('/credentials', credential))).toEqual({ success: true, message: 'Credential created successfully' });
    expect(codeOf(await post('/credentials', credential))).toEqual([409, 'conflict']);
    const shown = {
      credential_name: 'team/shared',
      credential_values: { api_key: 'sk****89', api_base: provider.apiBase },
      credential_info: { description: 'of a test' },
      source: 'db',
    };
    const name = encodeURIComponent('team/shared');
    expect(await done(call('GET', '/credentials', MASTER))).toEqual({ success: true, credentials: [shown] });
    expect(await done(call('GET', `/credentials/by_name/${name}`, MASTER))).toEqual(shown);
    const named = { model: 'openai/gpt-4o', litellm_credential_name: 'team/shared' };
    const { model_id: id } = await done(post('/model/new', { model_name: 'by-credential', litellm_params: named }));
    expect((await chat('by-credential')).status).toBe(200);
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(await done(call('GET', `/credentials/by_model/${id}`, MASTER))).toEqual(shown);
    // Its secrets go to its own address only.
    const elsewhere = { ...named, api_base: 'https://example.com/v1' };
    expect(await refused(post('/model/new', { model_name: 'x', litellm_params: elsewhere }))).toMatchObject({
      status: 400,
      param: 'litellm_params.api_base',
    });
    await done(
      call('PATCH', `/credentials/${name}`, MASTER, { credential_values: { api_key: `${SECRET}-3`, api_base: provider.apiBase } }),
    );
    await chat('by-credential');
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}-3`);
    await done(call('PATCH', `/credentials/${name}`, MASTER, { credential_values: { api_key: 'sk****-3' }, credential_info: { more: 1 } }));
    await chat('by-credential');
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}-3`);
    const emptied = call('PATCH', `/credentials/${name}`, MASTER, { credential_values_to_delete: ['api_key', 'api_base'] });
    expect(await refused(emptied)).toMatchObject({ status: 400, param: 'credential_values' });
    expect(await refused(call('DELETE', `/credentials/${name}`, MASTER))).toMatchObject({ status: 409, code: 'in_use' });
    await done(post('/model/delete', { id }));
    expect(await done(call('DELETE', `/credentials/${name}`, MASTER))).toEqual({
      success: true,
      message: 'Credential deleted successfully',
    });
    expect(codeOf(await call('GET', `/credentials/by_name/${name}`, MASTER))).toEqual([404, 'not_found']);
  });

  it('makes a credential of the values of a model', async () => {
    const { model_id: id } = await created('source');
    await done(post('/credentials', { credential_name: 'copied', model_id: id }));
    expect(await done(call('GET', '/credentials/by_name/copied', MASTER))).toMatchObject({
      credential_values: { api_key: 'sk****89', api_base: provider.apiBase },
    });
    expect(codeOf(await post('/credentials', { credential_name: 'no', model_id: `${provider.name}/of-file` }))).toEqual([
      409,
      'defined_in_file',
    ]);
  });

  it.each([
    ['POST', '/model/new'],
    ['POST', '/model/update'],
    ['PATCH', '/model/x/update'],
    ['POST', '/model/delete'],
    ['POST', '/model/block'],
    ['POST', '/model/unblock'],
    ['POST', '/credentials'],
    ['GET', '/credentials'],
    ['GET', '/credentials/by_name/x'],
    ['GET', '/credentials/by_model/x'],
    ['PATCH', '/credentials/x'],
    ['DELETE', '/credentials/x'],
  ])('answers %s %s with the master key only', async (method, path) => {
    const fields = method === 'GET' ? undefined : {};
    const { key } = await done(post('/key/generate', {}));
    await done(post('/user/new', { user_id: `u-${path}`, user_role: 'internal_user', auto_create_key: false })).catch(() => ({}));
    const { key: ofUser } = await done(post('/key/generate', { user_id: `u-${path}` }));
    expect(codeOf(await call(method, path, undefined, fields))).toEqual([401, 'invalid_api_key']);
    expect(codeOf(await call(method, path, 'sk-wrong-key-0123456789', fields))).toEqual([401, 'invalid_api_key']);
    for (const each of [key, ofUser]) expect((await call(method, path, each as string, fields)).status).toBe(403);
    expect([200, 400, 404]).toContain((await call(method, path, MASTER, fields)).status);
  });

  it.each<[string, string]>([
    ['loopback', 'http://127.0.0.2:1/v1'],
    ['decimal', 'http://2130706434/v1'],
    ['octal', 'http://0177.0.0.2/v1'],
    ['hexadecimal', 'http://0x7f.2/v1'],
    ['short', 'http://127.2/v1'],
    ['full-width', 'http://１２７.0.0.2/v1'],
    ['this network', 'http://0.0.0.0/v1'],
    ['class A', 'http://10.1.2.3/v1'],
    ['class B', 'http://172.31.0.1/v1'],
    ['class C', 'http://192.168.0.1/v1'],
    ['shared', 'http://100.100.100.200/v1'],
    ['link-local, with the metadata of clouds', 'http://169.254.169.254/latest'],
    ['of the host agent of Azure', 'http://168.63.129.16/v1'],
    ['multicast', 'http://224.0.0.1/v1'],
    ['broadcast', 'http://255.255.255.255/v1'],
    ['IPv6 loopback', 'http://[::1]/v1'],
    ['IPv6 unspecified', 'http://[::]/v1'],
    ['mapped IPv4', 'http://[::ffff:127.0.0.2]/v1'],
    ['mapped IPv4 in hexadecimal', 'http://[::ffff:a00:1]/v1'],
    ['IPv4 in NAT64', 'http://[64:ff9b::10.0.0.1]/v1'],
    ['IPv4 in 6to4', 'http://[2002:a00:1::]/v1'],
    ['unique local', 'http://[fd00:ec2::254]/v1'],
    ['IPv6 link-local', 'http://[fe80::1]/v1'],
    ['a local name', 'http://localhost:1/v1'],
    ['a local name with a dot', 'http://LOCALHOST.:1/v1'],
    ['a name below it', 'http://a.localhost/v1'],
  ])('refuses an address that is not allowed: %s', async (_, address) => {
    const answer = await refused(post('/model/new', { model_name: 'private', litellm_params: params({ api_base: address }) }));
    expect(answer).toMatchObject({
      status: 400,
      param: 'litellm_params.api_base',
      message: expect.stringContaining('admin.allowedAddresses') as string,
    });
  });

  it('connects to no address that is not allowed, even if the row was written by hand', async () => {
    const { model_id: id } = await created('by-hand', { api_key: undefined });
    const address = provider.apiBase.replace('127.0.0.1', 'localhost');
    const sql = `UPDATE fast_litellm.configuration SET record = jsonb_set(record, '{plain,litellm_params,api_base}', to_jsonb($2::text)) WHERE id = $1`;
    await database.query(sql, [id, address]);
    await gateway.app.get(StoredModels).reload();
    const sent = provider.requests.length;
    const answer = await refused(chat('by-hand'));
    expect(answer).toMatchObject({ status: 503, code: 'deployment_misconfigured' });
    expect(JSON.stringify(answer)).not.toContain('localhost');
    expect(provider.requests.length).toBe(sent);
    await done(post('/model/delete', { id }));
  });

  it('uses no secret at an address that was changed by hand, and no variable', async () => {
    const [{ model_id: moved }, { model_id: variable }] = [await created('hand-moved'), await created('hand-variable')];
    const set = (path: string, id: unknown, value: string): Promise<unknown> =>
      database.query(
        `UPDATE fast_litellm.configuration SET record = jsonb_set(record, '{plain,litellm_params,${path}}', to_jsonb($2::text)) WHERE id = $1`,
        [id, value],
      );
    await set('api_base', moved, `${provider.url}/other`);
    await set('organization', variable, 'os.environ/HOME');
    const stored = gateway.app.get(StoredModels);
    await stored.reload();
    expect(stored.find(moved as string)?.fault).toContain('was changed outside of the admin API');
    expect(stored.find(variable as string)?.fault).toContain('must be a literal value');
    expect([(await chat('hand-moved')).status, (await chat('hand-variable')).status]).toEqual([404, 404]);
    expect(gateway.llm.healthCheck().components.stored_configuration).toMatchObject({ status: 'degraded' });
    await done(post('/model/delete', { id: moved }));
    await done(post('/model/delete', { id: variable }));
    expect(gateway.llm.healthCheck().components.stored_configuration).toMatchObject({ status: 'ok' });
  });

  it('follows no redirect with a key', async () => {
    await created('redirecting');
    provider.use({ status: 302, headers: { location: `${provider.url}/elsewhere` }, body: '' });
    const sent = provider.requests.length;
    expect((await chat('redirecting')).status).toBeGreaterThanOrEqual(400);
    expect(provider.requests.slice(sent).filter(({ path }) => path.includes('elsewhere'))).toEqual([]);
    provider.use('Hello.');
  });

  it('tests a model with one call, and says why it fails', async () => {
    const stored = gateway.app.get(StoredModels);
    const { model_id: id } = await created('tested');
    const sent = provider.requests.length;
    expect(await stored.test(id as string)).toMatchObject({ state: 'healthy' });
    expect(provider.requests.length).toBe(sent + 1);
    provider.use({ status: 401, error: 'Incorrect API key.' } as never);
    expect(await stored.test(id as string)).toMatchObject({
      state: 'unhealthy',
      reason: expect.stringContaining('rejected this server') as string,
    });
    provider.use('Hello.');
    await expect(stored.test('none')).rejects.toMatchObject({ code: 'CONFIGURATION_NOT_FOUND' });
  });
});
