import { FastLiteLLM } from '../fast-litellm.js';
import { ApiKeyService } from '../keys/api-keys.service.js';
import { resolveApiKeysOptions } from '../keys/api-keys.options.js';
import type { ApiKeySettings } from '../keys/api-key-record.js';
import type { Principal } from '../http/principal.js';
import { postgresStore, type PostgresStore } from '../postgres/postgres-store.js';
import { hasPostgres, TestDatabase } from '../../test/support/postgres.js';
import { until } from '../../test/support/until.js';
import { StoredDirectory } from './stored-directory.js';
import { memberId } from './directory-records.js';

(hasPostgres ? describe : describe.skip)('teams, users and budgets', () => {
  let database: TestDatabase;
  let llm: FastLiteLLM;
  let store: PostgresStore;
  let directory: StoredDirectory;
  let keys: ApiKeyService;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());
  beforeEach(() => {
    llm = new FastLiteLLM({ engine: 'typescript', logger: false });
    store = postgresStore({ url: database.url, timeoutMs: 10_000 });
    ({ directory, keys } = open(store));
  });
  afterEach(async () => {
    await keys.close();
    await llm.close();
    await database.query('TRUNCATE fast_litellm.keys, fast_litellm.budgets, fast_litellm.teams, fast_litellm.users CASCADE');
    await database.query('TRUNCATE fast_litellm.customers, fast_litellm.organizations').catch(() => {});
  });

  const open = (opened: PostgresStore): { directory: StoredDirectory; keys: ApiKeyService } => {
    const { rateLimiter: limiter, tokenCounter, log: logger } = llm;
    const service = new StoredDirectory(opened.directory, limiter, 60_000);
    const options = resolveApiKeysOptions({ store: opened, masterKey: 'sk-master-00000000' });
    return { directory: service, keys: new ApiKeyService(options, { limiter, tokenCounter, logger, directory: service }) };
  };
  const made = async (settings: ApiKeySettings): Promise<() => Promise<Principal>> => {
    const { key } = await keys.create(settings);
    return () => keys.authenticate({ authorization: `Bearer ${key}` });
  };

  it('keeps records of each kind, and finds them by what they have', async () => {
    await directory.create('budgets', { id: 'small', limits: { usdPerWindow: 5, usdWindow: '30d' }, softBudgetUsd: 4 });
    await directory.create('organizations', { id: 'org', alias: 'Org', budget: 'small', metadata: { a: [1] } });
    await directory.create('teams', { id: 'a/b %', alias: 'Team', organization: 'org', models: ['m*'] });
    await directory.create('users', { id: 'ann', email: 'Ann@Example.com', role: 'internal_user' });
    await directory.create('team_members', { id: memberId('a/b %', 'ann'), team: 'a/b %', user: 'ann', role: 'admin' });
    await directory.create('customers', { id: 'eve', blocked: true });
    const ids = async (...args: Parameters<StoredDirectory['list']>): Promise<readonly string[]> =>
      (await directory.list(...args)).records.map(({ id }) => id);
    expect(await ids('teams', { organization: 'org', search: 'TEA' })).toEqual(['a/b %']);
    expect(await ids('teams', { organization: 'other' })).toEqual([]);
    expect(await ids('users', { email: 'ann@example.COM', role: 'internal_user' })).toEqual(['ann']);
    expect(await ids('team_members', { user: 'ann' })).toEqual([memberId('a/b %', 'ann')]);
    expect(await ids('customers', { ids: ['eve', 'bob'] })).toEqual(['eve']);
    expect(await ids('organizations', { alias: 'Org' })).toEqual(['org']);
    expect(await directory.findMember('a/b %', 'ann')).toMatchObject({ role: 'admin', revision: 1 });
    expect(await directory.update('teams', 'a/b %', { models: null, blocked: true })).toMatchObject({
      id: 'a/b %',
      revision: 2,
      blocked: true,
    });
    expect(await directory.find('teams', 'a/b %')).not.toHaveProperty('models');
    expect(await directory.update('teams', 'other', {})).toBeUndefined();
    const { entries } = await store.audit.search({ entity: 'teams' });
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ['blocked', 'app'],
      ['created', 'app'],
    ]);
    expect(await directory.delete('teams', 'a/b %')).toBe(true);
    expect(await directory.find('team_members', memberId('a/b %', 'ann'))).toBeUndefined();
  });

  it('refuses what does not exist, exists already or is in use', async () => {
    await directory.create('budgets', { id: 'small', limits: { usdTotal: 1 } });
    await directory.create('teams', { id: 't', budget: 'small' });
    await expect(directory.create('teams', { id: 't' })).rejects.toMatchObject({ path: 'id' });
    await expect(directory.create('teams', { id: 'u', budget: 'none' })).rejects.toMatchObject({ path: 'budget', rule: 'must exist' });
    await expect(directory.create('teams', { id: 'u', organization: 'none' })).rejects.toMatchObject({ path: 'organization' });
    await expect(directory.create('teams', { id: 'u\0' })).rejects.toMatchObject({ path: 'id' });
    await expect(directory.create('team_members', { id: 'x', team: 'none', user: 'u' })).rejects.toMatchObject({ path: 'team' });
    await expect(directory.delete('budgets', 'small')).rejects.toMatchObject({ path: 'budget_id' });
    await directory.update('teams', 't', { budget: null });
    await keys.create({ alias: 'k', budget: 'small' });
    await expect(directory.delete('budgets', 'small')).rejects.toMatchObject({ path: 'budget_id' });
    await keys.update((await keys.findByAlias('k'))?.publicId ?? '', { budget: null });
    expect(await directory.delete('budgets', 'small')).toBe(true);
    expect(await directory.delete('budgets', 'small')).toBe(false);
  });

  it('adds to a key what its team, user, membership, organization and budget limit', async () => {
    await directory.create('budgets', {
      id: 'b',
      limits: { requestsPerMinute: 7, usdPerWindow: 5, usdWindow: '30d' },
      modelLimits: { 'gpt*': { requestsPerMinute: 1 } },
    });
    await directory.create('organizations', { id: 'o', limits: { usdTotal: 100 }, models: ['*'] });
    await directory.create('teams', {
      id: 't',
      organization: 'o',
      models: ['gpt-*'],
      limits: { usdTotal: 10 },
      modelAliases: { fast: 'gpt-4o' },
    });
    await directory.create('users', { id: 'u', budget: 'b' });
    await directory.create('team_members', { id: memberId('t', 'u'), team: 't', user: 'u', limits: { requestsPerMinute: 2 } });
    const principal = await (
      await made({ team: 't', user: 'u', budget: 'b', models: ['gpt-4o', 'claude'], limits: { requestsPerMinute: 9 } })
    )();
    expect(principal.limits).toEqual({ requestsPerMinute: 9, usdPerWindow: 5, usdWindow: '30d' });
    expect(principal.organization).toBe('o');
    expect(principal.scopes).toEqual([
      { name: 'teams', key: 'team:t', limits: { usdTotal: 10 } },
      { name: 'users', key: 'user:u', limits: { requestsPerMinute: 7 }, counted: { usdPerWindow: 5, usdWindow: '30d' } },
      { name: 'team-members', key: 'member:t/u', limits: { requestsPerMinute: 2 } },
      { name: 'organizations', key: 'organization:o', limits: { usdTotal: 100 } },
    ]);
    expect(principal.modelScopes?.('gpt-4o').map(({ key }) => key)).toEqual([`${principal.limitKey}/model:gpt*`, 'user:u/model:gpt*']);
    expect(principal.modelAliases).toEqual({ fast: 'gpt-4o' });
    expect(['gpt-4o', 'gpt-4', 'claude'].map((model) => principal.mayCall(model))).toEqual([true, false, false]);
  });

  it('compares a few objects for a known key, and sends no statement', async () => {
    await directory.create('teams', { id: 't', limits: { requestsPerMinute: 1 } });
    const authenticate = await made({ team: 't', user: 'ann' });
    const first = await authenticate();
    await until(() => store.isFollowing?.() === true);
    await authenticate();
    const { rows } = countStatements(store);
    const same = await authenticate();
    expect(await authenticate()).toBe(same);
    expect(same.scopes).toEqual(first.scopes);
    expect(rows()).toBe(0);
  });

  it('follows changes of other processes at once', async () => {
    const other = open(postgresStore({ url: database.url, timeoutMs: 10_000 }));
    try {
      await directory.create('budgets', { id: 'b', limits: { requestsPerMinute: 5 } });
      await directory.create('teams', { id: 't', budget: 'b' });
      const authenticate = await made({ team: 't' });
      const limit = async (): Promise<unknown> => (await authenticate()).scopes?.[0].limits?.requestsPerMinute;
      await until(() => store.isFollowing?.() === true);
      expect(await limit()).toBe(5);
      await other.directory.update('budgets', 'b', { limits: { requestsPerMinute: 6 } });
      await until(async () => (await limit()) === 6);
      await other.directory.update('teams', 't', { blocked: true });
      await until(() =>
        authenticate().then(
          () => false,
          (error: { code: string }) => error.code === 'API_KEY_BLOCKED',
        ),
      );
      await other.directory.update('teams', 't', { blocked: false });
      await until(() =>
        authenticate().then(
          () => true,
          () => false,
        ),
      );
    } finally {
      await other.keys.close();
    }
  });

  it('rejects keys of blocked teams and users, and blocked end users', async () => {
    await directory.create('teams', { id: 't', blocked: true });
    await directory.create('users', { id: 'u', blocked: true });
    await directory.create('customers', { id: 'c', blocked: true });
    await directory.create('customers', { id: 'd', limits: { usdTotal: 3 } });
    const codeOf = (error: { getResponse(): { error: { code: string } } }): string => error.getResponse().error.code;
    expect(await (await made({ team: 't' }))().catch(codeOf)).toBe('team_blocked');
    expect(await (await made({ user: 'u' }))().catch(codeOf)).toBe('user_blocked');
    const customer = async (id: string): Promise<unknown> => directory.customerScopes(id);
    expect(await customer('c').catch(codeOf)).toBe('customer_blocked');
    expect(await customer('d')).toEqual([{ name: 'customers', key: 'customer:d', limits: { usdTotal: 3 } }]);
    expect(await customer('e')).toEqual([]);
    expect(await customer('\ud800')).toEqual([]);
  });

  it('raises the budget of a key until a time', async () => {
    await directory.create('budgets', { id: 'b', limits: { usdTotal: 2 } });
    const raised = await made({ budget: 'b', raisedUsd: 3, raisedUntil: new Date(Date.now() + 60_000).toISOString() });
    const over = await made({ limits: { usdTotal: 2 }, raisedUsd: 3, raisedUntil: '2020-01-01' });
    expect((await raised()).limits).toEqual({ usdTotal: 5 });
    expect((await over()).limits).toEqual({ usdTotal: 2 });
  });
});

function countStatements(store: PostgresStore): { rows: () => number } {
  const { connected } = store as unknown as { connected: { database: { rows: (...args: unknown[]) => unknown } } };
  const spy = jest.spyOn(connected.database, 'rows');
  return { rows: () => spy.mock.calls.length };
}
