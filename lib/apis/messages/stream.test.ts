import { eventsIn, readEvents } from '../../../test/support/stream-events.js';
import fc from 'fast-check';
import { disorderIn, joinedMessage, messageEventsIn, type MessageEvent } from '../../../test/support/message-events.js';
import { MESSAGES_BRIDGE } from './messages.js';

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const DONE = 'data: [DONE]\n\n';
const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11, prompt_tokens_details: { cached_tokens: 4 } };

/** The events of a chat that has these deltas. */
const chatOf = (deltas: readonly object[], finish: string | null = 'stop'): string =>
  [...deltas.map((delta) => ({ delta, finish_reason: null })), { delta: {}, finish_reason: finish }]
    .map((choice) => event({ id: 'chatcmpl-1', model: 'gpt-4o', choices: [{ index: 0, ...choice }] }))
    .join('');

/** The message's stream for a chat's, which comes in these pieces. */
function translated(chat: string | readonly Buffer[], body: object = {}): string {
  const answer = MESSAGES_BRIDGE.answer({ model: 'asked', ...body });
  const arrived = typeof chat === 'string' ? [eventsIn(chat)] : readEvents(chat);
  return arrived.map((events) => answer.events(events)).join('') + answer.end();
}

const eventsOf = (deltas: readonly object[], finish?: string | null): MessageEvent[] =>
  messageEventsIn(translated(chatOf(deltas, finish) + event({ choices: [], usage }) + DONE));
/** What the events say, in short. */
const short = (events: readonly MessageEvent[]): unknown[] =>
  events.map(({ type, index, content_block: block, delta, error }) => {
    if (type === 'content_block_start') return `${index} ${String(block?.type)}`;
    if (type === 'content_block_stop') return `${index} end`;
    if (type === 'content_block_delta') return delta?.text ?? delta?.thinking ?? delta?.signature ?? delta?.partial_json;
    return type === 'message_delta' ? delta?.stop_reason : type === 'error' ? error : type;
  });
const blocksOf = (deltas: readonly object[]): unknown[] => short(eventsOf(deltas)).slice(2, -2);
const call = (index: unknown, id?: string, name?: string, json?: string): object => ({
  tool_calls: [{ index, id, function: { name, arguments: json } }],
});

