import { DirectoryService, fileApiKeyStore, postgresStore, type PostgresStore } from 'nestjs-fast-litellm';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashApiKey } from '../../../lib/keys/api-key.js';
import type { AdapterName } from '../../support/gateway-app.js';
import { formWith, KeysConsole, MASTER_KEY, READ_TOKEN, SECRET } from '../../support/keys-console.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const HOSTILE = '<img src=x onerror=alert(1)>"\'';
const CONFIGURED = { key: 'sk-from-the-configuration-0123', alias: 'ci-runner', team: 'builders' };
const stores = ['memory', 'file', ...(hasPostgres ? ['PostgreSQL'] : [])];
const kinds = (['Express', 'Fastify'] as const).flatMap((adapter) => stores.map((kind): [string, AdapterName] => [kind, adapter]));

afterAll(stopProviders);

describe.each(kinds)('the keys page with a store in %s, on %s', (kind, adapter) => {
  let database: TestDatabase | undefined;
  let postgres: PostgresStore | undefined;
  let app: KeysConsole;

  beforeAll(async () => {
    if (kind === 'PostgreSQL') {
      database = await TestDatabase.create();
      postgres = postgresStore({ url: database.url, timeoutMs: 10_000 });
    }
    const store = kind === 'memory' ? new MemoryKeyStore() : fileApiKeyStore(join(mkdtempSync(join(tmpdir(), 'keys-')), 'keys.json'));
    app = await KeysConsole.start(adapter, { store, postgres, configured: [CONFIGURED] });
    await until(() => postgres?.isFollowing?.() ?? true);
  }, 60_000);
  afterAll(async () => {
    await app.stop();
    await database?.drop();
  });

  const secretIn = (page: string) => SECRET.exec(page)?.[0] ?? '';
  const idIn = (page: string) => /key\?id=([A-Za-z0-9]{12})/.exec(page)![1];
  const count = async () => (await app.keys.search()).total;
  /** Creates a key by the form. */
  async function created(fields: Record<string, string> = {}): Promise<{ readonly key: string; readonly id: string }> {
    const { status, text } = await app.submit('key?view=new', 'create', fields);
    expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    return { key: secretIn(text), id: idIn(text) };
  }
  const openedForm = async (path: string, action: string) => formWith(action, (await app.get(path)).text);

  it('creates a key, and shows its secret in one answer only', async () => {
    const form = await openedForm('key?view=new', 'create');
    const fields = {
      ...form.fields,
      do: 'create',
      key_alias: 'mobile',
      team_id: 'red',
      models: 'gpt-4o*\r\n\r\n claude-sonnet ',
      rpm_limit: '50',
    };
    const more = { max_budget: '2.5', budget_duration: '30d', metadata: '{"plan": "trial"}', aliases: 'fast = gpt-4o', tags: 'a, b' };
    const answer = await app.post(form.action, { ...fields, ...more });
    expect(answer.status).toBe(200);
    const key = secretIn(answer.text);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(JSON.stringify(answer.headers)).not.toContain(key.slice(-43));
    const { publicId, hashes } = (await app.keys.findByAlias('mobile'))!;
    expect(hashes).toEqual([{ sha256: hashApiKey(key) }]);
    expect(await app.keys.find(publicId)).toMatchObject({
      team: 'red',
      models: ['gpt-4o*', 'claude-sonnet'],
      limits: { requestsPerMinute: 50, usdPerWindow: 2.5, usdWindow: '30d' },
      metadata: { plan: 'trial' },
      modelAliases: { fast: 'gpt-4o' },
      tags: ['a', 'b'],
    });
    expect(await app.chat(key, 'fast')).toBe(200);

    const before = await count();
    const again = await app.post(form.action, { ...fields, ...more });
    expect([again.status, await count()]).toEqual([409, before]);
    expect(again.text).toContain('This form has already created its key');
    const others = await app.submit('key?view=new', 'create', { ...fields, key_alias: 'other', id: publicId });
    expect([others.status, await count()]).toEqual([409, before]);

    const pages = ['keys', `key?id=${publicId}`, `key?id=${publicId}&view=edit`, `key?id=${publicId}&view=rotate`, 'data', 'calls', ''];
    const texts = [
      again.text,
      others.text,
      app.lines.join('\n'),
      ...(await Promise.all(pages.map(async (path) => (await app.get(path)).text))),
    ];
    if (app.keys.auditLog !== undefined) texts.push(JSON.stringify((await app.keys.auditLog.search({ entityId: publicId })).entries));
    for (const text of texts) {
      expect(text).not.toContain(key.slice(-43));
      expect(text).not.toContain(hashApiKey(key));
      expect(text).not.toMatch(SECRET);
    }
    expect(app.lines.filter((line) => line.includes(publicId))).toEqual([
      expect.stringMatching(new RegExp(`^Dashboard: key ${publicId} created by dashboard:[\\w-]{8} \\(127\\.0\\.0\\.1, alias mobile\\)$`)),
    ]);
  });

  it.each<[string, Record<string, string>, string]>([
    ['key_alias', { key_alias: 'ci-runner' }, 'Must be unique among keys'],
    ['key_alias', { key_alias: 'x'.repeat(257) }, 'Must be a string of 1 to 256 characters'],
    ['key_alias', { key_alias: 'a\0b' }, 'Must not contain U+0000'],
    ['rpm_limit', { rpm_limit: '1,000' }, 'Must be a number without separators'],
    ['rpm_limit', { rpm_limit: '1.5' }, 'Must be an integer'],
    ['tpm_limit', { tpm_limit: '-1' }, 'Must be an integer from 0'],
    ['max_parallel_requests', { max_parallel_requests: '1e99' }, 'Must be an integer from 0'],
    ['max_budget', { max_budget: 'much' }, 'Must be a number'],
    ['max_budget', { budget_duration: '30d' }, 'Must be set together with budget_duration'],
    ['budget_duration', { max_budget: '1', budget_duration: 'week' }, 'Must be a duration such as'],
    ['expires', { expires: '2020-01-01T00:00' }, 'Must be in the future'],
    ['expires', { expires: 'soon' }, 'Must be an ISO 8601 date'],
    ['temp_budget_expiry', { temp_budget_increase: '5' }, 'Must be set together'],
    ['models', { models: `gpt\n${'m'.repeat(300)}` }, 'Must be a string of 1 to 256 characters'],
    ['aliases', { aliases: 'fast' }, 'Must have one alias a line'],
    ['metadata', { metadata: '{"a": ' }, 'Must be a JSON object'],
    ['metadata', { metadata: '[1]' }, 'Must be a JSON object'],
    ['priority', { priority: 'top' }, 'Must be one of critical, default, batch'],
  ])('answers 400 at the field %s for %j, keeps the input, and creates nothing', async (name, fields, message) => {
    const before = await count();
    const entered = { user_id: HOSTILE, tags: 'kept', ...fields };
    const { status, text } = await app.submit('key?view=new', 'create', entered);
    expect([status, await count()]).toEqual([400, before]);
    const [, attributes] = new RegExp(`<(?:input|textarea|select)\\s+(id="field-${name}"[^>]*)>`).exec(text)!;
    expect(attributes).toContain('aria-invalid="true"');
    expect(attributes).toMatch(new RegExp(`aria-describedby="field-${name}-error`));
    const [, shown] = new RegExp(`id="field-${name}-error">([^<]*)<`).exec(text)!;
    expect(shown).toContain(message);
    expect(text.match(/aria-invalid/g)).toHaveLength(1);
    expect(formWith('create', text).fields).toMatchObject({ user_id: HOSTILE, tags: 'kept' });
    expect(text).not.toContain('<img');
  });

  it('shows all texts that cannot be read at once, and opens their section', async () => {
    const { text } = await app.submit('key?view=new', 'create', { rpm_limit: 'a', tpm_limit: 'b', metadata: 'c' });
    expect(text.match(/aria-invalid/g)).toHaveLength(3);
    expect(text).toMatch(/<details open>/);
    expect((await app.get('key?view=new')).text).toMatch(/<details >/);
  });

  it('changes what was edited, and nothing else', async () => {
    const limits = { requestsPerMinute: 5, requestsPerDay: 100, usdPerMonth: 9, usdPerWindow: 3, usdWindow: '7d' };
    const settings = {
      models: [],
      expiresAt: '2099-01-31T08:00:12.345Z',
      metadata: { plan: 'trial' },
      tags: ['a'],
      priority: 'batch',
    } as const;
    const { record } = await app.keys.create({ alias: 'edited', limits, ...settings });
    const path = `key?id=${record.publicId}&view=edit`;
    const answer = await app.submit(path, 'save', { rpm_limit: '6', tags: '' });
    expect([answer.status, answer.headers.location]).toEqual([303, `key?id=${record.publicId}`]);
    const after = (await app.keys.find(record.publicId))!;
    expect({ ...after, tags: settings.tags }).toMatchObject({
      ...settings,
      alias: 'edited',
      limits: { ...limits, requestsPerMinute: 6 },
      revision: 2,
    });
    expect(after.tags).toBeUndefined();
    expect(
      (await app.submit(path, 'save', { max_budget: '', budget_duration: '', metadata: '', rpm_limit: '', models: 'gpt-4o' })).status,
    ).toBe(303);
    const cleared = (await app.keys.find(record.publicId))!;
    expect([cleared.limits, cleared.metadata, cleared.models]).toEqual([{ requestsPerDay: 100, usdPerMonth: 9 }, undefined, ['gpt-4o']]);
    const wrong = await app.submit(path, 'save', { key_alias: 'ci-runner' });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toMatch(/id="field-key_alias-error">Must be unique among keys/);
  });

  it('does not overwrite a change that was made after the form was opened', async () => {
    const { record } = await app.keys.create({ alias: 'contested' });
    const form = await openedForm(`key?id=${record.publicId}&view=edit`, 'save');
    await app.keys.update(record.publicId, { team: 'other' });
    const answer = await app.post(form.action, { ...form.fields, do: 'save', user_id: 'ann' });
    expect(answer.status).toBe(409);
    expect(answer.text).toContain('The key was changed after this form was opened');
    const after = (await app.keys.find(record.publicId))!;
    expect([after.team, after.user, after.revision]).toEqual(['other', undefined, 2]);
  });

  it('blocks and unblocks a key', async () => {
    const { key, id } = await created();
    for (const [action, status, state] of [
      ['block', 403, 'blocked'],
      ['unblock', 200, 'active'],
    ] as const) {
      const answer = await app.submit(`key?id=${id}`, action);
      expect([answer.status, answer.headers.location]).toEqual([303, `key?id=${id}`]);
      expect(await app.page(`key?id=${id}`)).toMatch(new RegExp(`<dt>State</dt> <dd> ?<span class="badge \\w+">${state}`));
      await until(async () => (await app.chat(key)) === status);
    }
  });

  it('rotates a key once for a form, and keeps the former secret for a grace period', async () => {
    const { key, id } = await created();
    const form = await openedForm(`key?id=${id}&view=rotate`, 'rotate');
    const send = () => app.post(form.action, { ...form.fields, do: 'rotate', grace_period: '24h' });
    const answer = await send();
    const second = secretIn(answer.text);
    expect([answer.status, answer.headers['cache-control'], second.slice(3, 15)]).toEqual([200, 'no-store', id]);
    const again = await send();
    expect([again.status, secretIn(again.text)]).toEqual([409, '']);
    await until(async () => (await app.chat(second)) === 200);
    expect(await app.chat(key)).toBe(200);
    expect(await app.page(`key?id=${id}`)).toMatch(/<dt>Former secrets<\/dt> <dd>1 valid until/);

    const wrong = await app.submit(`key?id=${id}&view=rotate`, 'rotate', { grace_period: 'a day' });
    expect([wrong.status, secretIn(wrong.text)]).toEqual([400, '']);
    expect(wrong.text).toMatch(/id="field-grace_period-error">Must be a duration such as/);
    const third = secretIn((await app.submit(`key?id=${id}&view=rotate`, 'rotate')).text);
    await until(async () => (await app.chat(second)) === 401);
    expect([await app.chat(key), await app.chat(third)]).toEqual([401, 200]);
  });

  it('deletes a key after a question', async () => {
    const { key, id } = await created({ key_alias: `doomed ${HOSTILE}` });
    const page = (await app.get(`key?id=${id}&view=delete`)).text;
    expect(page).toContain('Delete doomed &lt;img');
    expect(await app.keys.find(id)).toBeDefined();
    const form = formWith('delete', page);
    const answer = await app.post(form.action, { ...form.fields, do: 'delete' });
    expect([answer.status, answer.headers.location]).toEqual([303, 'keys']);
    expect(await app.keys.find(id)).toBeUndefined();
    await until(async () => (await app.chat(key)) === 401);
    expect((await app.post(form.action, { ...form.fields, do: 'delete' })).status).toBe(404);
    expect((await app.get(`key?id=${id}`)).status).toBe(404);
  });

  it('resets the spend of a key after a question', async () => {
    const { key, id } = await created({ max_budget: '5' });
    await app.chat(key);
    const record = (await app.keys.find(id))!;
    const spent = async () => (await app.keys.spendingOf(record))?.spentUsd;
    await until(async () => ((await spent()) ?? 0) > 0.01);
    expect(await app.page(`key?id=${id}`)).toMatch(/<strong>\$0\.01\d<\/strong> of \$5\.00 in total/);
    expect((await app.submit(`key?id=${id}&view=reset`, 'reset')).status).toBe(303);
    expect(await spent()).toBe(0);
  });

  it('shows what the limits have left, and what would be denied', async () => {
    const { key, id } = await created({ rpm_limit: '2' });
    expect(await app.page(`key?id=${id}`)).toMatch(/<dt>By its limits<\/dt> <dd>a request would be allowed/);
    await app.chat(key);
    expect(await app.page(`key?id=${id}`)).toMatch(/<strong>1<\/strong> of 2 requests<\/span> <span class="figure">1 left/);
    await app.chat(key);
    const page = await app.page(`key?id=${id}`);
    expect(page).toMatch(/<strong>2<\/strong> of 2 requests<\/span> <span class="figure">0 left/);
    expect(page).toMatch(/a request would be denied for \d+ s, because of requests in a minute/);
    expect(page).toMatch(new RegExp(`href="calls\\?[^"]*key=${id}"`));
  });

  it('lists keys by the beginning of their alias, team and state, 25 a page', async () => {
    for (let at = 0; at < 30; at++)
      await app.keys.create({ alias: `List-${at}`, team: at % 2 ? 'odd' : 'even', ...(at === 7 && { blocked: true }) });
    await app.keys.create({ alias: 'list-old', expiresAt: '2020-01-01' });
    const rows = (page: string) => page.match(/<th scope="row">/g)?.length ?? 0;
    const first = await app.page('keys?search=LIST-');
    expect(rows(first)).toBe(25);
    expect(first).toContain('1 to 25 of 31 keys');
    const [, next] = /href="(keys\?[^"]*)" rel="next"/.exec(first)!;
    const second = await app.page(next.replaceAll('&amp;', '&'));
    expect([rows(second), second.includes('rel="prev"'), second.includes('rel="next"')]).toEqual([6, true, false]);
    expect(rows(await app.page('keys?search=list-&team=odd'))).toBe(15);
    const blocked = await app.page('keys?search=list-&state=blocked');
    expect([rows(blocked), blocked.includes('List-7')]).toEqual([1, true]);
    expect(blocked).toContain('<option selected>blocked</option>');
    expect(rows(await app.page('keys?search=list-&state=expired'))).toBe(1);
    expect(await app.page('keys?search=%25')).toContain('No key matches.');
    for (const page of ['-1', '0', '1e9', 'x', '99999999999999999999']) expect((await app.get(`keys?page=${page}`)).status).toBe(200);
    expect((await app.get('keys?search=%00')).status).toBe(400);
  });

  it('finds a key by its text, which the answer does not repeat', async () => {
    const { key, id } = await created({ key_alias: 'pasted' });
    const page = await app.page(`keys?search=${key}`);
    expect(page).toContain('pasted');
    expect(page).toContain(`value="${id}"`);
    expect(page).not.toContain(key.slice(-43));
  });

  it('renders what operators and clients have chosen as text', async () => {
    const settings = { user: HOSTILE, team: HOSTILE, tags: [HOSTILE], models: [HOSTILE], metadata: { [HOSTILE]: HOSTILE } };
    const { record } = await app.keys.create({ alias: HOSTILE, ...settings, modelAliases: { [HOSTILE]: HOSTILE } });
    const id = record.publicId;
    for (const path of ['keys', `key?id=${id}`, ...['edit', 'rotate', 'reset', 'delete'].map((view) => `key?id=${id}&view=${view}`)]) {
      const { text, status, headers } = await app.get(path);
      expect([path, status, text.includes('<img')]).toEqual([path, 200, false]);
      expect(text).not.toMatch(/<script(?! src=)|<style|\sstyle=|\son\w+="/);
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
    }
    const form = await openedForm(`key?id=${id}&view=edit`, 'save');
    expect(form.fields).toMatchObject({ key_alias: HOSTILE, user_id: HOSTILE, models: HOSTILE });
    expect((await app.post(form.action, { ...form.fields, do: 'save' })).status).toBe(303);
    expect(await app.keys.find(id)).toMatchObject({ alias: HOSTILE, ...settings, modelAliases: { [HOSTILE]: HOSTILE } });
  });

  it('says that a key of the configuration is changed there, and changes nothing', async () => {
    const [record] = await app.keys.list();
    const id = record.publicId;
    const page = await app.page(`key?id=${id}`);
    expect(page).toContain('This key is defined in the configuration: change it there.');
    for (const view of ['edit', 'rotate', 'delete']) expect(page).not.toContain(`view=${view}`);
    expect(page).not.toContain(CONFIGURED.key);
    for (const view of ['edit', 'rotate', 'delete']) expect((await app.get(`key?id=${id}&view=${view}`)).status).toBe(409);
    const { fields } = await openedForm('key?view=new', 'create');
    for (const action of ['save', 'rotate', 'block', 'delete', 'create'] as const) {
      const answer = await app.post(`key?id=${id}`, { ...fields, do: action, id, revision: '1', user_id: 'ann' });
      expect([action, answer.status, answer.text.includes('is defined in the configuration')]).toEqual([action, 409, true]);
    }
    expect(await app.keys.find(id)).toEqual(record);
    expect((await app.submit(`key?id=${id}&view=reset`, 'reset')).status).toBe(303);
  });

  describe('its forms', () => {
    let id: string;
    beforeAll(async () => void (id = (await app.keys.create({ alias: 'guarded' })).record.publicId));

    const isRefused = async (fields: Record<string, string>, headers: Record<string, string>, status: number) => {
      const before = [await count(), await app.keys.find(id)];
      for (const action of ['create', 'save', 'rotate', 'block', 'reset', 'delete']) {
        const answer = await app.post(`key?id=${id}`, { id, revision: '1', do: action, ...fields }, headers);
        expect([action, answer.status, secretIn(answer.text)]).toEqual([action, status, '']);
      }
      expect([await count(), await app.keys.find(id)]).toEqual(before);
    };
    const tokenOf = async (cookie: string) =>
      /name="form_token" value="([\w-]+)"/.exec((await app.get('key?view=new', cookie)).text)?.[1] ?? '';

    it('are rejected without their token, with that of another session, and from another site', async () => {
      const token = await tokenOf(app.cookie);
      await isRefused({}, {}, 403);
      await isRefused({ form_token: await tokenOf(await app.logIn()) }, {}, 403);
      await isRefused({ form_token: token }, { 'sec-fetch-site': 'cross-site' }, 403);
      await isRefused({ form_token: token }, { origin: 'https://evil.example' }, 403);
      await isRefused({ form_token: token }, { cookie: '', authorization: `Bearer ${MASTER_KEY}` }, 401);
    });

    it('are not rendered for, and not accepted from, a session that only reads', async () => {
      const reader = await app.logIn(READ_TOKEN);
      for (const path of ['keys', `key?id=${id}`]) {
        const text = await app.page(path, reader);
        expect(text).toContain('guarded');
        expect(text).not.toContain('form_token');
        expect(text).not.toContain('view=');
      }
      for (const view of ['view=new', `id=${id}&view=edit`, `id=${id}&view=rotate`, `id=${id}&view=reset`, `id=${id}&view=delete`])
        expect((await app.get(`key?${view}`, reader)).status).toBe(403);
      await isRefused({ form_token: await tokenOf(app.cookie) }, { cookie: reader }, 403);
    });

    it('answer wrong actions and ids without a change', async () => {
      const token = await tokenOf(app.cookie);
      const send = (fields: Record<string, string>) => app.post('key', { form_token: token, ...fields });
      expect((await send({})).status).toBe(400);
      expect((await send({ do: 'toString' })).status).toBe(400);
      expect((await send({ do: 'create' })).status).toBe(400);
      for (const action of ['save', 'rotate', 'block', 'reset', 'delete']) {
        expect((await send({ do: action, id: 'Unknown00000' })).status).toBe(404);
        expect((await send({ do: action, id: '../../etc' })).status).toBe(404);
      }
      for (const path of ['key', 'key?id=Unknown00000', 'key?id=%00', `key?id=${id}&view=nothing`])
        expect((await app.get(path)).status).toBe(404);
    });
  });

  if (kind === 'PostgreSQL') {
    it('shows who changed a key, its spend by model, and a team that is blocked', async () => {
      const directory = app.gateway.app.get(DirectoryService, { strict: false });
      await directory.create('teams', { id: 'purple' });
      await directory.create('budgets', { id: 'gold', limits: { usdPerMonth: 100 } });
      const { key, id } = await created({ team_id: 'purple', budget_id: 'gold' });
      expect(await app.chat(key)).toBe(200);
      await app.submit(`key?id=${id}&view=edit`, 'save', { rpm_limit: '7' });
      await until(async () => (await app.page(`key?id=${id}`)).includes('Last calls'));
      const page = await app.page(`key?id=${id}`);
      expect(page).toMatch(/of \$100 a month/);
      expect(page).toMatch(/updated<\/td> ?<td class="name" data-label="By">dashboard:[\w-]{8} <span class="note below">127\.0\.0\.1/);
      expect(page).toContain('limits.requestsPerMinute: 7');
      expect(page).toMatch(/The last 30 days <span class="note">at most \$0\.01/);
      expect(await app.page('keys?team=purple')).toMatch(/<td class="figure" data-label="Last use">\d+ s ago/);
      await directory.update('teams', 'purple', { blocked: true });
      expect(await app.page(`key?id=${id}`)).toContain('The team purple is blocked: requests with this key get 403.');
      const wrong = await app.submit('key?view=new', 'create', { budget_id: 'none' });
      expect([wrong.status, /id="field-budget_id-error">([^<]*)/.exec(wrong.text)?.[1]]).toEqual([
        400,
        expect.stringContaining('Must exist'),
      ]);
    });
  }
});

it('has no forms in an app whose keys are all in its configuration', async () => {
  const app = await KeysConsole.start('Fastify', { configured: [CONFIGURED] });
  const page = await app.page('keys');
  expect(page).toContain('ci-runner');
  expect(page).toContain('To create keys here, set keys.store.');
  expect(page).not.toContain('view=new');
  expect((await app.get('key?view=new')).status).toBe(409);
  await app.stop();
});
