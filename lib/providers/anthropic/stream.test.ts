import fc from 'fast-check';
import { anthropicEvent, anthropicEvents, anthropicMessage } from '../../../test/support/anthropic-events.js';
import { usageFrom } from '../../http/answer-usage.js';
import { dataOf } from '../events/event-reader.js';
import { MessageTranslator } from './stream.js';
import { ToolNames } from './tool-names.js';

type Fields = Record<string, unknown>;
interface Message extends Fields {
  readonly content: string | null;
  readonly tool_calls?: readonly Fields[];
}
interface Completion extends Fields {
  readonly choices: readonly { readonly message: Message; readonly finish_reason: string }[];
  readonly usage: Fields;
}

const NAMES = new ToolNames(['a.b']);
NAMES.of('a.b');
const translator = (includesUsage = true): MessageTranslator => new MessageTranslator({ names: NAMES, model: 'claude', includesUsage });
const whole = (message: object): Completion =>
  JSON.parse(
    translator()
      .whole(Buffer.from(JSON.stringify(message)))
      .toString(),
  ) as Completion;

/** The stream's events, cut into chunks of `size` bytes. */
function streamed(events: readonly string[], size = 1e9, includesUsage = true): Fields[] {
  const bytes = Buffer.from(events.join(''));
  const reader = translator(includesUsage);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(reader.chunk(bytes.subarray(at, at + size)));
  out.push(reader.end());
  const data = Buffer.concat(out)
    .toString()
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => dataOf(event) as string);
  return data.map((json) => (json === '[DONE]' ? { done: true } : (JSON.parse(json) as Fields)));
}

/** What a client puts together from a stream. */
function joined(events: readonly Fields[]): { message: Fields; finish: unknown; usage: unknown } {
  const message: Fields = { role: undefined, content: null };
  const calls: Fields[] = [];
  const blocks: Fields[] = [];
  const own: Record<string, unknown[]> = {};
  let finish: unknown;
  let usage: unknown;
  for (const event of events) {
    usage = event.usage ?? usage;
    const [choice] = (event.choices ?? []) as { delta: Fields; finish_reason: unknown }[];
    if (choice === undefined) continue;
    finish = choice.finish_reason ?? finish;
    const { role, content, reasoning_content, tool_calls, thinking_blocks, provider_specific_fields } = choice.delta;
    message.role ??= role;
    if (typeof content === 'string') message.content = `${(message.content as string | null) ?? ''}${content}` || null;
    if (typeof reasoning_content === 'string')
      message.reasoning_content = `${(message.reasoning_content as string | undefined) ?? ''}${reasoning_content}`;
    for (const { index, function: called, ...head } of (tool_calls ?? []) as { index: number; function: Fields }[]) {
      calls[index] ??= { ...head, function: { name: called.name, arguments: '' } };
      const seen = calls[index].function as { arguments: string };
      seen.arguments += called.arguments as string;
    }
    for (const { index = blocks.length, ...block } of (thinking_blocks ?? []) as { index?: number; thinking?: string }[]) {
      const before = blocks[index] as Fields | undefined;
      blocks[index] = before === undefined ? block : { ...before, ...block, thinking: (before.thinking as string) + block.thinking };
    }
    for (const [name, values] of Object.entries((provider_specific_fields ?? {}) as Fields))
      if (Array.isArray(values)) (own[name] ??= []).push(...values);
  }
  if (calls.length > 0) message.tool_calls = calls;
  if (blocks.length > 0) message.thinking_blocks = blocks;
  if (blocks.length > 0) message.reasoning_content ??= '';
  if (Object.keys(own).length > 0) message.provider_specific_fields = own;
  return { message, finish, usage };
}

const TEXT = { type: 'text', text: 'Hello there' };
const THOUGHT = { type: 'thinking', thinking: 'Let me think', signature: 'c2ln' };
const CALL = { type: 'tool_use', id: 'toolu_1', name: 'a_b', input: { city: 'Oslo' } };
const SEARCH = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } };
const FOUND = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [{ type: 'web_search_result', url: 'https://x' }] };

