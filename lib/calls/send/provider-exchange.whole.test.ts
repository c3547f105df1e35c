import { PoolClosedError, ProxyRefusedError } from '../../common/errors.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { ProviderFailureKind } from '../../common/provider-error.js';
import { OPENAI_READER } from '../../providers/openai/reader.js';
import { OPENAI } from '../../providers/openai/openai.js';
import { SecretMask } from '../../providers/secret-mask.js';
import { ProviderExchange, type ExchangeSettings } from './provider-exchange.js';

const MAX_BYTES = 1000;
const ANSWER = '{"choices":[{"message":{"content":"four words are here"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}';

class Failed extends Error {
  constructor(
    readonly kind: ProviderFailureKind | number,
    message: string,
  ) {
    super(message);
  }
}

const errors = {
  failed: (kind: ProviderFailureKind, message: string) => new Failed(kind, message),
  answered: (status: number, body: string) => new Failed(status, body),
  inAnswer: (json: string) => new Failed('server', json),
};

function opened(settings: object = {}) {
  const abort = jest.fn();
  const endpoint = { mask: new SecretMask(['sk-secret-12345']), protocol: OPENAI };
  const exchange = new ProviderExchange({
    known: { errors, endpoint },
    call: { reader: OPENAI_READER },
    stream: false,
    maxBytes: MAX_BYTES,
    count: (text: string) => text.split(' ').length,
    ...settings,
  } as unknown as ExchangeSettings);
  exchange.onConnect(abort);
  // Some tests do not read it.
  exchange.answered.catch(() => {});
  const outcome = () =>
    exchange.answered.then(
      () => 'answered',
      ({ kind, message }: Failed) => `${kind}: ${message}`,
    );
  return { exchange, abort, outcome };
}

const headersOf = (headers: Readonly<Record<string, string>>) =>
  Object.entries(headers)
    .flat()
    .map((text) => Buffer.from(text));
const JSON_HEAD = headersOf({ 'content-type': 'application/json' });

function answered(status: number, body: string, headers: Readonly<Record<string, string>> = {}, settings?: object) {
  const open = opened(settings);
  open.exchange.onHeaders(status, headersOf({ 'content-type': 'application/json', ...headers }), () => {});
  if (open.abort.mock.calls.length === 0) {
    open.exchange.onData(Buffer.from(body));
    open.exchange.onComplete();
  }
  return open;
}

const whole = (length: number) => `{"a":"${'x'.repeat(length - 8)}"}`;

