import { nextTurn } from '../common/next-turn.js';
import type { KnownEndpoint } from './endpoint/endpoints.js';
import { SecretMask } from './secret-mask.js';
import { OPENAI_READER } from './openai/reader.js';
import { ProviderExchange } from '../calls/send/provider-exchange.js';
import { answerHeadersIn, rawHeader } from './raw-headers.js';

const raw = (...headers: string[]): Buffer[] => headers.map((text) => Buffer.from(text, 'latin1'));

const requestIdOf = (headers: readonly Buffer[]): string | undefined => answerHeadersIn(headers).requestId;

describe("headers of undici's flat list", () => {
  it.each([
    ['as they are written', 'x-request-id'],
    ['in capitals', 'X-REQUEST-ID'],
    ['as most are', 'X-Request-Id'],
  ])('finds headers %s', (_, name) => {
    expect(rawHeader(raw('date', 'now', name, 'a\u00e9'), 'x-request-id')).toBe('a\u00e9');
    expect(rawHeader(['date', 'now', name, 'b'], 'x-request-id')).toBe('b');
  });

  it.each(['x-request-ie', 'x_request_id', 'xxrequest-id', 'x-request-i', 'content-type', '', '\u00f8-request-id'])(
    '%p is another',
    (name) => {
      expect(rawHeader(raw(name, 'a'), 'x-request-id')).toBeUndefined();
    },
  );

  it('finds no value for a name at the end of the list', () => {
    expect(rawHeader(raw('x-request-id'), 'x-request-id')).toBeUndefined();
    expect(rawHeader([], 'x-request-id')).toBeUndefined();
  });

  it('reads the request id from the first header with a printable value', () => {
    expect(requestIdOf(raw('request-id', 'anthropic', 'x-request-id', 'openai'))).toBe('openai');
    expect(requestIdOf(raw('apim-request-id', 'azure', 'x-request-id', 'two words'))).toBe('azure');
    expect(requestIdOf(raw('content-type', 'text/plain', 'x-request-id', 'a'.repeat(257)))).toBeUndefined();
  });

  it('reads the headers in one pass, and the first of duplicates', () => {
    const headers = [
      'Content-Type',
      'application/json',
      'X-LiteLLM-Response-Cost',
      '0.5',
      'CONTENT-ENCODING',
      'gzip',
      'content-type',
      'a/b',
    ];
    expect(answerHeadersIn(raw(...headers))).toEqual({
      requestId: undefined,
      contentType: 'application/json',
      cost: '0.5',
      contentEncoding: 'gzip',
    });
  });

  it.each(['content-typf', 'content_type', 'content-typ', '\u00e7ontent-type', ''])('ignores %p', (name) => {
    expect(answerHeadersIn(raw(name, 'a')).contentType).toBeUndefined();
    expect(answerHeadersIn(raw('content-type')).contentType).toBeUndefined();
  });
});

describe('the headers of a stream', () => {
  it('are dropped with its first event, because they keep the memory of a whole read', async () => {
    const call = { path: '/', body: '', reader: OPENAI_READER };
    const exchange = new ProviderExchange({
      known: { endpoint: { mask: new SecretMask([]) } } as KnownEndpoint,
      call,
      stream: true,
      maxBytes: 1000,
    });
    exchange.onHeaders(
      200,
      ['content-type', 'text/event-stream'].map((text) => Buffer.from(text)),
      () => {},
    );
    exchange.onData(Buffer.from(': wait\n\n'));
    expect(exchange.rawHeaders).toHaveLength(2);
    exchange.onData(Buffer.from('data: {}\n\n'));
    await nextTurn();
    expect(exchange.rawHeaders).toHaveLength(0);
  });
});