describe('a whole answer', () => {
  it('is a chat completion', () => {
    expect(whole(anthropicMessage([TEXT]))).toMatchObject({
      id: 'msg_1',
      object: 'chat.completion',
      model: 'claude-sonnet-4-5-20250929',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 7, total_tokens: 17 },
    });
  });

  it("has calls under the client's names, thinking as it came, and what Anthropic's tools did apart", () => {
    const redacted = { type: 'redacted_thinking', data: 'x' };
    const [{ message, finish_reason }] = whole(
      anthropicMessage([THOUGHT, redacted, SEARCH, FOUND, TEXT, CALL], { stop_reason: 'tool_use' }),
    ).choices;
    expect(finish_reason).toBe('tool_calls');
    expect(message).toEqual({
      role: 'assistant',
      content: 'Hello there',
      reasoning_content: 'Let me think',
      thinking_blocks: [THOUGHT, redacted],
      tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'a.b', arguments: '{"city":"Oslo"}' } }],
      provider_specific_fields: {
        server_tool_calls: [{ id: 'srvtoolu_1', type: 'function', function: { name: 'web_search', arguments: '{"query":"x"}' } }],
        web_search_results: [FOUND],
      },
    });
  });

  it("has the input of the answer's tool as its content", () => {
    const [{ message, finish_reason }] = whole(
      anthropicMessage([{ ...CALL, name: 'json_tool_call' }], { stop_reason: 'tool_use' }),
    ).choices;
    expect([message.content, message.tool_calls, finish_reason]).toEqual(['{"city":"Oslo"}', undefined, 'stop']);
  });

  it('has citations', () => {
    const citation = { type: 'char_location', cited_text: 'x' };
    const [{ message }] = whole(
      anthropicMessage([
        { ...TEXT, citations: [citation] },
        { ...TEXT, citations: null },
      ]),
    ).choices;
    expect(message.provider_specific_fields).toEqual({ citations: [[citation]] });
  });

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['pause_turn', 'length'],
    ['refusal', 'content_filter'],
    ['something_new', 'stop'],
    [null, 'stop'],
  ])('that stopped for %s finishes with %s', (stop_reason, finish) => {
    expect(whole(anthropicMessage([TEXT], { stop_reason })).choices[0].finish_reason).toBe(finish);
    expect(joined(streamed(anthropicEvents(anthropicMessage([TEXT], { stop_reason })))).finish).toBe(finish);
  });

  it('that is an error keeps its words', () => {
    expect(whole({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })).toEqual({
      error: { type: 'overloaded_error', message: 'Overloaded' },
    });
  });

  it.each([
    'no JSON',
    '[]',
    'null',
    '{}',
    '{"content":"x"}',
    `{"content":[{"type":"tool_use","input":${'['.repeat(50_000)}${']'.repeat(50_000)}}]}`,
  ])('that is no message is not translated: %.20s', (answer) => {
    expect(() => translator().whole(Buffer.from(answer))).toThrow();
  });
});

describe('usage', () => {
  const usage = {
    input_tokens: 3,
    cache_creation_input_tokens: 20,
    cache_read_input_tokens: 100,
    cache_creation: { ephemeral_5m_input_tokens: 15, ephemeral_1h_input_tokens: 5 },
    output_tokens: 50,
    output_tokens_details: { thinking_tokens: 40 },
  };

  it('counts cached tokens to the prompt, and is read with its details', () => {
    const { usage: chat } = whole(anthropicMessage([TEXT], { usage }));
    expect(chat).toEqual({
      prompt_tokens: 123,
      completion_tokens: 50,
      total_tokens: 173,
      prompt_tokens_details: { cached_tokens: 100, cache_creation_tokens: 20 },
      completion_tokens_details: { reasoning_tokens: 40 },
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 100,
      cache_creation: { ephemeral_5m_input_tokens: 15, ephemeral_1h_input_tokens: 5 },
    });
    const details = { cacheReadTokens: 100, cacheWriteTokens: 20, cacheWrite1hTokens: 5, reasoningTokens: 40 };
    expect(usageFrom(chat)).toEqual({ promptTokens: 123, completionTokens: 50, totalTokens: 173, details });
  });

  it('is the sum of its iterations', () => {
    const iterations = [
      { ...usage, type: 'compaction' },
      { ...usage, type: 'message', output_tokens: 1, output_tokens_details: null },
      null,
    ];
    expect(whole(anthropicMessage([TEXT], { usage: { ...usage, iterations } })).usage).toMatchObject({
      prompt_tokens: 246,
      completion_tokens: 51,
      completion_tokens_details: { reasoning_tokens: 40 },
    });
  });

  it('of a stream is replaced by later figures, never added; null keeps one', () => {
    const [start, ...rest] = anthropicEvents(anthropicMessage([TEXT], { usage }));
    const later = { input_tokens: null, cache_read_input_tokens: 90, output_tokens: 30 };
    const before = anthropicEvent({ type: 'message_delta', delta: {}, usage: later });
    const last = joined(streamed([start, before, ...rest])).usage;
    expect(last).toMatchObject({ prompt_tokens: 113, completion_tokens: 50, cache_creation_input_tokens: 20, cache_read_input_tokens: 90 });
  });

  it.each([{}, { input_tokens: -1, output_tokens: '7' }, { input_tokens: 1e300, output_tokens: NaN }, { iterations: 'x' }, null])(
    'that lies counts nothing: %j',
    (lying) => {
      const chat = whole(anthropicMessage([TEXT], { usage: lying })).usage as Fields | undefined;
      expect(chat?.total_tokens ?? 0).toBe(0);
    },
  );

  it('is unknown where the server reports none', () => {
    const none = anthropicEvents(anthropicMessage([TEXT])).map((event) => event.replace(/"usage":\{[^}]*\}/, '"usage":null'));
    expect(joined(streamed(none)).usage).toBeUndefined();
    expect(whole({ ...anthropicMessage([TEXT]), usage: undefined }).usage).toBeUndefined();
  });

  it('is left out of a stream that did not ask for it', () => {
    const events = streamed(anthropicEvents(anthropicMessage([TEXT])), 1e9, false);
    expect(events.some((event) => event.usage !== undefined)).toBe(false);
    expect(events.at(-1)).toEqual({ done: true });
  });
});

