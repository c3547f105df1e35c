import { FastLiteLLMDashboardModule, FastLiteLLMKeysModule, StoredModels } from 'nestjs-fast-litellm';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsoleApp, HOSTILE, MASTER_KEY } from '../../support/console-app.js';
import { GatewayApp, type RawAnswer } from '../../support/gateway-app.js';
import { scripted, stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';

const SECRET = 'sk-secret-of-a-stored-model-0123456789';
const flat = (text: string): string => text.replace(/\s+/g, ' ');
const tokenIn = (page: string): string => /name="form_token" value="([\w-]+)"/.exec(page)?.[1] ?? '';
/** Names of the fields that are marked as invalid. */
const invalidIn = (page: string): string[] =>
  [...flat(page).matchAll(/<(?:input|select|textarea) id="[^"]*" name="([^"]*)"[^>]*aria-invalid="true"/g)].map(([, name]) => name);
const valueIn = (page: string, name: string): string | undefined =>
  new RegExp(`name="${name.replaceAll('.', '\\.')}"[^>]*? value="([^"]*)"`).exec(flat(page))?.[1];

describe.each(['Express', 'Fastify'] as const)('the models page on %s', (adapter) => {
  let app: ConsoleApp;
  let cookie: string;
  let apiBase: string;
  let lastKey: () => string | undefined;

  beforeAll(async () => {
    const provider = await testProvider('openai', { script: 'Hello.' });
    apiBase = provider.apiBase;
    lastKey = () => provider.latest.headers.authorization?.toString();
    app = await ConsoleApp.start(adapter, { token: 'read-only-token' });
    cookie = await app.logIn();
  });
  afterAll(async () => {
    await app.stop();
    await stopProviders();
  });

  const stored = (): StoredModels => app.gateway.app.get(StoredModels, { strict: false });
  /** Posts a form with the token of its session. */
  async function post(path: string, fields: Record<string, string> = {}): Promise<RawAnswer> {
    return app.post(path, { form_token: tokenIn(await app.page('model-new', cookie)), ...fields }, { cookie });
  }
  const entered = (more: Record<string, string> = {}): Record<string, string> => ({
    model_name: 'added',
    'litellm_params.model': 'openai/gpt-4o',
    'litellm_params.api_base': apiBase,
    'litellm_params.api_key': SECRET,
    ...more,
  });
  const linkTo = (page: string, id: string): string => `${page}?${new URLSearchParams({ id }).toString()}`;
  async function added(more: Record<string, string> = {}): Promise<string> {
    const { status, text, headers } = await post('model-new', entered(more));
    if (status !== 303) throw new Error(`${status}: ${text}`);
    return new URLSearchParams(headers.location!.split('?')[1]).get('id')!;
  }
  const edit = async (id: string, fields: Record<string, string>): Promise<RawAnswer> =>
    post(linkTo('model-edit', id), { revision: stored().find(id)!.updatedAt.toISOString(), ...fields });
  const noticeOf = async ({ headers }: RawAnswer): Promise<string> => {
    const notice = String(headers['set-cookie']).split(';', 1)[0];
    return app.page(headers.location!, `${cookie}; ${notice}`);
  };

  it('adds a model that is used and shown after the redirect, with the session as its author', async () => {
    const answer = await post('model-new', entered({ model_name: 'first', 'litellm_params.input_cost_per_token': '2.5' }));
    expect([answer.status, answer.headers.location]).toEqual([303, expect.stringMatching(/^model\?id=[\w-]{36}&at=/) as string]);
    const page = await noticeOf(answer);
    expect(page).toContain('first was added: all processes use it within a second.');
    expect(flat(page)).toMatch(/<dt>api_key<\/dt> <dd><span class="note">stored, not shown<\/span><\/dd>/);
    const [model] = stored()
      .list()
      .filter(({ modelName }) => modelName === 'first');
    expect(model).toMatchObject({
      params: { model: 'openai/gpt-4o', input_cost_per_token: 0.0000025 },
      createdBy: expect.stringMatching(/^dashboard:[\w-]{8}$/) as string,
    });
    expect(await app.page('models', cookie)).toMatch(/>first<\/strong>[^]*<span class="badge plain">API<\/span>/);
    expect(await app.chat('first')).toBe(200);
    expect(lastKey()).toBe(`Bearer ${SECRET}`);
  });

  it.each<[string, Record<string, string>, string, string]>([
    ['no name', { model_name: ' ' }, 'model_name', 'Must be a non-empty string'],
    ['no model', { 'litellm_params.model': '' }, 'litellm_params.model', 'Must be a non-empty string'],
    ['a limit that is not a number', { 'litellm_params.rpm': HOSTILE }, 'litellm_params.rpm', 'Must be a number'],
    [
      'a price that is not a number',
      { 'litellm_params.input_cost_per_token': 'x' },
      'litellm_params.input_cost_per_token',
      'Must be a number',
    ],
    ['a private address', { 'litellm_params.api_base': 'http://10.1.2.3/v1' }, 'litellm_params.api_base', 'Must be a public address'],
    [
      'a login in the address',
      { 'litellm_params.api_base': `https://u:${SECRET}@example.com` },
      'litellm_params.api_base',
      'Must not contain',
    ],
    ['a variable', { 'litellm_params.api_key': 'os.environ/HOME' }, 'litellm_params.api_key', 'Must be a literal value'],
    ['a line without a value', { more: `tags: ["a"]\n${SECRET}` }, 'more', 'Line 2 must be a name and a value'],
    ['a line of a field', { more: 'rpm: 5' }, 'more', 'Line 1 must not be rpm'],
    ['a nested variable', { more: 'extra_body: {"a": "os.environ/HOME"}' }, 'more', 'Must be a literal value'],
  ])('shows the form again for %s, with the message at its field and without secrets', async (_, fields, name, message) => {
    const { status, text } = await post('model-new', entered(fields));
    expect(status).toBe(400);
    expect(invalidIn(text)).toContain(name);
    const [, shown] = new RegExp(`<p class="failure" id="field-${name.replaceAll('.', '\\.')}-error">([^<]*)<`).exec(flat(text)) ?? [];
    expect(shown).toContain(message);
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain('<img');
    expect(text.match(/ autofocus/g)).toHaveLength(1);
    if (name !== 'model_name') expect(valueIn(text, 'model_name')).toBe('added');
    expect(
      stored()
        .list()
        .some(({ modelName }) => modelName === 'added'),
    ).toBe(false);
  });

  it('keeps what was entered but secrets, and asks for these again', async () => {
    const more = 'tags: ["a"]\nextra_headers: {"x-key": "hidden-value"}\ndrop_params: true';
    const { status, text } = await post('model-new', entered({ 'litellm_params.rpm': 'many', 'litellm_params.tpm': '7', more }));
    expect(status).toBe(400);
    expect(invalidIn(text)).toEqual(['litellm_params.api_key', 'litellm_params.rpm', 'more']);
    expect([valueIn(text, 'litellm_params.tpm'), valueIn(text, 'litellm_params.rpm')]).toEqual(['7', 'many']);
    expect(text).toContain('\ntags: [&quot;a&quot;]\ndrop_params: true</textarea');
    expect(text).not.toContain('hidden-value');
  });

  it('refuses an id that exists, with 409', async () => {
    await added({ model_name: 'once', 'model_info.id': 'once-1' });
    const { status, text } = await post('model-new', entered({ model_name: 'twice', 'model_info.id': 'once-1' }));
    expect([status, text.includes('the model once-1 already exists')]).toEqual([409, true]);
    const file = await post('model-new', entered({ model_name: 'twice', 'model_info.id': 'gpt-4o-east' }));
    expect([file.status, file.text.includes('is defined in the configuration file')]).toEqual([409, true]);
  });

  it('changes only what differs, and keeps the key if its field is empty', async () => {
    const id = await added({ model_name: 'edited', 'litellm_params.rpm': '9', more: 'tags: ["a"]\nreasoning_effort: low' });
    const page = await app.page(linkTo('model-edit', id), cookie);
    expect([valueIn(page, 'model_name'), valueIn(page, 'litellm_params.rpm'), valueIn(page, 'litellm_params.api_key')]).toEqual([
      'edited',
      '9',
      undefined,
    ]);
    expect(flat(page)).toContain('Stored, and not shown. Leave empty to keep it.');
    const answer = await edit(
      id,
      entered({ model_name: 'renamed', 'litellm_params.api_key': '', 'litellm_params.rpm': '', more: 'tags: ["b"]' }),
    );
    expect(answer.status).toBe(303);
    expect(await noticeOf(answer)).toContain('renamed was changed.');
    const { params } = stored().find(id)!;
    expect(params).toEqual({ model: 'openai/gpt-4o', api_base: apiBase, api_key: 'sk****89', tags: ['b'] });
    expect(await app.chat('renamed')).toBe(200);
    expect(lastKey()).toBe(`Bearer ${SECRET}`);
  });

  it('does not send a stored key to another address unless it is entered again', async () => {
    const other = await testProvider('openai', { script: 'Hello.' });
    const id = await added({ model_name: 'moved' });
    expect(flat(await app.page(linkTo('model-edit', id), cookie))).toContain(
      'Stored secrets (api_key) are not sent to another provider or address',
    );
    const moved = entered({ model_name: 'moved', 'litellm_params.api_base': other.apiBase, 'litellm_params.api_key': '' });
    const refused = await edit(id, moved);
    expect([refused.status, invalidIn(refused.text)]).toEqual([400, ['litellm_params.api_key']]);
    expect(stored().find(id)!.params.api_base).toBe(apiBase);
    expect((await edit(id, { ...moved, 'litellm_params.api_key': `${SECRET}-2` })).status).toBe(303);
    expect(await app.chat('moved')).toBe(200);
    expect(other.latest.headers.authorization).toBe(`Bearer ${SECRET}-2`);
  });

  it('deletes a stored secret only if the form says so', async () => {
    const id = await added({ model_name: 'two secrets', more: 'extra_headers: {"x-key": "hidden-value"}' });
    const page = await app.page(linkTo('model-edit', id), cookie);
    expect(flat(page)).toContain('Stored and not shown: extra_headers');
    expect(page).not.toContain('hidden-value');
    const fields = entered({ model_name: 'two secrets', 'litellm_params.api_key': '', more: '' });
    expect((await edit(id, fields)).status).toBe(303);
    expect(Object.keys(stored().find(id)!.params).sort()).toEqual(['api_base', 'api_key', 'extra_headers', 'model']);
    const gone = { ...fields, 'remove litellm_params.api_key': 'on' };
    expect((await edit(id, gone)).status).toBe(303);
    expect((await edit(id, { ...fields, more: 'extra_headers: null' })).status).toBe(303);
    expect(Object.keys(stored().find(id)!.params).sort()).toEqual(['api_base', 'model']);
  });

  it('does not replace a change that someone else has made meanwhile, unless it is saved again', async () => {
    const id = await added({ model_name: 'contended' });
    const revision = stored().find(id)!.updatedAt.toISOString();
    await stored().update(id, { params: { rpm: 3 } }, { actor: 'ann' });
    const fields = entered({ model_name: 'contended', 'litellm_params.api_key': '', 'litellm_params.rpm': '5' });
    const { status, text } = await post(linkTo('model-edit', id), { ...fields, revision });
    expect([status, text.includes('ann has changed this model since you opened the form')]).toEqual([400, true]);
    expect(stored().find(id)!.params.rpm).toBe(3);
    expect((await post(linkTo('model-edit', id), { ...fields, revision: valueIn(text, 'revision')! })).status).toBe(303);
    expect(stored().find(id)!.params.rpm).toBe(5);
  });

  it('offers credentials by name', async () => {
    await stored().createCredential({ name: 'shared <b>', values: { api_base: apiBase, api_key: SECRET } });
    expect(await app.page('model-new', cookie)).toContain('<option value="shared &lt;b&gt;"');
    const fields = entered({ model_name: 'credited', 'litellm_params.litellm_credential_name': 'shared <b>' });
    await added({ ...fields, 'litellm_params.api_key': '', 'litellm_params.api_base': '' });
    expect(await app.chat('credited')).toBe(200);
    expect(lastKey()).toBe(`Bearer ${SECRET}`);
  });

  it('tests a model with one call, and shows its latency or why it failed', async () => {
    const id = await added({ model_name: 'tested' });
    expect(flat(await app.page(linkTo('model', id), cookie))).toContain('Makes one small call, which the provider bills.');
    const answered = await post(linkTo('model', id), { do: 'test' });
    expect([answered.status, flat(answered.text)]).toEqual([200, expect.stringMatching(/It answered after [\d.]+ (?:ms|s)\./) as string]);
    let calls = 0;
    const failing = await scripted((asked, response) => {
      calls++;
      asked.resume();
      response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message: `bad key ${HOSTILE}` } }));
    });
    const wrong = await added({ model_name: 'wrong', 'litellm_params.api_base': failing });
    const failed = await post(linkTo('model', wrong), { do: 'test' });
    expect(flat(failed.text)).toMatch(/role="alert"[^>]*> <p>Test: It failed after [\d.]+ (?:ms|s)\.<\/p> <p class="cause">[^<]*401/);
    expect(failed.text).not.toContain('<img');
    expect(flat(failed.text)).toContain('(bad key &lt;img');
    expect(calls).toBe(1);
    const closed = await added({ model_name: 'closed', 'litellm_params.api_base': 'http://127.0.0.1:1/v1' });
    expect(flat((await post(linkTo('model', closed), { do: 'test' })).text)).toMatch(/<p class="cause">[^<]*ECONNREFUSED/);
  });

  it('offers no test of a deployment that gets no calls', async () => {
    expect(flat(await app.page('models', cookie))).toContain('llama-3');
    const [, link] = /href="(model\?id=llama[^"]*)"/.exec(await app.page('models', cookie))!;
    const page = flat(await app.page(link, cookie));
    expect(page).toContain('It can be tested when it is available.');
    expect(page).not.toContain('>Test</button>');
  });

  it('disables and enables a model', async () => {
    const id = await added({ model_name: 'switched' });
    expect(await noticeOf(await post(linkTo('model', id), { do: 'disable' }))).toContain('switched was disabled');
    expect(await app.chat('switched')).not.toBe(200);
    const page = flat(await app.page(linkTo('model', id), cookie));
    expect(page).toContain('<span class="badge plain">disabled</span>');
    expect(page).not.toContain('>Test</button>');
    expect(await noticeOf(await post(linkTo('model', id), { do: 'enable' }))).toContain('switched was enabled');
    expect(await app.chat('switched')).toBe(200);
  });

  it('asks before it deletes a model', async () => {
    const id = await added({ model_name: 'deleted' });
    const page = flat(await app.page(linkTo('model-delete', id), cookie));
    expect(page).toContain('<h1>Delete deleted?</h1>');
    expect(page).toContain('requests for <strong>deleted</strong> will get 404');
    expect(stored().find(id)).toBeDefined();
    const gone = await post('model-delete', { id });
    expect([gone.status, gone.headers.location]).toEqual([303, `models?without=${id}`]);
    expect(await noticeOf(gone)).toContain('deleted was deleted.');
    expect((await app.gateway.ask(`/dashboard/${linkTo('model', id)}`, { method: 'GET', headers: { cookie } })).status).toBe(404);
    expect(await app.chat('deleted')).toBe(404);
    expect((await post('model-delete', { id })).status).toBe(404);
  });

  it('changes nothing that the file defines, and says where it is defined', async () => {
    const page = flat(await app.page(linkTo('model', 'gpt-4o-east'), cookie));
    expect(page).toContain(`This deployment is defined in <code>${app.configPath}</code> and cannot be changed here.`);
    expect(page).toContain('>Test</button>');
    expect(page).not.toMatch(/>(?:Edit|Disable|Delete…)</);
    expect((await post(linkTo('model-edit', 'gpt-4o-east'), entered())).status).toBe(404);
    expect((await post(linkTo('model', 'gpt-4o-east'), { do: 'disable' })).status).toBe(409);
    expect((await post('model-delete', { id: 'gpt-4o-east' })).status).toBe(409);
    expect(await app.chat('gpt-4o')).toBe(200);
  });

  it('renders names as text, and no secret on any page', async () => {
    const id = await added({ model_name: HOSTILE, 'model_info.id': `hostile ${HOSTILE}`, more: `tags: [${JSON.stringify(HOSTILE)}]` });
    for (const path of ['models', linkTo('model', id), linkTo('model-edit', id), linkTo('model-delete', id), 'model-new']) {
      const text = await app.page(path, cookie);
      expect([path, text.includes('<img'), text.includes(SECRET), text.includes('sk****')]).toEqual([path, false, false, false]);
      expect(text).not.toMatch(/<script(?! src=)|<style|\sstyle=|\son\w+="/);
    }
    expect(await app.page(linkTo('model-edit', id), cookie)).toContain('&lt;img src=x');
    const answer = await post(linkTo('model', id), { do: 'disable' });
    expect(await noticeOf(answer)).not.toContain('<img');
  });

  it('is read-only for a session with the token, and rejects forms without the token of a session', async () => {
    const id = await added({ model_name: 'guarded' });
    const reader = await app.logIn('read-only-token');
    for (const path of ['models', linkTo('model', id)]) {
      const page = await app.page(path, reader);
      expect(page).toContain('guarded');
      expect(page).not.toMatch(/form_token|model-new|model-edit|model-delete/);
    }
    for (const path of ['model-new', linkTo('model-edit', id), linkTo('model-delete', id)])
      expect((await app.gateway.ask(`/dashboard/${path}`, { method: 'GET', headers: { cookie: reader } })).status).toBe(403);
    const form = { ...entered({ model_name: 'refused' }), form_token: tokenIn(await app.page('model-new', cookie)) };
    const before = stored().list();
    expect((await app.post('model-new', form, { cookie: reader })).status).toBe(403);
    expect((await app.post('model-new', entered(), { cookie })).status).toBe(403);
    expect((await app.post('model-new', form, { cookie, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await app.post('model-new', form)).status).toBe(401);
    for (const path of ['model-delete', linkTo('model', id)])
      expect((await app.post(path, { id, do: 'disable' }, { cookie })).status).toBe(403);
    expect(stored().list()).toEqual(before);
  });

  it('answers forms that no browser would send', async () => {
    const id = await added({ model_name: 'odd' });
    expect((await post(linkTo('model', id), { do: 'explode' })).status).toBe(400);
    expect((await post(linkTo('model', 'none'), { do: 'test' })).status).toBe(404);
    expect((await post(linkTo('model-edit', 'none'), {})).status).toBe(404);
    expect((await post('model-new')).status).toBe(400);
    expect((await post('model-new', entered({ model_name: 'x'.repeat(300) }))).status).toBe(400);
  });
});

describe('the models page of two processes', () => {
  it('shows what the other one has just written, after the redirect', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'two-consoles-'));
    const provider = await testProvider('openai', { script: 'Hello.' });
    // Each looks for changes of the file once in a while only.
    const [one, other] = [await ConsoleApp.start('Fastify', {}, folder), await ConsoleApp.start('Express', {}, folder)];
    const cookie = await one.logIn();
    const form_token = tokenIn(await one.page('model-new', cookie));
    const fields = {
      form_token,
      model_name: 'shared',
      'litellm_params.model': 'openai/gpt-4o',
      'litellm_params.api_base': provider.apiBase,
      'litellm_params.api_key': SECRET,
    };
    for (let round = 0; round < 3; round++) {
      const added = await one.post('model-new', fields, { cookie });
      expect(flat(await other.page(added.headers.location!, cookie))).toContain('<h1>shared</h1>');
      const id = new URLSearchParams(added.headers.location!.split('?')[1]).get('id')!;
      const edited = await other.post(
        `model-edit?id=${id}`,
        { ...fields, revision: revisionIn(other, id), 'litellm_params.rpm': `${77 + round}` },
        { cookie },
      );
      expect(flat(await one.page(edited.headers.location!, cookie))).toMatch(new RegExp(`<dt>rpm</dt> <dd><code>${77 + round}</code>`));
      const deleted = await one.post('model-delete', { form_token, id }, { cookie });
      expect(await other.page(deleted.headers.location!, cookie)).not.toContain('shared');
    }
    await Promise.all([one.stop(), other.stop()]);
    await stopProviders();
  });
});