describe('a stream of the bridge of Messages', () => {
  it('has the events of Anthropic in their order', () => {
    const stream = translated(
      chatOf([{ role: 'assistant', content: '' }, { content: 'Hel' }, { content: 'lo' }]) + event({ choices: [], usage }) + DONE,
    );
    const noUsage = { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 };
    expect(messageEventsIn(stream)).toEqual([
      {
        type: 'message_start',
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'gpt-4o',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          stop_details: null,
          usage: noUsage,
        },
      },
      { type: 'ping' },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hel' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'lo' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null },
        usage: { input_tokens: 5, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: 2 },
      },
      { type: 'message_stop' },
    ]);
  });

  it.each<[string, object[], unknown[]]>([
    ['nothing', [{}, { content: null }], []],
    [
      'thinking, text and calls',
      [
        { reasoning_content: 'hm' },
        { content: 'Hello' },
        call(0, 'a', 'f', ''),
        call(0, undefined, undefined, '{"a"'),
        call(0, undefined, undefined, ':1}'),
      ],
      ['0 thinking', 'hm', '0 end', '1 text', 'Hello', '1 end', '2 tool_use', '{"a"', ':1}', '2 end'],
    ],
    [
      'calls one behind the other',
      [call(0, 'a', 'f', '{"x":"}'), call(0, undefined, undefined, '\\""}'), call(1, 'b', 'g', '{}')],
      ['0 tool_use', '{"x":"}', '\\""}', '0 end', '1 tool_use', '{}', '1 end'],
    ],
    [
      'interleaved calls, which wait',
      [call(0, 'a', 'f', '{'), call(1, 'b', 'g', '{"b"'), call(0, undefined, undefined, '"a":1}'), call(1, undefined, undefined, ':2}')],
      ['0 tool_use', '{', '"a":1}', '0 end', '1 tool_use', '{"b"', ':2}', '1 end'],
    ],
    ['calls without arguments', [call(0, 'a', 'f'), call(1, 'b', 'g', '')], ['0 tool_use', '0 end', '1 tool_use', '1 end']],
    [
      'text behind an unfinished call',
      [call(0, 'a', 'f', '{'), { content: 'Hi' }, call(0, undefined, undefined, '}')],
      ['0 tool_use', '{', '}', '0 end', '1 text', 'Hi', '1 end'],
    ],
    [
      'calls that all have the index 0',
      [call(0, 'a', 'f', '{}'), call(0, 'b', 'g', '{}')],
      ['0 tool_use', '{}', '0 end', '1 tool_use', '{}', '1 end'],
    ],
    [
      'calls without an index',
      [call(undefined, 'a', 'f', '{'), call(undefined, '', undefined, '}'), call(undefined, 'b', 'g', '{}')],
      ['0 tool_use', '{', '}', '0 end', '1 tool_use', '{}', '1 end'],
    ],
    ['a name behind the id', [call(0, 'a', '', ''), call(0, undefined, 'f', '{}')], ['0 tool_use', '{}', '0 end']],
    ['a call without a name', [call(0, 'a', undefined, '{}')], []],
    [
      'signed thinking',
      [
        { reasoning_content: 'h', thinking_blocks: [{ type: 'thinking', thinking: 'h', signature: '' }] },
        { reasoning_content: 'm' },
        { reasoning_content: '', thinking_blocks: [{ type: 'thinking', thinking: '', signature: 's' }] },
        { thinking_blocks: [{ type: 'redacted_thinking', data: 'd' }] },
        { thinking_blocks: [{ type: 'thinking', thinking: 'so', signature: 't' }] },
      ],
      ['0 thinking', 'h', 'm', 's', '0 end', '1 redacted_thinking', '1 end', '2 thinking', 'so', 't', '2 end'],
    ],
    ['thinking by its other name', [{ reasoning: 'hm' }], ['0 thinking', 'hm', '0 end']],
    ['a refusal', [{ refusal: 'No.' }], ['0 text', 'No.', '0 end']],
  ])('has the blocks of %s', (_, deltas, expected) => {
    expect(blocksOf(deltas)).toEqual(expected);
  });

  it.each<[string | null, object, string]>([
    ['stop', { content: 'a' }, 'end_turn'],
    ['length', { content: 'a' }, 'max_tokens'],
    ['content_filter', { content: 'a' }, 'refusal'],
    ['stop', { refusal: 'a' }, 'refusal'],
    ['stop', { content: 'a', ...call(0, 'a', 'f', '{}') }, 'tool_use'],
    ['tool_calls', { content: 'a', ...call(0, 'a', 'f', '{}') }, 'tool_use'],
    [null, { content: 'a' }, 'end_turn'],
  ])('finishes %s of %j with %s', (finish, delta, reason) => {
    expect(eventsOf([delta], finish).at(-2)?.delta).toMatchObject({ stop_reason: reason, stop_sequence: null });
  });

  it('does not need [DONE] behind a finish reason, nor a usage', () => {
    expect(short(messageEventsIn(translated(chatOf([{ content: 'a' }])))).slice(-2)).toEqual(['end_turn', 'message_stop']);
  });

  it('takes the last of several usages and finish reasons', () => {
    const chunk = (finish: string | null, completion: number): string =>
      event({ choices: [{ delta: { content: 'a' }, finish_reason: finish }], usage: { prompt_tokens: 1, completion_tokens: completion } });
    const events = messageEventsIn(translated(chunk('stop', 1) + chunk('length', 2) + DONE));
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'max_tokens' }, usage: { input_tokens: 1, output_tokens: 2 } });
  });

  it('begins behind events without choices, as Azure has them', () => {
    expect(translated(event({ choices: [], prompt_filter_results: [] }))).toMatch(/^event: error\n/);
    const begun = MESSAGES_BRIDGE.answer({ model: 'm' });
    expect(begun.events(eventsIn(event({ choices: [], prompt_filter_results: [] })))).toHaveLength(0);
  });

  it.each<[string, string, object, unknown[]]>([
    ['that was cut', chatOf([{ content: 'a' }], null), { type: 'api_error', message: 'The stream ended early.' }, ['0 text', 'a']],
    [
      'with an error',
      chatOf([{ content: 'a' }]) + event({ error: { message: 'no', code: 529 } }) + chatOf([{ content: 'b' }]) + DONE,
      { type: 'overloaded_error', message: 'no' },
      ['0 text', 'a'],
    ],
    [
      'with an event that is no JSON',
      `${chatOf([{ content: 'a' }])}data: {\n\n`,
      { type: 'api_error', message: expect.any(String) as string },
      ['0 text', 'a'],
    ],
    ['that is empty', '', { type: 'api_error', message: 'The stream ended early.' }, []],
  ])('ends a stream %s with an error event', (_, chat, error, before) => {
    const events = short(messageEventsIn(translated(chat)));
    expect(events.filter((each) => each !== 'message_start' && each !== 'ping')).toEqual([...before, error]);
  });

  it('ends with the error of a connection, once', () => {
    const answer = MESSAGES_BRIDGE.answer({ model: 'm' });
    const error = { message: 'gone', type: 'server_error', param: null, code: null };
    const stream = answer.events(eventsIn(chatOf([{ content: 'a' }]))) + answer.error(error, 529) + answer.error(error, 529) + answer.end();
    expect(short(messageEventsIn(stream)).slice(-1)).toEqual([{ type: 'overloaded_error', message: 'gone' }]);
    expect(disorderIn(messageEventsIn(stream))).toBeUndefined();
  });

  it('has pings between its beginning and its end only', () => {
    const answer = MESSAGES_BRIDGE.answer({ model: 'm' });
    expect(answer.ping?.()).toHaveLength(0);
    answer.events(eventsIn(chatOf([{ content: 'a' }])));
    expect(answer.ping?.()).toBe('event: ping\ndata: {"type":"ping"}\n\n');
    answer.end();
    expect(answer.ping?.()).toHaveLength(0);
  });

  it('bounds what waits for the end of a call, and the number of calls', () => {
    const wait = translated(chatOf([call(0, 'a', 'f', '{'), ...Array.from({ length: 9 }, () => ({ content: 'x'.repeat(1024 * 1024) }))]));
    expect(short(messageEventsIn(wait)).at(-1)).toMatchObject({ type: 'api_error' });
    const many = translated(chatOf(Array.from({ length: 10_001 }, (_, index) => call(index, `c${index}`, 'f', '{}'))));
    expect(short(messageEventsIn(many)).at(-1)).toMatchObject({ type: 'api_error' });
  });
});