const word = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' });
const block = fc.oneof(
  word.map((text) => ({ type: 'text', text })),
  word.map((thinking) => ({ type: 'thinking', thinking, signature: 'sig' })),
  fc.constant({ type: 'redacted_thinking', data: 'x' }),
  fc.record({
    type: fc.constant('tool_use'),
    id: fc.uuid(),
    name: fc.constantFrom('a_b', 'get'),
    input: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
  }),
  fc.constantFrom({ type: 'tool_use', id: 'j', name: 'json_tool_call', input: { a: 1 } }, SEARCH, FOUND, {
    type: 'something_new',
    text: 'x',
  }),
);

describe('a streamed answer', () => {
  it('joined is the whole answer, wherever its chunks are cut', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), fc.integer({ min: 1, max: 60 }), (content, size) => {
        const hasCalls = content.some(({ type }) => type === 'tool_use');
        const message = anthropicMessage(content, { stop_reason: hasCalls ? 'tool_use' : 'end_turn' });
        const { choices, usage } = whole(message);
        const stream = joined(streamed(anthropicEvents(message), size));
        expect(JSON.parse(JSON.stringify(stream))).toEqual(
          JSON.parse(JSON.stringify({ message: choices[0].message, finish: choices[0].finish_reason, usage })),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same events wherever its chunks are cut', () => {
    // Each event states the second.
    const clock = jest.spyOn(Date, 'now').mockReturnValue(1_800_000_000_000);
    const events = anthropicEvents(anthropicMessage([THOUGHT, TEXT, CALL, SEARCH, FOUND]));
    const expected = streamed(events);
    for (const size of [1, 2, 3, 7, 64]) expect(streamed(events, size)).toEqual(expected);
    expect(streamed([events.join('').replaceAll('\n', '\r\n')], 3)).toEqual(expected);
    clock.mockRestore();
  });

  it('may have any events: it is translated, or refused with an error', () => {
    const type = fc.constantFrom(
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
      'error',
      'x',
    );
    const inner = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      block,
      fc.record(
        {
          type: fc.constantFrom('text_delta', 'input_json_delta', 'thinking_delta', 'signature_delta', 'citations_delta'),
          text: fc.jsonValue({ maxDepth: 1 }),
          partial_json: fc.jsonValue({ maxDepth: 1 }),
        },
        { requiredKeys: [] },
      ),
    );
    const event = fc.record(
      { type, index: fc.constantFrom(0, 1, 'x'), message: inner, content_block: inner, delta: inner, usage: inner, error: inner },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), (events) => {
        let seen: Fields[];
        try {
          seen = streamed(events.map((each) => anthropicEvent(each as Fields)));
        } catch (error) {
          return expect(error).toBeInstanceOf(Error);
        }
        expect(seen.length === 0 || seen.at(-1)?.done === true || seen.at(-1)?.error !== undefined).toBe(true);
        expect(seen.filter(({ done }) => done === true).length).toBeLessThan(2);
      }),
      { numRuns: 500 },
    );
  });

  it('begins with the role, and has one finish reason and one usage at its end', () => {
    const events = streamed(anthropicEvents(anthropicMessage([TEXT])));
    const choices = events.flatMap((event) => (event.choices ?? []) as { delta: Fields; finish_reason: unknown }[]);
    expect(choices[0].delta).toEqual({ role: 'assistant', content: 'Hello' });
    expect(choices.filter(({ delta }) => delta.role !== undefined)).toHaveLength(1);
    expect(choices.map(({ finish_reason }) => finish_reason).filter((reason) => reason !== null)).toEqual(['stop']);
    expect(events.slice(-2)).toEqual([
      expect.objectContaining({ id: 'msg_1', choices: [], usage: expect.anything() as unknown }),
      { done: true },
    ]);
  });

  it('writes nothing before the first content', () => {
    const reader = translator();
    const [start, ping, block, delta] = anthropicEvents(anthropicMessage([TEXT]));
    expect([start, ping, block].map((event) => reader.chunk(Buffer.from(event)).length)).toEqual([0, 0, 0]);
    expect(reader.chunk(Buffer.from(delta)).length).toBeGreaterThan(0);
  });

  it('passes citations on', () => {
    const [start, ping, block, ...rest] = anthropicEvents(anthropicMessage([TEXT]));
    const cited = anthropicEvent({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'citations_delta', citation: { cited_text: 'x' } },
    });
    const deltas = streamed([start, ping, block, cited, ...rest]).flatMap((event) => (event.choices ?? []) as { delta: Fields }[]);
    expect(deltas.map(({ delta }) => delta.provider_specific_fields).filter(Boolean)).toEqual([{ citation: { cited_text: 'x' } }]);
  });

  it('writes a call whose input came whole, and one without input', () => {
    const start = (input: unknown): string => anthropicEvent({ type: 'content_block_start', index: 1, content_block: { ...CALL, input } });
    const stop = anthropicEvent({ type: 'content_block_stop', index: 1 });
    const end = anthropicEvents(anthropicMessage([])).slice(1);
    for (const [input, json] of [
      [{ a: 1 }, '{"a":1}'],
      [{}, '{}'],
      [undefined, '{}'],
    ] as const) {
      expect((joined(streamed([start(input), stop, ...end])).message.tool_calls as { function: Fields }[])[0].function.arguments).toBe(
        json,
      );
    }
  });

  it("ends with an error event in OpenAI's format, and nothing behind it", () => {
    const events = anthropicEvents(anthropicMessage([TEXT]));
    const error =
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}\n\n';
    const seen = streamed([...events.slice(0, 4), error, ...events.slice(4)]);
    expect(seen.at(-1)).toEqual({ error: { message: 'Overloaded', type: 'overloaded_error', code: null, param: null } });
  });

  it.each([
    ['cut', anthropicEvents(anthropicMessage([TEXT])).slice(0, -1)],
    ['cut before its end', anthropicEvents(anthropicMessage([TEXT])).slice(0, 4)],
    ['empty', []],
    ['broken JSON', ['data: {"type":\n\n']],
    ['no object', ['data: [1]\n\n']],
    [
      'of endless blocks',
      Array.from({ length: 1000 }, (_, index) => anthropicEvent({ type: 'content_block_start', index, content_block: TEXT })),
    ],
    [
      'of an endless input',
      [
        anthropicEvent({ type: 'content_block_start', index: 0, content_block: SEARCH }),
        ...Array.from({ length: 20 }, () =>
          anthropicEvent({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: 'x'.repeat(100_000) } }),
        ),
      ],
    ],
  ])('that is %s is an error', (_, events) => {
    expect(() => streamed(events)).toThrow();
  });

  it.each([
    [{ type: 'content_block_delta', index: 9, delta: { type: 'text_delta', text: 'x' } }],
    [{ type: 'content_block_delta', index: 0, delta: { type: 'new_delta' } }],
    [{ type: 'content_block_delta' }],
    [{ type: 'content_block_stop', index: 9 }],
    [{ type: 'vertex_event' }],
    [{}],
  ])('ignores the unknown event %j', (event) => {
    const events = anthropicEvents(anthropicMessage([TEXT]));
    expect(streamed([...events.slice(0, 3), anthropicEvent(event), ...events.slice(3)])).toEqual(streamed(events));
  });
});
