import type { ApiKeyRecord } from '../api-key-record.js';
import { statusOf } from '../key-search.js';
import { fieldsOf } from './key-fields.js';

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
