import OpenAI from 'openai';
import { InvalidArgumentError, InvalidConfigurationError, ProxyRefusedError } from '../common/errors.js';
import { ProviderError } from '../common/provider-error.js';
import { reasonOf } from './failure.js';
import { kindOfStatus } from '../providers/failure-kind.js';

const named = (name: string, fields: object = {}): Error => Object.assign(new Error('failed'), { name }, fields);
const sdk = (status: number, code: string | null, headers: Record<string, string> = {}): Error =>
  OpenAI.APIError.generate(status, { error: { message: 'no', code, type: 'x', param: null } }, undefined, new Headers(headers));

describe('reasonOf', () => {
  it.each<[string, unknown, object | undefined]>([
    ['the OpenAI SDK: 429', sdk(429, null, { 'retry-after': '7' }), { kind: 'rate_limit', status: 429, retryAfterMs: 7000 }],
    ['the OpenAI SDK: 401', sdk(401, 'invalid_api_key'), { kind: 'authentication', status: 401 }],
    ['the OpenAI SDK: a long prompt', sdk(400, 'context_length_exceeded'), { kind: 'context_window', status: 400 }],
    ['the OpenAI SDK: a filter', sdk(400, 'content_policy_violation'), { kind: 'content_policy', status: 400 }],
    [
      'the OpenAI SDK: no connection',
      new OpenAI.APIConnectionError({ cause: named('E', { code: 'ECONNREFUSED' }) }),
      { kind: 'connection' },
    ],
    ['the OpenAI SDK: no time', new OpenAI.APIConnectionTimeoutError(), { kind: 'timeout' }],
    [
      'the AI SDK',
      named('AI_APICallError', { statusCode: 503, responseHeaders: { 'retry-after': '1' } }),
      { kind: 'server', retryAfterMs: 1000 },
    ],
    [
      'the AI SDK: a long prompt',
      named('AI_APICallError', { statusCode: 400, responseBody: '{"code":"context_length_exceeded"}' }),
      { kind: 'context_window' },
    ],
    ['axios', named('AxiosError', { response: { status: 404, headers: {} } }), { kind: 'not_found', status: 404 }],
    ['fetch', new TypeError('fetch failed', { cause: named('E', { code: 'ECONNRESET' }) }), { kind: 'connection' }],
    ['undici', named('HeadersTimeoutError', { code: 'UND_ERR_HEADERS_TIMEOUT' }), { kind: 'timeout' }],
    ['the HTTP parser of undici 7', named('HTTPParserError'), { kind: 'malformed' }],
    ['an HTTP parser', named('HTTPParserError', { code: 'HPE_INVALID_CONSTANT' }), { kind: 'malformed' }],
    ['AbortSignal.timeout', new DOMException('too long', 'TimeoutError'), { kind: 'timeout' }],
    ['something else', named('Surprise'), { kind: 'server' }],
    ['no connection in the pool', Object.assign(new InvalidArgumentError('a', 1, 'b', 'POOL_TIMEOUT')), { kind: 'timeout' }],
    ['a mistake', new TypeError('undefined is not a function'), undefined],
    ['a deployment that cannot be asked', new InvalidConfigurationError('deployment a', 'must be'), { kind: 'authentication' }],
    ['a proxy that refuses', new ProxyRefusedError(407), { kind: 'connection' }],
    ['a wrong argument', new InvalidArgumentError('a', 1, 'must not be'), undefined],
    ['no error', 'thrown', undefined],
  ])('reads the reason of an error: %s', (_, error, expected) => {
    const reason = reasonOf(error);
    if (expected === undefined) expect(reason).toBeUndefined();
    else expect(reason).toMatchObject(expected);
  });
});

it.each([
  [400, 'bad_request'],
  [401, 'authentication'],
  [402, 'authentication'],
  [403, 'authentication'],
  [404, 'not_found'],
  [408, 'timeout'],
  [422, 'bad_request'],
  [409, 'server'],
  [424, 'server'],
  [429, 'rate_limit'],
  [500, 'server'],
  [529, 'server'],
])('kindOfStatus reads status %d as %s', (status, kind) => {
  expect(kindOfStatus(status, 'words')).toBe(kind);
});

it.each(['Output blocked by content filtering policy', 'The response was blocked.', 'content_filter'])(
  'kindOfStatus reads a content policy in the words: %s',
  (words) => {
    expect(kindOfStatus(400, words)).toBe('content_policy');
  },
);

describe('ProviderError', () => {
  const facts = { message: 'no', provider: 'openai', deploymentId: 'a' } as const;
  it('has the status of the provider’s answer and a body in OpenAI’s shape', () => {
    const error = new ProviderError({ ...facts, kind: 'rate_limit', status: 429, providerCode: 'rate_limit_exceeded', type: 'requests' });
    expect(error.getStatus()).toBe(429);
    expect(error.getResponse()).toEqual({ error: { message: 'no', type: 'requests', param: null, code: 'rate_limit_exceeded' } });
    expect(error).toMatchObject({ code: 'PROVIDER_RATE_LIMIT', providerStatus: 429, name: 'ProviderError', message: 'no' });
  });
  it.each([
    ['timeout', undefined, 504],
    ['connection', undefined, 502],
    ['malformed', 200, 502],
    ['server', 503, 503],
    ['server', 999, 502],
  ] as const)('has a status of its own for %s without a usable one of the provider', (kind, status, expected) => {
    expect(new ProviderError({ ...facts, kind, status }).getStatus()).toBe(expected);
  });
});
