import { InvalidConfigurationError } from '../../common/errors.js';
import { causeOf, countsAgainst, errorClassOf, isRefused, statusOf, type CallFailure } from './failures.js';

const caused = (cause: unknown, depth: number): Error => new Error('outer', { cause: depth === 1 ? cause : caused(cause, depth - 1) });
const coded = (code: string) => Object.assign(new Error('no words'), { code });

it.each<[string, CallFailure, number]>([
  ['its own', { status: 418, error: { status: 500 }, timeout: true }, 418],
  ['that of its error', { error: { status: 429 }, timeout: true }, 429],
  ['the statusCode of its error', { error: { statusCode: 503 } }, 503],
  ['the status_code of its error', { error: { status_code: 502 } }, 502],
  ['the lowest of an answer', { error: { status: 100 } }, 100],
  ['the highest of an answer', { error: { status: 599 } }, 599],
  ['none below', { error: { status: 99 } }, 500],
  ['none above', { error: { status: 600 } }, 500],
  ['none that is a text', { error: { status: '429' } }, 500],
  ['that of a timeout', { timeout: true, error: coded('ECONNRESET') }, 408],
  ['that of no timeout', { timeout: false }, 500],
  ['that of nothing', {}, 500],
  ['that of null', { error: null }, 500],
  ['that of its words', { error: new Error('Error code: 429 - slow down') }, 429],
  ['that of other words', { error: new Error('Rate_limit reached') }, 429],
  ['none within a number', { error: new Error('took 1429 ms') }, 500],
  ['a failed connection by its code', { error: coded('ECONNRESET') }, 0],
  ['a connection that timed out', { error: coded('ETIMEDOUT') }, 0],
  ['a connection that timed out in undici', { error: coded('UND_ERR_CONNECT_TIMEOUT') }, 0],
  ['no failed connection', { error: coded('ENOENT') }, 500],
  ['an error of an SDK', { error: Object.assign(new Error('no words'), { name: 'APIConnectionError' }) }, 0],
  ['a failed connection by its words', { error: new Error('socket hang up') }, 0],
  ['a cause', { error: caused(coded('EPIPE'), 1) }, 0],
  ['the fifth in a chain', { error: caused(coded('EPIPE'), 4) }, 0],
  ['not the sixth in a chain', { error: caused(coded('EPIPE'), 5) }, 500],
])('the status of a failure is %s', (_, failure, status) => {
  expect(statusOf(failure)).toBe(status);
});

it.each<[CallFailure, number, string]>([
  [{}, 500, 'status 500'],
  [{}, 0, 'connection failed'],
  [{ timeout: true }, 408, 'no answer in time'],
  [{}, 408, 'status 408'],
  [{ timeout: true }, 504, 'status 504'],
  [{ misconfigured: true }, 503, 'status 503'],
  [{ misconfigured: true, error: null }, 503, 'status 503'],
  [{ misconfigured: true, error: new Error('outer', { cause: new Error('inner') }) }, 503, 'status 503'],
  [{ misconfigured: true, error: new Error('outer', { cause: new InvalidConfigurationError('deployment d', 'no key') }) }, 503, 'no key'],
  [{ error: new Error('outer', { cause: new InvalidConfigurationError('deployment d', 'no key') }) }, 503, 'status 503'],
])('the cause of %j with the status %s is %s', (failure, status, cause) => {
  expect(causeOf(failure, status, 'd')).toBe(cause);
});

it.each([
  [400, false, 'BadRequestError', true],
  [401, true, 'AuthenticationError', false],
  [403, false, undefined, false],
  [404, true, 'NotFoundError', false],
  [408, true, 'TimeoutError', false],
  [413, false, undefined, true],
  [422, false, undefined, true],
  [429, true, 'RateLimitError', false],
  [499, false, undefined, false],
  [500, true, 'InternalServerError', false],
  [502, true, 'BadGatewayError', false],
  [503, true, 'ServiceUnavailableError', false],
  [504, true, 'InternalServerError', false],
])('the status %s counts: %s; is a %s; refuses what a request says: %s', (status, counts, name, refused) => {
  expect([countsAgainst(status), errorClassOf(status), isRefused({}, status)]).toEqual([counts, name, refused]);
  expect([errorClassOf(status, true), isRefused({ contentPolicy: true }, status)]).toEqual(['ContentPolicyViolationError', true]);
  expect(isRefused({ misconfigured: true, contentPolicy: true }, status)).toBe(false);
});
