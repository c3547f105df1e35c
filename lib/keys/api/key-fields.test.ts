import { InvalidArgumentError } from '../../common/errors.js';
import type { RateLimits } from '../../rate-limit/limits.js';
import type { ApiKeyRecord } from '../api-key-record.js';
import { statusOf } from '../key-search.js';
import { hashApiKey } from '../api-key.js';
import { changesOf, checkFields, checkKeyFields, durationMs, fieldsOf, namedKey, withFieldNames, type KeyFields } from './key-fields.js';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

it.each<[string, Partial<ApiKeyRecord>, string]>([
  ['without an end', {}, 'active'],
  ['that is not blocked', { blocked: false }, 'active'],
  ['that is blocked', { blocked: true }, 'revoked'],
  ['that ends a millisecond later', { expiresAt: '2026-01-01T00:00:00.001Z' }, 'active'],
  ['that ends now', { expiresAt: '2026-01-01T00:00:00Z' }, 'expired'],
  ['that is blocked and over', { blocked: true, expiresAt: '2025-01-01T00:00:00Z' }, 'revoked'],
])('statusOf a key %s', (_, record, status) => {
  expect(statusOf({ publicId: 'a', ...record } as ApiKeyRecord, NOW_MS)).toBe(status);
});

it('fieldsOf a record has null, empty or false for what the key does not have', () => {
  expect(fieldsOf({ publicId: 'a' } as ApiKeyRecord)).toEqual({
    ...{ token: 'a', token_id: 'a', key_name: 'sk-a-…', key_alias: null, user_id: null, team_id: null, models: [], metadata: {}, tags: [] },
    ...{ priority: null, rpm_limit: null, tpm_limit: null, max_parallel_requests: null, max_budget: null, budget_duration: null },
    ...{ soft_budget: null, budget_id: null, organization_id: null, temp_budget_increase: null, temp_budget_expiry: null },
    ...{ model_rpm_limit: {}, model_tpm_limit: {}, model_max_budget: {}, aliases: {}, allowed_routes: [] },
    ...{ blocked: false, expires: null, created_at: null, updated_at: null },
  });
});

it('fieldsOf a record has what the key has, limits of 0 included', () => {
  const limits = { requestsPerMinute: 0, tokensPerMinute: 0, maxConcurrent: 0, usdPerWindow: 0, usdWindow: '30d', usdTotal: 9 };
  const [expiresAt, createdAt, updatedAt] = ['2026-01-03', '2026-01-01', '2026-01-02'];
  const record = { publicId: 'a', alias: 'b', user: 'u', team: 't', models: ['m'], tags: ['x'], priority: 'batch', blocked: true };
  expect(fieldsOf({ ...record, limits, expiresAt, createdAt, updatedAt } as unknown as ApiKeyRecord)).toMatchObject({
    ...{ key_alias: 'b', user_id: 'u', team_id: 't', models: ['m'], tags: ['x'], priority: 'batch', blocked: true },
    ...{ rpm_limit: 0, tpm_limit: 0, max_parallel_requests: 0, max_budget: 0, budget_duration: '30d' },
    ...{ expires: expiresAt, created_at: createdAt, updated_at: updatedAt },
  });
  expect(fieldsOf({ publicId: 'a', limits: { usdTotal: 9 } } as ApiKeyRecord)).toMatchObject({ max_budget: 9, budget_duration: null });
});

