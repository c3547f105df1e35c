import fc from 'fast-check';
import { anthropicEvent, anthropicEvents, anthropicMessage } from '../../../test/support/anthropic-events.js';
import { sentRequest } from '../../../test/support/sent-requests.js';
import type { SentRequest } from '../protocol.js';
import { ANTHROPIC, messagesCall } from './anthropic.js';
import { MESSAGES_READER, PassingTranslator } from './reader.js';

type Fields = Record<string, unknown>;
const BODY = {
  model: 'claude-x',
  max_tokens: 5,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] }],
};
const USAGE = {
  input_tokens: 3,
  cache_creation_input_tokens: 20,
  cache_read_input_tokens: 100,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 20 },
  output_tokens: 50,
  output_tokens_details: { thinking_tokens: 40 },
};
const MESSAGE = anthropicMessage(
  [
    { type: 'text', text: 'Hi "usage":{"output_tokens":9}' },
    { type: 'tool_use', id: 't', name: 'x', input: { usage: { input_tokens: 1 } } },
  ],
  { usage: USAGE },
);
const COUNTED = {
  promptTokens: 123,
  completionTokens: 50,
  totalTokens: 173,
  details: { cacheReadTokens: 100, cacheWriteTokens: 20, cacheWrite1hTokens: 20, reasoningTokens: 40 },
};
const STARTED = anthropicEvents(MESSAGE).slice(0, 2).join('');

const sentBy = (body: Fields, facts: Partial<SentRequest> & { options?: object } = {}): Fields =>
  JSON.parse(ANTHROPIC.call('messages', sentRequest(body, facts))?.body as string) as Fields;
const headersBy = (headers: unknown): Fields => {
  const sent = sentRequest(BODY, { options: { request: { headers } }, headers: ['x-api-key', 'k', 'anthropic-beta', 'deployment-1'] });
  const list = ANTHROPIC.call('messages', sent)?.headers ?? [];
  return Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]]] : [])));
};

describe("a request of Anthropic's API", () => {
  it("passes as it is, with the deployment's model", () => {
    const body = { ...BODY, context_management: { edits: [] }, system: 'S', unknown: [1], stream: true };
    expect(sentBy(body, { model: 'claude-opus-4-5', addsUsage: true })).toEqual({ ...body, model: 'claude-opus-4-5' });
  });

  it('loses only the fields that control the call', () => {
    expect(sentBy({ ...BODY, tags: ['a'], num_retries: 1, metadata: { user_id: 'u', tags: ['b'] } })).toEqual({
      ...BODY,
      metadata: { user_id: 'u' },
    });
  });

  it("gets those of the deployment's fields that Anthropic has", () => {
    const defaults = { max_tokens: 1, top_k: 2, reasoning_effort: 'high', stop: 'x', frequency_penalty: 0 };
    expect(sentBy(BODY, { defaults, overrides: { temperature: 0.5 }, fixed: { speed: 'fast' } })).toEqual({
      ...BODY,
      top_k: 2,
      temperature: 0.5,
      speed: 'fast',
    });
  });

  it("brings the client's version and betas, and no other header", () => {
    const headers = {
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'context-1m-2025-08-07, deployment-1',
      authorization: 'Bearer client',
      'x-api-key': 'client',
    };
    expect(headersBy(headers)).toEqual({ 'anthropic-version': '2026-10-21', 'anthropic-beta': 'deployment-1,context-1m-2025-08-07' });
    expect(headersBy(new Headers({ 'anthropic-version': '2026-10-21' }))['anthropic-version']).toBe('2026-10-21');
    expect(headersBy(undefined)).toEqual({ 'anthropic-version': '2023-06-01', 'anthropic-beta': 'deployment-1' });
  });

  it.each([
    ['anthropic-version', '2023\r\nx-api-key: y'],
    ['anthropic-version', 'latest'],
    ['anthropic-beta', 'a b'],
    ['anthropic-beta', 'ok,x\u00e9'],
  ])('refuses a wrong %s', (name, value) => {
    expect(() => headersBy({ [name]: value })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path: name }) as Error);
  });

  it('has version and model elsewhere at a cloud', () => {
    const host = {
      takesUrls: false,
      midSystem: false,
      hasTiers: false,
      bodyVersion: 'vertex-2023-10-16',
      pathOf: ({ model }: SentRequest) => `/models/${model}:rawPredict`,
    };
    for (const operation of ['chat', 'messages'] as const) {
      const call = messagesCall(operation, sentRequest(BODY), host);
      expect(call).toMatchObject({ path: '/models/claude-x:rawPredict', headers: [] });
      const body = JSON.parse(call?.body as string) as Fields;
      expect(body).toMatchObject({ anthropic_version: 'vertex-2023-10-16', max_tokens: 5 });
      expect(body).not.toHaveProperty('model');
    }
    const image = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: 'https://x.org/a.png' }] }] };
    expect(() => messagesCall('chat', sentRequest({ ...BODY, ...image }), host)).toThrow('only as base64 data URLs');
  });

  it('is none of embeddings', () => {
    expect(ANTHROPIC.call('embeddings', sentRequest({ model: 'x', input: 'y' }))).toBeUndefined();
  });
});

