import { ProviderError, type ProviderFailureKind } from './provider-error.js';

it.each<[ProviderFailureKind, number | undefined, number, string]>([
  ['server', undefined, 502, 'server_error'],
  ['server', 399, 502, 'server_error'],
  ['bad_request', 400, 400, 'invalid_request_error'],
  ['rate_limit', 499, 499, 'invalid_request_error'],
  ['server', 500, 500, 'server_error'],
  ['server', 599, 599, 'server_error'],
  ['server', 600, 502, 'server_error'],
  ['malformed', 500, 502, 'server_error'],
  ['authentication', 401, 503, 'server_error'],
  ['timeout', undefined, 504, 'server_error'],
])('of the kind %s with the status %s has the status %s for clients, and the type %s', (kind, status, expected, type) => {
  const error = new ProviderError({ kind, message: 'secret words', provider: 'p', deploymentId: 'd', status });
  expect([error.getStatus(), error.error.type, error.providerStatus]).toEqual([expected, type, status]);
  expect(error.message === 'secret words').toBe(kind !== 'authentication');
});
