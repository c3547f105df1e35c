import { mkdtempSync, readFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand, type CommandRun } from '../../../test/support/command-run.js';
import { LiteLLMDatabase, tokenOf } from '../../../test/support/litellm-database.js';
import { hasPostgres, TestDatabase } from '../../../test/support/postgres.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import { postgresStore } from '../../postgres/postgres-store.js';

interface Report {
  readonly fields: readonly object[];
}

const idOf = (key: string): string => tokenOf(key).slice(0, 12);
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString().slice(0, -1);

(hasPostgres ? describe : describe.skip)('npx nestjs-fast-litellm import-keys', () => {
  let litellm: LiteLLMDatabase;
  let folder: string;
  let file: string;
  beforeAll(async () => {
    litellm = await LiteLLMDatabase.create();
    // Neither the session's time zone nor its date format changes a record.
    await litellm.query(`ALTER DATABASE ${litellm.name} SET timezone = 'Asia/Kolkata'`);
    await litellm.query(`ALTER DATABASE ${litellm.name} SET datestyle = 'German'`);
  });
  afterAll(() => litellm.drop());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'import-'));
    file = join(folder, 'keys.json');
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    const tables = ['VerificationToken', 'DeprecatedVerificationToken', 'TeamTable', 'UserTable', 'BudgetTable', 'BudgetWindowSpend'];
    await litellm.query(`TRUNCATE ${tables.map((table) => `"LiteLLM_${table}"`).join(', ')}`);
  });

  const run = (...args: string[]): Promise<CommandRun> => runCommand(['import-keys', '--from', litellm.url, ...args]);
  const toFile = (...args: string[]): Promise<CommandRun> => run('--file', file, ...args);
  const json = async (...args: string[]): Promise<Report> => JSON.parse((await toFile('--json', ...args)).out) as Report;
  const records = (): ReadonlyMap<string, ApiKeyRecord> => {
    const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: ApiKeyRecord[] };
    return new Map(keys.map((record) => [record.publicId, record]));
  };
  const imported = async (row: object): Promise<ApiKeyRecord | undefined> => {
    await litellm.insertKeys({ 'sk-1234': row });
    expect(await toFile()).toMatchObject({ code: 0, err: '' });
    return records().get(idOf('sk-1234'));
  };

  it('carries over what a key may do, and when', async () => {
    const record = await imported({
      key_alias: 'mobile',
      user_id: 'ann',
      team_id: 'red',
      models: ['gpt-4o*', 'claude'],
      expires: '2030-01-31T12:00:00.5',
      blocked: true,
      rpm_limit: 60,
      tpm_limit: 100_000,
      max_parallel_requests: 5,
      max_budget: 12.5,
      budget_duration: '30d',
      metadata: { tags: ['ios'], seat: 7, logging: [{ callback_vars: { langfuse_secret_key: 'sk-lf-secret' } }] },
    });
    expect(record).toEqual({
      publicId: idOf('sk-1234'),
      hashes: [{ sha256: tokenOf('sk-1234') }],
      revision: 1,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
      alias: 'mobile',
      user: 'ann',
      team: 'red',
      models: ['gpt-4o*', 'claude'],
      limits: { requestsPerMinute: 60, tokensPerMinute: 100_000, maxConcurrent: 5, usdPerWindow: 12.5, usdWindow: '30d' },
      tags: ['ios'],
      expiresAt: '2030-01-31T12:00:00.500Z',
      blocked: true,
      metadata: { seat: 7 },
    });
  });

  it("gives no user to keys of LiteLLM's master key, which all share one", async () => {
    await litellm.insertKeys({ 'sk-1234': { user_id: 'default_user_id' }, 'sk-5678': { user_id: 'ann' } });
    await toFile();
    expect(['sk-1234', 'sk-5678'].map((key) => records().get(idOf(key))?.user)).toEqual([undefined, 'ann']);
  });

  it.each<[string, object, object | undefined]>([
    ['no budget', { budget_duration: '1d' }, undefined],
    ['one in total', { max_budget: 5 }, { usdTotal: 5 }],
    ['one of 0', { max_budget: 0, rpm_limit: 0 }, { usdTotal: 0, requestsPerMinute: 0 }],
    ['a word', { max_budget: 5, budget_duration: 'daily' }, { usdPerWindow: 5, usdWindow: '24h' }],
    ['days of no calendar', { max_budget: 5, budget_duration: '14d' }, { usdPerWindow: 5, usdWindow: '14d', usdWindowKind: 'firstUse' }],
    ['a limit above the highest one', { tpm_limit: 9_000_000_000 }, { tokensPerMinute: 2 ** 31 }],
    [
      'several',
      {
        max_budget: 5,
        budget_duration: '7d',
        budget_limits: [
          { budget_duration: '24h', max_budget: 1 },
          { budget_duration: '1mo', max_budget: 20 },
          { budget_duration: '1w', max_budget: 4 },
        ],
      },
      { usdPerWindow: 4, usdWindow: '7d', usdPerDay: 1, usdPerMonth: 20 },
    ],
  ])('carries over budgets: %s', async (_, row, limits) => {
    expect((await imported(row))?.limits).toEqual(limits);
  });

  it('carries over what was spent in windows that have not ended', async () => {
    const month = { budget_duration: '30d', max_budget: 50 };
    const limits = [
      { budget_duration: '24h', max_budget: 9, reset_at: soon(1_800_000) },
      { ...month, reset_at: soon(-1_000) },
    ];
    await litellm.insertKeys({
      'sk-current': { max_budget: 5, budget_duration: '1h', spend: 2, budget_reset_at: soon(1_800_000) },
      'sk-over': { max_budget: 5, budget_duration: '1h', spend: 2, budget_reset_at: soon(-1_000) },
      'sk-several': { max_budget: 100, spend: 7, budget_limits: limits },
    });
    const window = (window_duration: string, spend: number): object => {
      const at = { window_start: soon(-1_000), updated_at: soon(0) };
      return { entity_type: 'Key', entity_id: tokenOf('sk-several'), window_duration, spend, ...at };
    };
    await litellm.insert('BudgetWindowSpend', window('24h', 1.25), window('30d', 6));
    const snapshot = join(folder, 'budgets.json');
    expect((await toFile('--budgets-file', snapshot)).code).toBe(0);
    const spentBy = (key: string): readonly number[] => {
      const lines = readFileSync(snapshot, 'utf8').split('\n').slice(1).filter(Boolean);
      const accounts = lines.map((line) => JSON.parse(line) as [name: string, nanoUsd: number]);
      return accounts.flatMap(([name, nanoUsd]) => (name.endsWith(idOf(key)) && nanoUsd > 0 ? [nanoUsd / 1e9] : [])).sort();
    };
    expect([spentBy('sk-current'), spentBy('sk-over'), spentBy('sk-several')]).toEqual([[2], [], [1.25, 7]]);
  });

  it('sets the time zone of budgets', async () => {
    await litellm.insertKeys({ 'sk-1': { max_budget: 1, budget_duration: '1d' }, 'sk-2': { rpm_limit: 1 } });
    await toFile('--time-zone', 'Europe/Zurich');
    expect(records().get(idOf('sk-1'))?.limits).toEqual({ usdPerWindow: 1, usdWindow: '1d', timeZone: 'Europe/Zurich' });
    expect(records().get(idOf('sk-2'))?.limits).toEqual({ requestsPerMinute: 1 });
  });

  it('writes nothing in a dry run, and shows the same figures', async () => {
    await litellm.insertKeys({ 'sk-1': { spend: 1.5 }, 'sk-2': { spend: 2.25, metadata: { guardrails: ['pii'] } } });
    const snapshot = join(folder, 'budgets.json');
    const dry = await toFile('--dry-run', '--budgets-file', snapshot);
    expect(dry).toMatchObject({ code: 0, err: '' });
    expect(dry.out).toMatch(/^keys +2 +2 +0 +0 +0 +0 +0$/m);
    expect(dry.out).toContain('(dry run: nothing was written)');
    expect(dry.out).toContain(`spend: 3.75 USD of 2 keys in their current windows; would be added to ${snapshot}`);
    expect(dry.out).toMatch(/^ {2}keys\.metadata\.guardrails +1 +protects +enforce it in a call hook/m);
    expect([existsSync(file), existsSync(snapshot)]).toEqual([false, false]);
    const wet = await toFile('--budgets-file', snapshot);
    expect(wet.out).toMatch(/^keys +2 +2 +0 +0 +0 +0 +0$/m);
    expect(wet.out).toContain(`added 3.75 USD to ${snapshot}`);
    expect(records().size).toBe(2);
    expect(records().get(idOf('sk-2'))).not.toHaveProperty('metadata');
  });

  it('can be repeated: takes later changes of LiteLLM, and keeps those that were made here', async () => {
    const keys = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`sk-${i}`, { key_alias: `key ${i}`, spend: i }]));
    await litellm.insertKeys(keys);
    const snapshot = ['--budgets-file', join(folder, 'budgets.json')];
    const [first, second] = [await json(...snapshot), await json(...snapshot)];
    expect(first).toMatchObject({ tables: { keys: { rows: 5, created: 5 } }, spend: { usd: 10, addedUsd: 10 } });
    expect(second).toMatchObject({ tables: { keys: { rows: 5, created: 0, unchanged: 5 } }, spend: { usd: 10, addedUsd: 0 } });
    const content = JSON.parse(readFileSync(file, 'utf8')) as { keys: object[] };
    const changed = content.keys.map((record) =>
      (record as ApiKeyRecord).alias === 'key 1'
        ? { ...record, revision: 2, blocked: true, updatedAt: '2026-06-01T00:00:00.000Z' }
        : record,
    );
    writeFileSync(file, JSON.stringify({ ...content, keys: changed }));
    await litellm.query(`UPDATE "LiteLLM_VerificationToken" SET rpm_limit = 7, spend = spend + 1 WHERE key_alias IN ('key 1', 'key 2')`);
    const third = await json(...snapshot);
    expect(third).toMatchObject({ tables: { keys: { updated: 1, kept: 1, unchanged: 3 } }, spend: { addedUsd: 1 } });
    expect(records().get(idOf('sk-1'))).toMatchObject({ blocked: true, revision: 2 });
    expect(records().get(idOf('sk-1'))).not.toHaveProperty('limits');
    expect(records().get(idOf('sk-2'))).toMatchObject({ limits: { requestsPerMinute: 7 }, revision: 2 });
    expect(await json(...snapshot)).toMatchObject({ tables: { keys: { updated: 0, kept: 1, unchanged: 4 } }, spend: { addedUsd: 0 } });
  });

  it('reports a row that cannot be carried over, and goes on with the others', async () => {
    await litellm.insertKeys({
      'sk-good': {},
      'sk-negative': { max_budget: -1 },
      'sk-long': { max_budget: 1, budget_duration: '9999d' },
      'sk-session': { team_id: 'litellm-dashboard' },
    });
    await litellm.insert('VerificationToken', { token: 'sk-plain-old-key', models: [] }, { token: 'my-secret-password', models: [] });
    const { code, out, err } = await toFile('--batch', '2');
    expect([code, err]).toEqual([1, '']);
    expect(out).toMatch(/^keys +6 +2 +0 +0 +0 +1 +3$/m);
    expect(out).toMatch(new RegExp(`^ {2}keys {2}${idOf('sk-negative')} +limits\\.usdTotal: must be a number from 0`, 'm'));
    expect(out).toMatch(new RegExp(`^ {2}keys {2}${idOf('sk-long')} +limits\\.usdWindow: must be a duration`, 'm'));
    expect(out).toMatch(/\(unusable token\) +token: must be a SHA-256 hash or a key that starts with sk-/);
    expect(out).not.toMatch(/my-secret-password|sk-plain-old-key/);
    expect([...records().keys()].sort()).toEqual([idOf('sk-good'), idOf('sk-plain-old-key')].sort());
  });

  it('gives one of several keys with an alias that alias', async () => {
    await litellm.insertKeys({ 'sk-1': { key_alias: 'one' }, 'sk-2': { key_alias: 'one' }, 'sk-3': { key_alias: '' } });
    const report = await json();
    expect(report.fields).toEqual([
      { field: 'keys.key_alias', count: 1, protects: false, advice: expect.stringContaining('several keys') },
    ]);
    const aliases = [...records().values()].map(({ alias }) => alias).sort();
    expect(aliases).toEqual(['one', expect.stringMatching(/^one \([0-9a-f]{12}\)$/), undefined]);
    expect(await json()).toMatchObject({ tables: { keys: { unchanged: 3 } } });
  });

  it('continues after a key', async () => {
    await litellm.insertKeys(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`sk-${i}`, {}])));
    const ids = Array.from({ length: 9 }, (_, i) => idOf(`sk-${i}`)).sort();
    expect(await json('--after', ids[5], '--batch', '2')).toMatchObject({ tables: { keys: { rows: 4 } }, lastKey: ids[8] });
    expect([...records().keys()].sort()).toEqual(ids.slice(5));
  });

  it('narrows keys to the rights of their team or user, and fills in their budget', async () => {
    await litellm.insert('BudgetTable', {
      budget_id: 'b1',
      max_budget: 9,
      budget_duration: '1d',
      rpm_limit: 3,
      created_by: 'a',
      updated_by: 'a',
    });
    await litellm.insert('TeamTable', {
      team_id: 'red',
      models: ['gpt-4o', 'claude'],
      blocked: true,
      max_budget: 100,
      admins: [],
      members: [],
    });
    await litellm.insert('UserTable', { user_id: 'ann', models: ['no-default-models'] });
    await litellm.insertKeys({
      'sk-team': { team_id: 'red', user_id: 'ann', models: ['all-team-models'] },
      'sk-both': { team_id: 'red', models: ['gpt-*', 'o1'] },
      'sk-user': { user_id: 'ann' },
      'sk-budget': { budget_id: 'b1', rpm_limit: 5 },
    });
    const { out } = await toFile();
    const of = (key: string): ApiKeyRecord | undefined => records().get(idOf(key));
    expect(of('sk-team')).toMatchObject({ models: ['gpt-4o', 'claude'], blocked: true });
    expect(of('sk-both')?.models).toEqual(['gpt-4o']);
    expect(of('sk-user')?.models).toEqual(['no-default-models']);
    expect(of('sk-budget')?.limits).toEqual({ requestsPerMinute: 5, usdPerWindow: 9, usdWindow: '1d' });
    expect(out).toMatch(/^ {2}teams\.max_budget +1 +protects/m);
  });

  it('keeps the former secret of a rotated key valid until its grace period ends', async () => {
    await litellm.insertKeys({ 'sk-new': { key_alias: 'mobile', models: ['gpt-4o'], spend: 3 } });
    const deprecated = (key: string, ms: number) => ({
      id: key,
      token: tokenOf(key),
      active_token_id: tokenOf('sk-new'),
      revoke_at: soon(ms),
    });
    await litellm.insert('DeprecatedVerificationToken', deprecated('sk-old', 60_000), deprecated('sk-over', -60_000));
    const { out } = await toFile();
    expect(records().size).toBe(2);
    const former = records().get(idOf('sk-old'));
    expect(former).toMatchObject({ hashes: [{ sha256: tokenOf('sk-old') }], models: ['gpt-4o'] });
    expect(former).not.toHaveProperty('alias');
    expect(Date.parse(former?.expiresAt ?? '') - Date.now()).toBeGreaterThan(0);
    expect(out).toContain('keys.grace_period');
  });

  it('writes to PostgreSQL with entries in the audit log, and changes nothing there in a dry run', async () => {
    const target = await TestDatabase.create();
    try {
      await litellm.insertKeys({ 'sk-1': { key_alias: 'one' }, 'sk-2': {} });
      const into = (...args: string[]): Promise<CommandRun> => run('--to', target.url, '--to-schema', 'llm', ...args);
      expect(await into('--dry-run')).toMatchObject({ code: 0, out: expect.stringMatching(/^keys +2 +2 /m) });
      expect(await target.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'llm'`)).toEqual([]);
      expect(await into()).toMatchObject({ code: 0, err: '' });
      expect(await into()).toMatchObject({ out: expect.stringMatching(/^keys +2 +0 +0 +2 /m) });
      const store = postgresStore({ url: target.url, schema: 'llm', timeoutMs: 10_000 });
      expect(await store.findByPublicId(idOf('sk-1'))).toMatchObject({ alias: 'one', hashes: [{ sha256: tokenOf('sk-1') }] });
      const { entries, total } = await store.audit.search({ actor: 'import-keys' });
      expect([total, entries[0].action]).toEqual([2, 'imported']);
      expect(JSON.stringify(entries)).not.toContain(tokenOf('sk-1'));
      await store.close();
    } finally {
      await target.drop();
    }
  });

  it('carries over teams, users, members, budgets, customers and organizations to PostgreSQL', async () => {
    const target = await TestDatabase.create();
    const by = { created_by: 'a', updated_by: 'a' };
    const at = { created_at: '2026-02-03T04:05:06.007' };
    const version = { revision: 1, createdAt: '2026-02-03T04:05:06.007Z', updatedAt: '2026-02-03T04:05:06.007Z' };
    const reset = { budget_reset_at: soon(1_800_000) };
    await litellm.insert(
      'BudgetTable',
      { budget_id: 'b1', max_budget: 9, budget_duration: '1h', rpm_limit: 3, soft_budget: 5, ...reset, ...by, ...at },
      { budget_id: 'b2', model_max_budget: { m: { budget_limit: 2, time_period: '1d' } }, allowed_models: ['m'], ...by, ...at },
    );
    await litellm.insert('OrganizationTable', {
      organization_id: 'org',
      organization_alias: 'Org',
      budget_id: 'b1',
      models: ['gpt-*'],
      spend: 4,
      ...by,
      ...at,
    });
    await litellm.insert('ModelTable', { id: 1, aliases: { fast: 'gpt-4o-mini' }, ...by });
    const roles = [
      { role: 'admin', user_id: 'ann' },
      { role: 'user', user_id: 'bob' },
      { role: 'user', user_email: 'only@example.com' },
    ];
    await litellm.insert(
      'TeamTable',
      {
        team_id: 'red',
        team_alias: 'Red',
        organization_id: 'org',
        model_id: 1,
        models: ['gpt-4o'],
        members_with_roles: roles,
        admins: ['ann'],
        members: ['bob'],
        max_budget: 100,
        spend: 33.3,
        tpm_limit: 1_000,
        metadata: { model_rpm_limit: { 'gpt-4o': 9 }, seat: 1 },
        blocked: true,
        ...at,
      },
      { team_id: 'bad', models: [], members_with_roles: [], max_budget: -1 },
    );
    await litellm.insert('UserTable', {
      user_id: 'ann',
      user_email: 'Ann@example.com',
      user_role: 'internal_user',
      models: [],
      max_budget: 7,
      spend: 2,
      ...at,
    });
    await litellm.insert('TeamMembership', { team_id: 'red', user_id: 'ann', budget_id: 'b1', spend: 1.5 });
    await litellm.insert('EndUserTable', { user_id: 'customer-1', alias: 'C', budget_id: 'b1', blocked: true, spend: 0.25 });
    await litellm.insertKeys({
      'sk-1': { team_id: 'red', user_id: 'ann', organization_id: 'org', budget_id: 'b1', spend: 8, allowed_routes: ['llm_api_routes'] },
    });
    await litellm.insertKeys({
      'sk-2': {
        metadata: { model_tpm_limit: { m: 5 }, temp_budget_increase: 3, temp_budget_expiry: '2030-01-01T00:00:00' },
        aliases: { a: 'b' },
      },
    });
    try {
      const snapshot = join(folder, 'budgets.json');
      const into = (...args: string[]): Promise<CommandRun> => run('--to', target.url, '--budgets-file', snapshot, ...args);
      const lines = [
        /^budgets +2 +2 /m,
        /^organizations +1 +1 /m,
        /^teams +2 +1 +0 +0 +0 +0 +1$/m,
        /^users +1 +1 /m,
        /^team_members +2 +2 /m,
        /^customers +1 +1 /m,
      ];
      for (const { out, code } of [await into('--dry-run'), await into()]) {
        for (const line of lines) expect(out).toMatch(line);
        expect(code).toBe(1);
        expect(out).toMatch(/^ {2}teams +bad +limits\.usdTotal: must be a number from 0/m);
        expect(out).toMatch(/^ {2}budgets\.allowed_models +1/m);
      }
      expect((await into()).out).toMatch(/^team_members +2 +0 +0 +2 /m);
      const store = postgresStore({ url: target.url, timeoutMs: 10_000 });
      const { directory } = store;
      expect(await directory.find('budgets', 'b1')).toEqual({
        id: 'b1',
        ...version,
        limits: { usdPerWindow: 9, usdWindow: '1h', requestsPerMinute: 3 },
        softBudgetUsd: 5,
      });
      expect(await directory.find('budgets', 'b2')).toMatchObject({ modelLimits: { m: { usdPerWindow: 2, usdWindow: '1d' } } });
      expect(await directory.find('organizations', 'org')).toEqual({
        id: 'org',
        ...version,
        alias: 'Org',
        budget: 'b1',
        models: ['gpt-*'],
      });
      expect(await directory.find('teams', 'red')).toEqual({
        id: 'red',
        ...version,
        alias: 'Red',
        organization: 'org',
        models: ['gpt-4o'],
        modelAliases: { fast: 'gpt-4o-mini' },
        limits: { usdTotal: 100, tokensPerMinute: 1_000 },
        modelLimits: { 'gpt-4o': { requestsPerMinute: 9 } },
        blocked: true,
        metadata: { seat: 1 },
      });
      expect(await directory.find('users', 'ann')).toEqual({
        id: 'ann',
        ...version,
        email: 'Ann@example.com',
        role: 'internal_user',
        limits: { usdTotal: 7 },
      });
      expect(await directory.find('team_members', 'red/ann')).toMatchObject({ role: 'admin', budget: 'b1' });
      expect(await directory.find('team_members', 'red/bob')).toMatchObject({ role: 'user' });
      expect(await directory.find('customers', 'customer-1')).toMatchObject({ alias: 'C', budget: 'b1', blocked: true });
      expect(await store.findByPublicId(idOf('sk-1'))).toMatchObject({
        organization: 'org',
        budget: 'b1',
        allowedRoutes: ['llm_api_routes'],
      });
      expect(await store.findByPublicId(idOf('sk-2'))).toMatchObject({
        modelAliases: { a: 'b' },
        modelLimits: { m: { tokensPerMinute: 5 } },
        raisedUsd: 3,
        raisedUntil: '2030-01-01T00:00:00.000Z',
      });
      await store.close();
      const spent = readFileSync(snapshot, 'utf8')
        .split('\n')
        .slice(1)
        .filter(Boolean)
        .map((line) => JSON.parse(line) as [string, number]);
      const accountOf = (name: string): string => /(?:key|team|user|member|organization|customer):.*$/.exec(name)?.[0] ?? name;
      expect(spent.map(([name, nanoUsd]) => `${accountOf(name)} ${nanoUsd / 1e9}`).sort()).toEqual([
        'customer:customer-1 0.25',
        `key:${idOf('sk-1')} 8`,
        'member:red/ann 1.5',
        'organization:org 4',
        'team:red 33.3',
        'user:ann 2',
      ]);
    } finally {
      await target.drop();
      await litellm.query('TRUNCATE "LiteLLM_OrganizationTable", "LiteLLM_ModelTable", "LiteLLM_TeamMembership", "LiteLLM_EndUserTable"');
    }
  });

  it('carries over the history of calls once, with sums by day', async () => {
    const target = await TestDatabase.create();
    const row = (id: string, more: object): object => ({
      request_id: id,
      call_type: 'acompletion',
      api_key: tokenOf('sk-1'),
      spend: 0.1,
      prompt_tokens: 10,
      completion_tokens: 5,
      startTime: '2026-01-31T23:59:59.5',
      endTime: '2026-02-01T00:00:01',
      model: 'gpt-4o',
      model_group: 'chat',
      custom_llm_provider: 'openai',
      user: 'ann',
      ...more,
    });
    const detailed = {
      completionStartTime: '2026-01-31T23:59:59.75',
      model_id: 'd1',
      team_id: 'red',
      organization_id: 'org',
      end_user: 'customer-1',
      session_id: 's1',
      request_tags: ['a', 'b'],
      requester_ip_address: '10.0.0.1',
      cache_hit: 'True',
      litellm_call_id: 'call-1',
      messages: [{ role: 'user', content: 'private' }],
      metadata: {
        user_api_key_alias: 'mobile',
        usage_object: { prompt_tokens_details: { cached_tokens: 4 }, completion_tokens_details: { reasoning_tokens: 2 } },
        cost_breakdown: { input_cost: 0.06, output_cost: 0.03, total_cost: 0.1 },
      },
    };
    const failed = { status: 'failure', spend: 0, metadata: { error_information: { error_code: '429', error_class: 'RateLimitError' } } };
    await litellm.insert(
      'SpendLogs',
      row('r1', detailed),
      row('r2', failed),
      row('r3', { startTime: '2026-02-01T00:00:00', completionStartTime: '2026-02-01T00:00:01', model_group: '' }),
    );
    await litellm.insert(
      'SpendLogs',
      row('r4', { startTime: '2020-01-01T00:00:00', endTime: '2020-01-01T00:00:00', api_key: 'master', call_type: 'aembedding' }),
    );
    try {
      const into = (...args: string[]): Promise<CommandRun> => run('--to', target.url, '--spend-logs', ...args);
      expect((await into('--dry-run')).out).toMatch(/^calls +4 +4 +0 +0 /m);
      expect((await into('--calls-since', '2026-01-01', '--batch', '1')).out).toMatch(/^calls +3 +3 +0 +0 /m);
      const all = await into('--json');
      expect(JSON.parse(all.out)).toMatchObject({
        tables: { calls: { rows: 4, created: 1, unchanged: 3 } },
        lastCall: '2026-02-01T00:00:00.000Z',
      });
      const time = `extract(epoch FROM started_at)::float8 AS at`;
      const calls = await target.query(`SELECT to_jsonb(c) - 'metadata' AS call, ${time} FROM fast_litellm.calls c ORDER BY id`);
      expect(calls.map(({ at }) => new Date(Number(at) * 1_000).toISOString())).toEqual([
        '2026-01-31T23:59:59.500Z',
        '2026-01-31T23:59:59.500Z',
        '2026-02-01T00:00:00.000Z',
        '2020-01-01T00:00:00.000Z',
      ]);
      expect(calls[0].call).toMatchObject({
        id: 'r1',
        duration_ms: 1_500,
        ttft_ms: 250,
        stream: true,
        operation: 'chat',
        model: 'chat',
        model_group: 'chat',
        upstream_model: 'gpt-4o',
        deployment_id: 'd1',
        key_id: idOf('sk-1'),
        key_alias: 'mobile',
        team_id: 'red',
        organization_id: 'org',
        end_user: 'customer-1',
        tags: ['a', 'b'],
        session_id: 's1',
        ip: '10.0.0.1',
        status: 'success',
        prompt_tokens: 10,
        cache_read_tokens: 4,
        reasoning_tokens: 2,
        nano_usd: 100_000_000,
        cost_input: 60_000_000,
        cost_output: 30_000_000,
        cost_other: 10_000_000,
        cache_status: 'hit',
      });
      expect(calls[1].call).toMatchObject({ status: 'failure', error_code: 'RateLimitError', http_status: 429, stream: false });
      expect(calls[2].call).toMatchObject({ model: 'gpt-4o', model_group: null, stream: false, ttft_ms: null });
      expect(calls[3].call).toMatchObject({ operation: 'embeddings', key_id: null, duration_ms: 0 });
      expect(await target.query('SELECT * FROM fast_litellm.call_bodies')).toEqual([]);
      const days = `SELECT day::text, requests::int, failures::int, nano_usd::int FROM fast_litellm.daily_spend WHERE dimension = 'user' ORDER BY day`;
      expect((await target.query(days)).filter(({ day }) => String(day) > '2026')).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ day: '2026-01-31', requests: 2, failures: 1, nano_usd: 100_000_000 }),
          expect.objectContaining({ day: '2026-02-01', requests: 1, failures: 0, nano_usd: 100_000_000 }),
        ]),
      );
    } finally {
      await target.drop();
      await litellm.query('TRUNCATE "LiteLLM_SpendLogs"');
    }
  });

  it.each([
    [['--file', 'a.json', '--spend-logs'], '--spend-logs requires --to'],
    [['--to', 'postgres://x/y', '--calls-since', 'soon'], '--calls-since: must be a time'],
    [['--from', 'mysql://x'], '--from: must be a postgres://'],
    [['--file', 'a.json', '--to', 'postgres://x/y'], '--to cannot be combined with --file'],
    [
      ['--file', 'a.json', '--redis', 'redis://x', '--budgets-file', 'b.json'],
      'only one of --redis, --budgets-file and --postgres-budgets can be set',
    ],
    [['--file', 'a.json', '--postgres-budgets'], '--postgres-budgets requires --to'],
    [['--file', 'a.json', '--time-zone', 'Mars'], '--time-zone: must be an IANA time zone'],
    [['--file', 'a.json', '--schema', 'a"b'], '--schema: must be 1 to 63'],
    [['--to', 'postgres://x/y', '--to-schema', 'A'], '--to-schema: must have 1 to 63'],
    [['--redis', 'http://x'], '--redis: must be a redis'],
    [['--file', 'a.json', '--batch', '0'], '--batch: must be an integer of at least 1'],
    [[], '--to, --file, --redis or the variable DATABASE_URL must be set'],
  ])('rejects %j with exit code 2', async (args, message) => {
    expect(await run(...args)).toEqual({ code: 2, out: '', err: expect.stringContaining(message) });
  });

  it('says which table is missing, and what cannot be reached, without the password', async () => {
    const missing = await toFile('--schema', 'other');
    const ofPrisma = `${litellm.url}?schema=other&connection_limit=5`;
    expect((await runCommand(['import-keys', '--from', ofPrisma, '--file', file])).err).toContain('schema other of');
    expect(missing).toEqual({ code: 1, out: '', err: expect.stringContaining('schema other of') });
    const away = await runCommand(['import-keys', '--from', 'postgres://u:secret@127.0.0.1:1/x', '--file', file]);
    expect(away).toEqual({ code: 1, out: '', err: expect.stringContaining('ECONNREFUSED') });
    expect(away.err + missing.err).not.toContain('secret');
  });
});