describe('the usage of a passing answer', () => {
  const streamUsage = (events: readonly string[], headBytes = 8192, tailBytes = 16_384): unknown => {
    const bytes = Buffer.from(events.join(''));
    return MESSAGES_READER.usageIn(bytes.subarray(-tailBytes), bytes.subarray(0, headBytes));
  };

  it('is read from a whole one', () => {
    expect(MESSAGES_READER.usageIn(Buffer.from(JSON.stringify(MESSAGE)))).toEqual(COUNTED);
    const iterations = Array.from({ length: 30 }, () => USAGE);
    const many = anthropicMessage([], { usage: { ...USAGE, iterations } });
    expect(MESSAGES_READER.usageIn(Buffer.from(JSON.stringify(many)))).toMatchObject({ completionTokens: 1500 });
  });

  it('is read from the start and the end of a stream', () => {
    const long = anthropicMessage([{ type: 'text', text: 'x'.repeat(50_000) }], { usage: USAGE });
    for (const events of [anthropicEvents(MESSAGE), anthropicEvents(long, 100)]) {
      expect(streamUsage(events)).toEqual(COUNTED);
      expect(streamUsage(events.map((event) => event.replaceAll('\n', '\r\n')))).toEqual(COUNTED);
      expect(streamUsage(events.map((event) => event.replace(/^event: .*\n/, '')))).toEqual(COUNTED);
    }
  });

  it('is unknown where the stream was cut before its end', () => {
    expect(streamUsage(anthropicEvents(MESSAGE).slice(0, -2))).toBeUndefined();
    const forged = anthropicEvent({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: 'message_delta', name: 'message_delta', usage: USAGE },
    });
    expect(streamUsage([STARTED, forged])).toBeUndefined();
  });

  it.each([
    '',
    'null',
    '{"type":"message_delta","usage":',
    '{"type":"message_delta","usage":null}',
    '{"type":"message_delta","usage":{"output_tokens":-5}}',
  ])('that is broken counts nothing: %j', (data) => {
    const usage = streamUsage([`data: ${data}\n\n`]) as Fields | undefined;
    expect(usage?.totalTokens ?? 0).toBe(0);
  });
});