it.each<[string, unknown, string | undefined]>([
  ['nothing', undefined, undefined],
  ['settings', { models: ['m'], rpm_limit: 0, priority: 'batch' }, undefined],
  ['a type of keys', { key_type: 'llm_api' }, undefined],
  ['an empty type', { key_type: '' }, undefined],
  ['another type', { key_type: 'management' }, 'key_type: must be default or llm_api, got "management"'],
  ['a field of the route', { key: 'a' }, undefined],
  ['an unknown field', { colour: 'red' }, 'colour: is not a known'],
  ['a list', [], 'body: must be an object'],
  ['empty fields without effect', { permissions: {}, guardrails: [], config: null, agent_id: '', auto_rotate: false }, undefined],
  ['a field without effect', { permissions: { a: 'b' } }, 'permissions: must not be set, because it has no effect here'],
  ['a number without effect', { tpd_limit: 0 }, 'tpd_limit: must not be set, because it has no effect here'],
  ['a flag without effect', { auto_rotate: true }, 'auto_rotate: must not be set, because it has no effect here'],
  ['no spend', { spend: 0 }, undefined],
  ['spend', { spend: 1 }, 'spend: must not be set, because it has no effect here'],
])('checkKeyFields with %s', (_, body, message) => {
  const check = (): KeyFields => checkKeyFields(body, ['key']);
  if (message === undefined) expect(check()).toEqual(body ?? {});
  else expect(check).toThrow(message);
});

it('checkKeyFields accepts a field without effect where a route has it', () => {
  expect(checkKeyFields({ new_key: 'a' }, ['new_key'])).toEqual({ new_key: 'a' });
});

it('checkFields refuses what a route does not know', () => {
  expect(checkFields(undefined, ['page'])).toEqual({});
  expect(checkFields({ page: '1' }, ['page'])).toEqual({ page: '1' });
  expect(() => checkFields({ size: '1' }, ['page'])).toThrow('size: is not a known');
});

it.each<[KeyFields, object, RateLimits?]>([
  [{}, {}],
  [{ models: [] }, { models: null }],
  [{ models: ['m'] }, { models: ['m'] }],
  [{ models: null }, { models: null }],
  [
    { key_alias: 'a', user_id: 'u', team_id: null },
    { alias: 'a', user: 'u', team: null },
  ],
  [
    { metadata: {}, tags: [], blocked: false, priority: 'batch' },
    { metadata: {}, tags: [], blocked: false, priority: 'batch' },
  ],
  [{ duration: null }, { expiresAt: null }],
  [{ duration: '-1' }, { expiresAt: null }],
  [{ duration: '1d' }, { expiresAt: '2026-01-02T00:00:00.000Z' }],
  [{ rpm_limit: 0 }, { limits: { requestsPerMinute: 0 } }],
  [{ rpm_limit: null }, { limits: null }],
  [{ rpm_limit: null }, { limits: null }, { requestsPerMinute: 1 }],
  [{ rpm_limit: null }, { limits: { tokensPerMinute: 2 } }, { requestsPerMinute: 1, tokensPerMinute: 2 }],
  [
    { tpm_limit: 3, max_parallel_requests: 4 },
    { limits: { requestsPerMinute: 1, tokensPerMinute: 3, maxConcurrent: 4 } },
    { requestsPerMinute: 1 },
  ],
  [{ max_budget: 5 }, { limits: { usdTotal: 5 } }],
  [{ max_budget: 0 }, { limits: { usdTotal: 0 } }],
  [{ max_budget: 5, budget_duration: '45d' }, { limits: { usdPerWindow: 5, usdWindow: '45d', usdWindowKind: 'firstUse' } }],
  [{ max_budget: 5, budget_duration: '30d' }, { limits: { usdPerWindow: 5, usdWindow: '30d' } }],
  [{ max_budget: 5, budget_duration: '1d' }, { limits: { usdPerWindow: 5, usdWindow: '1d' } }],
  [{ max_budget: 6 }, { limits: { usdPerWindow: 6, usdWindow: '1d' } }, { usdPerWindow: 5, usdWindow: '1d' }],
  [
    { budget_duration: '1d' },
    { limits: { usdPerWindow: 5, usdWindow: '1d' } },
    { usdPerWindow: 5, usdWindow: '30d', usdWindowKind: 'firstUse' },
  ],
  [
    { max_budget: 6 },
    { limits: { usdPerWindow: 6, usdWindow: '1d', usdWindowKind: 'firstUse' } },
    { usdPerWindow: 5, usdWindow: '1d', usdWindowKind: 'firstUse' },
  ],
  [{ budget_duration: '1d' }, { limits: { usdPerWindow: 5, usdWindow: '1d' } }, { usdTotal: 5 }],
  [{ budget_duration: null }, { limits: { usdTotal: 5 } }, { usdPerWindow: 5, usdWindow: '30d', usdWindowKind: 'firstUse' }],
  [{ max_budget: null }, { limits: null }, { usdPerWindow: 5, usdWindow: '1d' }],
  [{ max_budget: null }, { limits: null }, { usdTotal: 5, timeZone: 'Asia/Tokyo' }],
  [{ max_budget: null }, { limits: { usdPerDay: 1, timeZone: 'Asia/Tokyo' } }, { usdPerDay: 1, usdTotal: 5, timeZone: 'Asia/Tokyo' }],
  [{ max_budget: null }, { limits: { usdPerMonth: 1, timeZone: 'Asia/Tokyo' } }, { usdPerMonth: 1, usdTotal: 5, timeZone: 'Asia/Tokyo' }],
  [{ max_budget: 6 }, { limits: { usdTotal: 6, timeZone: 'Asia/Tokyo' } }, { usdTotal: 5, timeZone: 'Asia/Tokyo' }],
])('changesOf %j', (...[fields, changes, limits]) => {
  expect(changesOf(fields, { limits }, NOW_MS)).toEqual(changes);
});