const text = fc.string({ unit: 'binary', minLength: 1 });
const toolCalls = fc.uniqueArray(
  fc.record({
    id: fc.string({ unit: fc.constantFrom(...'0123abc'), minLength: 1 }),
    name: fc.string({ unit: fc.constantFrom(...'0123abc'), minLength: 1 }),
    input: fc.dictionary(fc.string(), fc.jsonValue()),
  }),
  {
    selector: ({ id }) => id,
    maxLength: 4,
  },
);
const message = fc.record({ thinking: fc.option(text), signature: fc.option(text), content: fc.option(text), calls: toolCalls });
const cuts = fc.array(fc.nat(20_000), { maxLength: 30 });

/** `whole` in pieces that end anywhere. */
function piecesOf<T extends string | Buffer>(whole: T, places: readonly number[]): T[] {
  const ends = [...new Set(places.map((place) => place % Math.max(1, whole.length)))].sort((a, b) => a - b);
  return [...ends, whole.length].map((end, i) => whole.slice(ends[i - 1] ?? 0, end) as T);
}

it('a stream of the bridge of Messages makes the same message as a whole answer', () => {
  fc.assert(
    fc.property(message, cuts, ({ thinking, signature, content, calls }, places) => {
      const hasSignature = thinking !== null && signature !== null;
      const signed = { type: 'thinking', signature };
      const asked = calls.map(({ id, name, input }) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(input) } }));
      const chat = {
        content,
        reasoning_content: thinking,
        ...(hasSignature && { thinking_blocks: [{ ...signed, thinking }] }),
        ...(asked.length > 0 && { tool_calls: asked }),
      };
      const answer = { id: 'chatcmpl-1', model: 'gpt-4o', choices: [{ message: chat, finish_reason: 'stop' }], usage };
      const whole: unknown = JSON.parse(
        MESSAGES_BRIDGE.answer({ model: 'm' })
          .whole(Buffer.from(JSON.stringify(answer)))
          .toString(),
      );
      const deltas = [
        ...piecesOf(thinking ?? '', places).map((piece) => ({ reasoning_content: piece })),
        ...(hasSignature ? [{ thinking_blocks: [{ ...signed, thinking: '' }] }] : []),
        ...piecesOf(content ?? '', places).map((piece) => ({ content: piece })),
        ...asked.flatMap(({ id, function: { name, arguments: json } }, index) => [
          call(index, id, name, ''),
          ...piecesOf(json, places).map((piece) => call(index, undefined, undefined, piece)),
        ]),
      ];
      expect(joinedMessage(eventsOf(deltas))).toEqual(whole);
    }),
  );
});