describe('the models page with a stored model that cannot be decrypted', () => {
  it('says why it is not in use, and neither changes nor loses it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'unreadable-console-'));
    const provider = await testProvider('openai', { script: 'Hello.' });
    const before = await ConsoleApp.start('Fastify', {}, folder);
    const params = { model: 'openai/gpt-4o', api_base: provider.apiBase, api_key: SECRET };
    const { model } = await before.gateway.app.get(StoredModels, { strict: false }).create({ modelName: 'sealed', params });
    await before.stop();
    const path = join(folder, 'configuration.json');
    // The value of another key, as after a wrong salt key.
    writeFileSync(path, readFileSync(path, 'utf8').replace(/v1\.[0-9a-f]{8}\./, 'v1.00000000.'));
    const app = await ConsoleApp.start('Fastify', {}, folder);
    const cookie = await app.logIn();
    const list = flat(await app.page('models', cookie));
    expect(list).toMatch(/Stored, but not in use.*<a href="model\?id=[\w-]+">sealed<\/a>.*salt key/);
    const page = flat(await app.page(`model?id=${model.id}`, cookie));
    expect(page).toMatch(/<span class="badge bad">not in use<\/span> <span class="note below">[^<]*salt key/);
    const form = flat(await app.page(`model-edit?id=${model.id}`, cookie));
    const fields = { form_token: tokenIn(form), revision: valueIn(form, 'revision')!, model_name: 'sealed', 'litellm_params.rpm': '5' };
    const { status, text } = await app.post(`model-edit?id=${model.id}`, fields, { cookie });
    expect([status, flat(text).includes('salt key')]).toEqual([409, true]);
    expect(readFileSync(path, 'utf8')).toContain('v1.00000000.');
    await app.stop();
    await stopProviders();
  });
});

const revisionIn = (app: ConsoleApp, id: string): string =>
  app.gateway.app.get(StoredModels, { strict: false }).find(id)!.updatedAt.toISOString();

describe('the models page without the admin API', () => {
  it('shows models and no actions', async () => {
    const provider = await testProvider('openai', { script: 'Hello.' });
    const gateway = await GatewayApp.start(
      'Express',
      {},
      {
        module: { router: { modelList: [provider.deployment('chat')] } },
        imports: [
          FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: MASTER_KEY }),
          FastLiteLLMDashboardModule.forRoot(),
        ],
      },
    );
    const headers = { authorization: `Bearer ${MASTER_KEY}` };
    const pageOf = (path: string): Promise<RawAnswer> => gateway.ask(`/dashboard/${path}`, { method: 'GET', headers });
    const { text } = await pageOf('models');
    expect(text).toContain('>chat</strong>');
    expect(text).not.toMatch(/Add a model|>API</);
    expect((await pageOf('model-new')).status).toBe(404);
    const [, link] = /href="(model\?[^"]+)"/.exec(text)!;
    expect((await pageOf(link)).text).toContain('Models can be changed in an app with FastLiteLLMAdminModule.');
    await gateway.stop();
    await stopProviders();
  });
});