describe('a whole answer', () => {
  it.each<[string, number, string, Readonly<Record<string, string>>, string]>([
    ['an answer', 200, ANSWER, {}, 'answered'],
    ['the status 299', 299, ANSWER, {}, 'answered'],
    ['the status 300', 300, ANSWER, {}, 'malformed: The provider answered with a redirect (300).'],
    ['the status 399', 399, ANSWER, {}, 'malformed: The provider answered with a redirect (399).'],
    ['the status 400', 400, '{"error":{}}', {}, '400: {"error":{}}'],
    ['no body', 200, '', {}, "malformed: The provider's response is not a JSON object."],
    ['an error with 200', 200, '{"error":{"message":"no"}}', {}, 'server: {"error":{"message":"no"}}'],
    ['as many bytes as are allowed', 200, whole(MAX_BYTES), {}, 'answered'],
    ['one byte more', 200, whole(MAX_BYTES + 1), {}, `malformed: The provider's answer is longer than ${MAX_BYTES} bytes.`],
    ['the encoding identity', 200, ANSWER, { 'content-encoding': 'identity' }, 'answered'],
    [
      'another encoding',
      200,
      ANSWER,
      { 'content-encoding': 'br' },
      'malformed: The provider sent a content encoding that was not requested.',
    ],
    ['another encoding of an error', 500, 'gone', { 'content-encoding': 'br' }, '500: gone'],
  ])('is judged: %s', async (_, status, body, headers, expected) => {
    await expect(answered(status, body, headers).outcome()).resolves.toBe(expected);
  });

  it('has its usage, the tokens of its text and its bytes until they are taken', () => {
    const { exchange } = answered(200, ANSWER);
    expect(exchange.usageInRest).toMatchObject({ promptTokens: 3, completionTokens: 4 });
    expect([exchange.receivedTokens, exchange.isCut, exchange.isRefused, exchange.wasSent]).toEqual([4, false, false, true]);
    expect(exchange.takeBytes().toString()).toBe(ANSWER);
    expect([exchange.usageInRest, exchange.receivedTokens, exchange.takeBytes().length]).toEqual([undefined, 0, 0]);
  });

  it('has no usage if it was refused, and no tokens if its bytes are no text', () => {
    expect(answered(300, ANSWER).exchange.usageInRest).toBeUndefined();
    expect(answered(200, ANSWER, {}, { call: { reader: OPENAI_READER, isBytes: true } }).exchange.receivedTokens).toBe(0);
    expect(answered(200, ANSWER, {}, { count: undefined }).exchange.receivedTokens).toBe(0);
  });

  it("masks the operator's key in the answer and in its id", () => {
    const { exchange } = answered(200, '{"key":"sk-secret-12345"}', { 'x-request-id': 'req-sk-secret-12345' });
    expect([exchange.takeBytes().toString(), exchange.requestId]).toEqual([
      expect.not.stringContaining('secret'),
      expect.not.stringContaining('secret'),
    ]);
    expect(exchange.requestId).toMatch(/^req-/);
  });

  it('keeps the cost in its headers, of whole answers only', () => {
    const headers = { 'x-litellm-response-cost': '0.5' };
    expect(answered(200, ANSWER, headers).exchange.statedCost).toBe('0.5');
    expect(answered(500, ANSWER, headers).exchange.statedCost).toBeUndefined();
    const stream = { 'content-type': 'text/event-stream', ...headers };
    expect(answered(200, 'data: {}\n\n', stream, { stream: true }).exchange.statedCost).toBeUndefined();
  });

  it.each<[string, string, boolean]>([
    ['within its text', '{"choices":[{"message":{"content":"four words', false],
    ['behind its text', '{"choices":[{"message":{"content":"four words"}}],"usage":', true],
    ['before it begins', '', false],
  ])('that breaks %s was finished by its provider: %#', async (_, body, isFinished) => {
    const { exchange, outcome } = opened();
    exchange.onHeaders(200, JSON_HEAD, () => {});
    exchange.onData(Buffer.from(body));
    exchange.onError(Object.assign(new Error(), { code: 'ECONNRESET' }));
    await expect(outcome()).resolves.toBe('connection: The connection to the provider failed.');
    expect(exchange.isCut).toBe(!isFinished);
  });

  it('that does not end like an object was cut', async () => {
    for (const [body, isCut] of [
      ['{"choices":[{"message":{"content":"a', true],
      ['words', false],
    ] as const) {
      const { exchange, outcome } = answered(200, body);
      await expect(outcome()).resolves.toMatch(/^malformed/);
      expect(exchange.isCut).toBe(isCut);
    }
  });
});

describe('a body of an error', () => {
  const LONGEST_ERROR = 64 * 1024;

  it.each([
    [LONGEST_ERROR, 0],
    [LONGEST_ERROR + 1, 1],
  ])('of %s bytes ends the request %s times', async (length, aborts) => {
    const { exchange, abort, outcome } = opened({ maxBytes: 1 << 20 });
    exchange.onHeaders(500, JSON_HEAD, () => {});
    exchange.onData(Buffer.alloc(length, 'x'));
    expect(abort).toHaveBeenCalledTimes(aborts);
    if (aborts === 0) exchange.onComplete();
    await expect(outcome()).resolves.toMatch(/^500: x+$/);
    expect([exchange.errorBody.length, exchange.isRefused]).toEqual([length, true]);
  });
});