/** Any chat, also one that no provider would send. */
const anyDelta = fc.oneof(
  fc.record({ content: fc.option(text) }),
  fc.record({ reasoning_content: text }),
  fc.record({
    thinking_blocks: fc.array(
      fc.record({
        type: fc.constantFrom('thinking', 'redacted_thinking'),
        thinking: fc.string(),
        signature: fc.string(),
        data: fc.string(),
      }),
    ),
  }),
  fc
    .record({
      index: fc.option(fc.nat(3)),
      id: fc.constantFrom('', 'a', 'b', 'c'),
      name: fc.constantFrom('', 'f'),
      json: fc.constantFrom('', '{', '}', '"', '{}', '\\'),
    })
    .map(({ index, id, name, json }) => call(index, id, name, json)),
);
const anyChunk = fc.oneof(
  { weight: 20, arbitrary: anyDelta.map((delta) => event({ choices: [{ delta }] })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      event({ choices: [], usage }),
      event({ choices: [{ delta: {}, finish_reason: 'stop' }] }),
      DONE,
      ': ping\n\n',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.jsonValue().map((value) => `data: ${JSON.stringify(value)}\n\n`),
      fc.constantFrom(event({ error: 'no' }), 'data: {\n\n'),
    ),
  },
);

it('a stream of the bridge of Messages keeps the order of events, whatever the chat sends', () => {
  fc.assert(
    fc.property(fc.array(anyChunk, { maxLength: 40 }), (chunks) => {
      const events = messageEventsIn(translated(chunks.join('')));
      expect(disorderIn(events)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

it('a stream of the bridge of Messages is the same wherever its bytes are cut', () => {
  const anonymous = (stream: string): string => stream.replace(/(?<=msg_|toolu_)\w{32}/g, '');
  fc.assert(
    fc.property(fc.array(anyChunk, { maxLength: 20 }), cuts, (chunks, places) => {
      const chat = Buffer.from(chunks.join(''));
      expect(anonymous(translated(piecesOf(chat, places)))).toBe(anonymous(translated([chat])));
    }),
  );
});
