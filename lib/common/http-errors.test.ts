import { ApiKeyError, BudgetExceededError, RateLimitExceededError } from './http-errors.js';

const bodyOf = (error: { getResponse(): unknown }) => (error.getResponse() as { error: Record<string, unknown> }).error;

it.each([
  ['missing', 401, 'API_KEY_MISSING', 'invalid_request_error', undefined],
  ['unknown', 401, 'API_KEY_UNKNOWN', 'invalid_request_error', undefined],
  ['blocked', 403, 'API_KEY_BLOCKED', 'invalid_request_error', undefined],
  ['unavailable', 503, 'API_KEY_STORE_UNAVAILABLE', 'server_error', 1000],
] as const)('a key that is %s has the status %s', (reason, status, code, type, retryAfterMs) => {
  const error = new ApiKeyError(reason);
  expect([error.getStatus(), error.code, bodyOf(error).type, error.retryAfterMs]).toEqual([status, code, type, retryAfterMs]);
});

it('names the only header of keys if one is missing', () => {
  expect(new ApiKeyError('missing', { header: 'x-key' }).message).toContain('in the header x-key');
  expect(new ApiKeyError('unknown', { header: 'x-key' }).message).not.toContain('x-key');
  expect(new ApiKeyError('missing').message).toContain('Authorization');
});

describe('BudgetExceededError', () => {
  const refusal = { limitName: 'team', period: 'day', limitUsd: 2, spentUsd: 1.5, heldUsd: 0.25 } as const;
  const resetsAt = new Date('2026-01-02T00:00:00Z');

  it.each([
    [{ reason: 'budget_exhausted', resetsAt }, /^Budget exceeded: .*limit team.* It resets at 2026-01-02T00:00:00\.000Z\.$/],
    [{ reason: 'budget_exhausted' }, /^Budget exceeded: (?!.*resets)(?!.*may cost).*\.$/],
    [{ reason: 'budget_exhausted', estimatedUsd: 0.5 }, /, and this request may cost up to .*USD\.$/],
    [{ reason: 'budget_held', resetsAt, retryAfterMs: 70 }, /^Budget exceeded for the moment: (?!.*resets)/],
    [{ reason: 'request_exceeds_budget', estimatedUsd: 3 }, /^This request may cost more than the whole budget/],
  ] as const)('says what is left: %j', (given, message) => {
    const error = new BudgetExceededError({ ...refusal, ...given });
    expect(error.message).toMatch(message);
    expect([error.getStatus(), error.code, bodyOf(error).code]).toEqual([429, 'BUDGET_EXCEEDED', given.reason]);
    expect(bodyOf(error)).toMatchObject({ scope: 'team', limit_usd: 2, spent_usd: 1.5, held_usd: 0.25, type: 'budget_exceeded' });
    expect(bodyOf(error).resets_at).toBe('resetsAt' in given ? '2026-01-02T00:00:00.000Z' : undefined);
  });
});

it('a limit has another status and code if its store was unavailable', () => {
  const codes = (error: RateLimitExceededError) => [error.getStatus(), error.code];
  expect(codes(new RateLimitExceededError({ limitName: 'l', exceeded: 'minute', limit: 1, retryAfterMs: 1 }))).toEqual([
    429,
    'RATE_LIMIT_EXCEEDED',
  ]);
  expect(codes(new RateLimitExceededError({ limitName: 'l' }))).toEqual([503, 'RATE_LIMIT_UNAVAILABLE']);
});