it.each<[KeyFields, object, Partial<ApiKeyRecord>?]>([
  [
    { organization_id: '', budget_id: '' },
    { organization: null, budget: null },
  ],
  [
    { organization_id: 'o', budget_id: 'b', soft_budget: 2 },
    { organization: 'o', budget: 'b', softBudgetUsd: 2 },
  ],
  [
    { aliases: {}, allowed_routes: [] },
    { modelAliases: null, allowedRoutes: null },
  ],
  [
    { aliases: { a: 'b' }, allowed_routes: ['llm_api_routes'] },
    { modelAliases: { a: 'b' }, allowedRoutes: ['llm_api_routes'] },
  ],
  [
    { temp_budget_increase: 5, temp_budget_expiry: '2026-01-02T00:00:00.5' },
    { raisedUsd: 5, raisedUntil: '2026-01-02T00:00:00.5Z' },
  ],
  [{ temp_budget_increase: null }, { raisedUsd: null, raisedUntil: null }],
  [
    { model_rpm_limit: { a: 1 }, model_tpm_limit: { b: 2 }, model_max_budget: { a: 3, b: { budget_limit: 4, time_period: '1d' } } },
    { modelLimits: { a: { requestsPerMinute: 1, usdTotal: 3 }, b: { tokensPerMinute: 2, usdPerWindow: 4, usdWindow: '1d' } } },
  ],
  [
    { model_rpm_limit: { c: 5 } },
    { modelLimits: { b: { tokensPerMinute: 2 }, c: { requestsPerMinute: 5 } } },
    { modelLimits: { a: { requestsPerMinute: 1 }, b: { requestsPerMinute: 1, tokensPerMinute: 2 } } },
  ],
  [{ model_rpm_limit: {} }, { modelLimits: null }, { modelLimits: { a: { requestsPerMinute: 1 } } }],
])('changesOf %j, of an enterprise', (...[fields, changes, before]) => {
  expect(changesOf(fields, before ?? {}, NOW_MS)).toEqual(changes);
});