describe('a stream', () => {
  const asked = { stream: true };

  it.each<[string, string, string, string]>([
    ['an error as JSON', 'application/json', '{"error":{"message":"no"}}', 'server: {"error":{"message":"no"}}'],
    [
      'an error as problem JSON',
      'application/problem+json; charset=utf-8',
      '{"error":{"message":"no"}}',
      'server: {"error":{"message":"no"}}',
    ],
    ['an answer as JSON', 'application/json', ANSWER, "malformed: The provider's response is not a stream, although one was requested."],
    ['HTML', 'text/html', '<p>', "malformed: The provider's response is not a stream, although one was requested."],
    ['no event', 'text/event-stream', ': hi\n\n', 'malformed: The provider ended its stream before the first event.'],
    ['events of another letter case', 'Text/Event-Stream;charset=utf-8', 'data: {"choices":[]}\n\n', 'answered'],
  ])('that is %s', async (_, type, body, expected) => {
    await expect(answered(200, body, { 'content-type': type }, asked).outcome()).resolves.toBe(expected);
  });

  it('has the error events of its protocol', () => {
    const error = { message: 'm', type: null, param: null, code: null };
    const call = { reader: { ...OPENAI_READER, errorEvent: ({ message }: { message: string }) => `event: error ${message}` } };
    expect(opened({ call }).exchange.errorEvent(error)).toBe('event: error m');
    expect(opened().exchange.errorEvent(error)).toBeUndefined();
  });
});

describe('a failure of the connection', () => {
  it.each<[string, Error, string]>([
    ['the pool is closed', new PoolClosedError('https://a'), 'undefined: '],
    ['the proxy refused', new ProxyRefusedError(403), 'connection: '],
    ['a timeout', Object.assign(new Error(), { code: 'UND_ERR_HEADERS_TIMEOUT' }), 'timeout: '],
    ['an unknown error', new Error(), 'connection: '],
  ])('is judged: %s', async (_, error, expected) => {
    const { exchange, outcome } = opened();
    exchange.onError(error);
    await expect(outcome()).resolves.toMatch(new RegExp(`^${expected}`));
    expect([exchange.isCut, exchange.wasSent]).toEqual([false, false]);
  });
});

describe('an exchange that is over', () => {
  it('stays as it is when it is aborted, detached or resumed again', async () => {
    const { exchange, abort, outcome } = opened();
    const resume = jest.fn();
    exchange.onHeaders(200, JSON_HEAD, resume);
    exchange.abort(new Failed('timeout', 'first'));
    exchange.abort(new Failed('timeout', 'second'));
    exchange.resume();
    expect(exchange.detach(new Error(), () => {})).toBe(false);
    await expect(outcome()).resolves.toBe('timeout: first');
    expect([abort.mock.calls.length, resume.mock.calls.length]).toEqual([1, 0]);
  });

  it('aborts a request that is sent later', () => {
    const { exchange } = opened();
    const late = jest.fn();
    const error = new Failed('timeout', 'early');
    exchange.abort(error);
    exchange.onConnect(late);
    expect(late.mock.calls).toEqual([[error]]);
    expect(exchange.onHeaders(200, JSON_HEAD, () => {})).toBe(false);
  });

  it('tells its end at once', () => {
    const { exchange } = answered(200, ANSWER);
    const listener = jest.fn();
    exchange.whenOver(listener);
    expect(listener.mock.calls).toEqual([[undefined]]);
  });
});

describe('an abandoned answer', () => {
  it('rejects for its reader at once, and states its usage at its end, once', async () => {
    const { exchange, abort, outcome } = opened();
    const resume = jest.fn();
    const usages: (AnswerUsage | undefined)[] = [];
    exchange.onHeaders(200, JSON_HEAD, resume);
    expect(exchange.detach(new Failed('timeout', 'left'), (usage) => void usages.push(usage))).toBe(true);
    expect(exchange.detach(new Error(), () => {})).toBe(false);
    await expect(outcome()).resolves.toBe('timeout: left');
    expect([resume.mock.calls.length, usages.length]).toEqual([1, 0]);
    exchange.onData(Buffer.from(ANSWER));
    exchange.onComplete();
    expect(usages).toEqual([expect.objectContaining({ promptTokens: 3, completionTokens: 4 })]);
    expect(abort).not.toHaveBeenCalled();
  });
});