describe('what a passing answer is', () => {
  const error = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n';
  const [, , block] = anthropicEvents(anthropicMessage([{ type: 'text', text: 'x' }]));

  it.each<[string, string, unknown]>([
    ['nothing', '', 'undecided'],
    ['comments', ': hi\n\n: hi\n\n', 'undecided'],
    ['a start', STARTED, 'undecided'],
    ['half an event', `${STARTED}event: content_block_st`, 'undecided'],
    ['content', STARTED + block, 'answer'],
    ['content without names of events', (STARTED + block).replace(/^event: .*\n/gm, ''), 'answer'],
    ['an event that is no JSON', 'data: x\n\n', 'answer'],
    ['an error', error, { error: expect.stringContaining('overloaded_error') as unknown }],
    ['an error behind the start', STARTED + error, { error: expect.stringContaining('overloaded_error') as unknown }],
    ['an error behind content', STARTED + block + error, 'answer'],
  ])('begins with %s', (_, bytes, opening) => {
    expect(MESSAGES_READER.openingOf(Buffer.from(bytes))).toEqual(opening);
    expect(MESSAGES_READER.openingOf(Buffer.from(bytes.replaceAll('\n', '\r\n')))).toEqual(opening);
  });

  it.each<[string, unknown]>([
    [JSON.stringify(MESSAGE), undefined],
    [`\n ${JSON.stringify(MESSAGE)}\n`, undefined],
    ['{"type":"error","error":{"type":"api_error","message":"x"}}', { error: expect.stringContaining('api_error') as unknown }],
    ['{"error":{"message":"x"}}', { error: expect.stringContaining('x') as unknown }],
    ['{"id":"error","error":null}', undefined],
    [`{"type":"error","error":{"message":"${'x'.repeat(1 << 20)}"}}`, { error: expect.stringContaining('more than 1 MiB') as unknown }],
    [`{"type":"message","content":["error","${'x'.repeat(1 << 20)}"]}`, undefined],
    ['<html>', 'malformed'],
    ['{"type":"error"', 'malformed'],
    ['', 'malformed'],
  ])('%.40s has the fault %j', (answer, fault) => {
    expect(MESSAGES_READER.faultIn(Buffer.from(answer))).toEqual(fault);
  });

  it('ends with an error', () => {
    expect(MESSAGES_READER.errorAtEnd(Buffer.from(STARTED + error))).toContain('overloaded_error');
    expect(MESSAGES_READER.errorAtEnd(Buffer.from(anthropicEvents(MESSAGE).join('')))).toBeUndefined();
  });

  it('reports a broken stream as Anthropic does', () => {
    const written = (type: string | null): string | undefined =>
      MESSAGES_READER.errorEvent?.({ message: 'm', type, param: null, code: null });
    expect(written('overloaded_error')).toBe('event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n');
    expect(written('server_error')).toBe('event: error\ndata: {"type":"error","error":{"type":"api_error","message":"m"}}\n\n');
  });
});

it('reads any bytes without an error of its own', () => {
  const words = fc.constantFrom(
    '"usage"',
    ':',
    '{',
    '}',
    '"message_delta"',
    '"message_start"',
    'data: ',
    '\n\n',
    'event: error\n',
    '"type"',
    '"error"',
    '1',
    ',',
    '"input_tokens"',
  );
  const text = fc.array(fc.oneof(words, fc.string()), { maxLength: 30 }).map((parts) => Buffer.from(parts.join('')));
  fc.assert(
    fc.property(text, text, (bytes, head) => {
      MESSAGES_READER.usageIn(bytes);
      MESSAGES_READER.usageIn(bytes, head);
      MESSAGES_READER.faultIn(bytes);
      MESSAGES_READER.openingOf(bytes);
      MESSAGES_READER.errorAtEnd(bytes);
    }),
    { numRuns: 2000 },
  );
});

describe('a passing stream', () => {
  const passed = (events: readonly string[], size: number): string => {
    const bytes = Buffer.from(events.join(''));
    const translator = new PassingTranslator();
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) out.push(translator.chunk(bytes.subarray(at, at + size)));
    out.push(translator.end());
    return Buffer.concat(out).toString();
  };
  const error = 'event: error\ndata: {"type": "error", "error": {}}\n\n';

  it.each([1, 3, 10, 1e6])('is unchanged, in chunks of %d bytes', (size) => {
    const events = anthropicEvents(MESSAGE);
    expect(passed(events, size)).toBe(events.join(''));
    expect(passed([...events.slice(0, 4), error], size)).toBe(events.slice(0, 4).join('') + error);
  });

  it.each([1, 3, 10, 1e6])('that was cut is an error, in chunks of %d bytes', (size) => {
    for (const end of [-1, -2, 4]) expect(() => passed(anthropicEvents(MESSAGE).slice(0, end), size)).toThrow('before message_stop');
    expect(() => passed([], size)).toThrow('before message_stop');
  });
});