it('changesOf a field of two without the other, or of another shape, names the field', () => {
  const failing: [KeyFields, string][] = [
    [{ temp_budget_increase: 5 }, 'temp_budget_expiry: must be set together with temp_budget_increase'],
    [{ temp_budget_expiry: '2026-01-02' }, 'temp_budget_increase: must be set together with temp_budget_expiry'],
    [{ model_rpm_limit: 5 }, 'model_rpm_limit: must be an object'],
    [{ model_max_budget: { a: { limit: 5 } } }, 'model_max_budget.a.limit: must be budget_limit or time_period'],
    [{ model_max_budget: { a: 'x' } }, 'model_max_budget.a: must be an object'],
  ];
  for (const [fields, message] of failing) expect(() => changesOf(fields, {}, NOW_MS)).toThrow(message);
});

it('fieldsOf a record has its limits for models', () => {
  const modelLimits = { a: { requestsPerMinute: 1, usdTotal: 3 }, b: { tokensPerMinute: 2, usdPerWindow: 4, usdWindow: '1d' } };
  expect(fieldsOf({ publicId: 'a', modelLimits, softBudgetUsd: 0, raisedUsd: 1, budget: 'x' } as unknown as ApiKeyRecord)).toMatchObject({
    ...{ model_rpm_limit: { a: 1 }, model_tpm_limit: { b: 2 }, soft_budget: 0, temp_budget_increase: 1, budget_id: 'x' },
    model_max_budget: { a: { budget_limit: 3 }, b: { budget_limit: 4, time_period: '1d' } },
  });
});

it('changesOf a duration without a budget names the budget', () => {
  expect(() => changesOf({ budget_duration: '1d' }, {}, NOW_MS)).toThrow('max_budget: must be set together with budget_duration');
  expect(changesOf({ budget_duration: null }, {}, NOW_MS)).toEqual({ limits: null });
});

it.each<[unknown, number | undefined]>([
  ['1s', 1_000],
  ['30m', 1_800_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['1w', 604_800_000],
  ['1mo', 2_592_000_000],
  ['36600d', 36_600 * 86_400_000],
  ['36601d', undefined],
  ['0s', undefined],
  ['-1', undefined],
  ['1y', undefined],
  ['in 1d', undefined],
  ['1d ', undefined],
  ['123456789s', undefined],
  ['', undefined],
  [60, undefined],
  [null, undefined],
])('durationMs of %j is %s', (value, ms) => {
  if (ms === undefined) expect(() => durationMs('duration', value)).toThrow('duration: must be a duration such as 30m');
  else expect(durationMs('duration', value)).toBe(ms);
});

it('namedKey is the public id of a key, given by id, by the whole key, or by its hash', () => {
  expect(namedKey('key', 'key000000001')).toBe('key000000001');
  expect(namedKey('key', 'abcdef012345'.padEnd(64, '0'))).toBe('abcdef012345');
  expect(namedKey('key', `sk-key000000001-${'a'.repeat(43)}`)).toBe('key000000001');
  expect(namedKey('key', 'sk-1')).toBe(hashApiKey('sk-1').slice(0, 12));
  for (const value of [undefined, 'sk-', ['key000000001-'], 'A'.repeat(64), 'a'.repeat(65), 7])
    expect(() => namedKey('key', value)).toThrow('key: must be a key or its public id');
});

it("withFieldNames has LiteLLM's name of a field, except where the body has ours", () => {
  const error = new InvalidArgumentError('limits.usdTotal', -1, 'must be positive');
  expect(withFieldNames(error, { max_budget: -1 })).toMatchObject({ path: 'max_budget', message: 'max_budget: must be positive, got -1' });
  const ours = new InvalidArgumentError('user', 7, 'must be a string');
  expect(withFieldNames(ours, { user: 7 })).toBe(ours);
  expect(withFieldNames(ours, { user_id: 7 })).toMatchObject({ path: 'user_id' });
  const unnamed = new InvalidArgumentError('tags[0]', 7, 'must be a string');
  expect(withFieldNames(unnamed, {})).toBe(unnamed);
  const other = new Error('a bug');
  expect(withFieldNames(other, {})).toBe(other);
});
