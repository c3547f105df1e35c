import fc from 'fast-check';
import { bedrockEvent as event, bedrockException as exception, bedrockStream } from '../../../test/support/bedrock-frames.js';
import type { AnswerContext } from './answer.js';
import { ConverseAnswer } from './stream.js';
import { ToolNames } from './tool-names.js';

type Fields = Record<string, unknown>;
interface Delta {
  content?: string;
  reasoning_content?: string;
  thinking_blocks?: { type: string; thinking?: string; signature?: string; index: number }[];
  tool_calls?: { index: number; id?: string; function: { name?: string; arguments: string } }[];
}
interface Chunk {
  choices: { delta: Delta; finish_reason: string | null }[];
  usage?: Fields;
  error?: Fields;
}

const names = new ToolNames();
names.sent('weather.now');
const context = (more: Partial<AnswerContext> = {}): AnswerContext => ({
  model: 'claude',
  names,
  hasJsonTool: false,
  hasOneCall: false,
  includesUsage: true,
  ...more,
});
const translator = (more: Partial<AnswerContext> = {}): ConverseAnswer => new ConverseAnswer(context(more));

/** The events that a stream is translated to. */
function stream(bytes: Buffer, cuts: readonly number[] = [], more: Partial<AnswerContext> = {}): { chunks: Chunk[]; isDone: boolean } {
  const answer = translator(more);
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  const written = places.slice(1).map((end, at) => answer.chunk(bytes.subarray(places[at], end)).toString());
  const events = (written.join('') + answer.end().toString()).split('\n\n').filter((text) => text !== '');
  const data = events.map((text) => text.slice('data: '.length));
  return { chunks: data.filter((text) => text !== '[DONE]').map((text) => JSON.parse(text) as Chunk), isDone: data.at(-1) === '[DONE]' };
}

/** What a client makes of a stream. */
function joined(chunks: readonly Chunk[]): Fields {
  const calls: { id?: string; type: string; function: { name?: string; arguments: string } }[] = [];
  const message: Delta = {};
  const thinking: Fields[] = [];
  for (const { delta } of chunks.flatMap(({ choices }) => choices)) {
    if (delta.content !== undefined) message.content = (message.content ?? '') + delta.content;
    if (delta.reasoning_content !== undefined) message.reasoning_content = (message.reasoning_content ?? '') + delta.reasoning_content;
    for (const { index, thinking: part = '', signature, ...rest } of delta.thinking_blocks ?? []) {
      if (rest.type === 'redacted_thinking') thinking[index] = rest;
      else {
        const before = (thinking[index] ?? { type: 'thinking', thinking: '' }) as { type: string; thinking: string };
        thinking[index] = { ...before, thinking: before.thinking + part, ...(signature !== undefined && { signature }) };
      }
    }
    for (const {
      index,
      id,
      function: { name, arguments: text },
    } of delta.tool_calls ?? []) {
      if (id !== undefined) calls[index] = { id, type: 'function', function: { name, arguments: '' } };
      calls[index].function.arguments += text;
    }
  }
  return {
    role: 'assistant',
    content: message.content ?? (calls.length > 0 ? null : ''),
    refusal: null,
    ...(message.reasoning_content !== undefined && { reasoning_content: message.reasoning_content }),
    ...(thinking.length > 0 && { thinking_blocks: thinking }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

const whole = (
  answer: Fields,
  more: Partial<AnswerContext> = {},
): { choices: { message: Fields; finish_reason: string }[]; usage: Fields } =>
  JSON.parse(
    translator(more)
      .whole(Buffer.from(JSON.stringify(answer)))
      .toString(),
  ) as never;
const usage = { inputTokens: 10, outputTokens: 5, totalTokens: 15 };
const answerOf = (content: readonly Fields[], stopReason = 'end_turn', more: Fields = {}): Fields => ({
  output: { message: { role: 'assistant', content } },
  stopReason,
  usage,
  ...more,
});
const call = (input: unknown, name = 'weather_now', toolUseId = 'tooluse_1'): Fields => ({ toolUse: { toolUseId, name, input } });

describe('a whole answer', () => {
  it('becomes a chat completion', () => {
    const redactedContent = Buffer.from('EmwK').toString('base64');
    const answer = answerOf(
      [
        { reasoningContent: { reasoningText: { text: 'Hm', signature: 's' } } },
        { reasoningContent: { redactedContent } },
        { text: 'Let me ' },
        { text: 'see.' },
        call({ city: 'Köln' }),
        call({}, 'f', 'tooluse_2'),
      ],
      'tool_use',
    );
    expect(whole(answer)).toMatchObject({
      object: 'chat.completion',
      model: 'claude',
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: 'Let me see.',
            reasoning_content: 'Hm',
            thinking_blocks: [
              { type: 'thinking', thinking: 'Hm', signature: 's' },
              { type: 'redacted_thinking', data: 'EmwK' },
            ],
            tool_calls: [
              { id: 'tooluse_1', type: 'function', function: { name: 'weather.now', arguments: '{"city":"Köln"}' } },
              { id: 'tooluse_2', type: 'function', function: { name: 'f', arguments: '{}' } },
            ],
          },
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    });
  });

  it.each<[string, Fields[], string, string]>([
    ['end_turn', [{ text: 'x' }], 'end_turn', 'stop'],
    ['stop_sequence', [{ text: 'x' }], 'stop_sequence', 'stop'],
    ['max_tokens', [{ text: 'x' }], 'max_tokens', 'length'],
    ['max_tokens within a call', [call({})], 'max_tokens', 'length'],
    ['a full context', [{ text: 'x' }], 'model_context_window_exceeded', 'length'],
    ['a guardrail', [{ text: 'x' }], 'guardrail_intervened', 'content_filter'],
    ['a filter', [], 'content_filtered', 'content_filter'],
    ['a refusal', [], 'refusal', 'content_filter'],
    ['malformed output', [{ text: 'x' }], 'malformed_model_output', 'length'],
    ['an end with a call', [call({})], 'end_turn', 'tool_calls'],
    ['an unknown reason', [{ text: 'x' }], 'toString', 'stop'],
  ])('ends by %s, as its stream does', (_, content, stopReason, finish) => {
    const answer = answerOf(content, stopReason);
    expect(whole(answer).choices[0].finish_reason).toBe(finish);
    const { chunks } = stream(Buffer.concat(bedrockStream(answer)));
    expect(chunks.flatMap(({ choices }) => choices.map(({ finish_reason }) => finish_reason)).filter((reason) => reason !== null)).toEqual([
      finish,
    ]);
  });

  it('counts cached tokens as part of the prompt, and thinking as part of the answer', () => {
    const cached = {
      ...usage,
      cacheReadInputTokens: 100,
      cacheWriteInputTokens: 30,
      cacheDetails: [
        { ttl: '1h', inputTokens: 20 },
        { ttl: '5m', inputTokens: 10 },
      ],
    };
    const more = { usage: cached, additionalModelResponseFields: { usage: { output_tokens_details: { thinking_tokens: 4 } } } };
    const expected = {
      prompt_tokens: 140,
      completion_tokens: 5,
      total_tokens: 145,
      prompt_tokens_details: { cached_tokens: 100, cache_creation_tokens: 30 },
      completion_tokens_details: { reasoning_tokens: 4 },
      cache_read_input_tokens: 100,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
    };
    expect(whole(answerOf([], 'end_turn', more)).usage).toEqual(expected);
    expect(stream(Buffer.concat(bedrockStream(answerOf([], 'end_turn', more)))).chunks.at(-1)?.usage).toEqual(expected);
  });

  it('takes figures that are none for 0', () => {
    const lying = { inputTokens: -5, outputTokens: '7', cacheReadInputTokens: null, cacheDetails: [null] };
    const usageOf = (usage: object): unknown => whole(answerOf([], 'end_turn', { usage })).usage;
    expect(usageOf({ ...lying, inputTokens: 3 })).toEqual({ prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 });
    // A usage of zeros would make the answer free.
    expect(usageOf(lying)).toBeUndefined();
  });

  it('has the structured output as its content', () => {
    const answer = answerOf([{ text: 'Here: ' }, call({ a: [1] }, 'json_tool_call')], 'tool_use');
    expect(whole(answer, { hasJsonTool: true }).choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '{"a":[1]}' } });
    const { chunks } = stream(Buffer.concat(bedrockStream(answer)), [], { hasJsonTool: true });
    expect(joined(chunks)).toEqual({ role: 'assistant', content: '{"a":[1]}', refusal: null });
    const text = answerOf([{ text: 'No.' }]);
    expect(joined(stream(Buffer.concat(bedrockStream(text)), [], { hasJsonTool: true }).chunks).content).toBe('No.');
  });

  it('leaves calls of the service’s own tools out', () => {
    const answer = answerOf([{ toolUse: { toolUseId: 'a', name: 'nova_grounding', input: {}, type: 'server_tool_use' } }, { text: 'Hi' }]);
    expect(whole(answer).choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Hi' } });
    expect(joined(stream(Buffer.concat(bedrockStream(answer))).chunks)).toEqual(whole(answer).choices[0].message);
  });

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no message', '{"output":{}}'],
    ['content that is no list', '{"output":{"message":{"content":{}}}}'],
    ['a call without a name', '{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a"}}]}}}'],
  ])('is refused where it is %s', (_, answer) => {
    expect(() => translator().whole(Buffer.from(answer))).toThrow();
  });

  it('of a deeply nested input is refused', () => {
    const deep = `{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a","name":"f","input":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}]}}}`;
    expect(() => translator().whole(Buffer.from(deep))).toThrow();
  });

  it('of an exception states it', () => {
    const exceptions = [
      '{"__type":"com.amazon.coral#ThrottlingException","message":"slow"}',
      '{"Output":{"__type":"ThrottlingException","message":"slow"}}',
    ];
    for (const body of exceptions) {
      const { error } = JSON.parse(translator().whole(Buffer.from(body)).toString()) as { error: Fields };
      expect(error).toEqual({ message: 'slow', type: 'ThrottlingException', code: '429' });
    }
  });
});

describe('a stream', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 });
  const block = fc.oneof(
    text.map((value): Fields => ({ text: value })),
    fc
      .tuple(fc.dictionary(fc.string({ maxLength: 5 }), text), fc.constantFrom('weather_now', 'f'))
      .map(([input, name]) => call(input, name)),
    fc
      .tuple(text, fc.stringMatching(/^[a-z=]{1,9}$/))
      .map(([value, signature]): Fields => ({ reasoningContent: { reasoningText: { text: value, signature } } })),
    fc.constant<Fields>({ reasoningContent: { redactedContent: Buffer.from('EmwK').toString('base64') } }),
  );
  const content = fc
    .array(block, { maxLength: 6 })
    .map((blocks) =>
      blocks.map((each, at): Fields =>
        each.toolUse === undefined ? each : { toolUse: { ...(each.toolUse as Fields), toolUseId: `t${at}` } },
      ),
    );

  it('says the same as the whole answer, wherever it is cut', () => {
    fc.assert(
      fc.property(
        content,
        fc.constantFrom('end_turn', 'tool_use', 'max_tokens'),
        fc.array(fc.nat(3000), { maxLength: 40 }),
        (blocks, reason, cuts) => {
          const answer = answerOf(blocks, reason);
          const bytes = Buffer.concat(bedrockStream(answer));
          const { chunks, isDone } = stream(
            bytes,
            cuts.filter((cut) => cut < bytes.length),
          );
          const { choices, usage: counted } = whole(answer);
          expect(joined(chunks)).toEqual(choices[0].message);
          expect(chunks.findLast(({ choices: [choice] }) => choice !== undefined)?.choices[0].finish_reason).toBe(choices[0].finish_reason);
          expect([chunks.at(-1)?.usage, isDone]).toEqual([counted, true]);
        },
      ),
    );
  });

  it('writes nothing before the first content', () => {
    const answer = translator();
    expect(answer.chunk(event('messageStart', { role: 'assistant' }))).toHaveLength(0);
    expect(answer.chunk(event('initial-response', {}))).toHaveLength(0);
    expect(answer.chunk(event('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'H' } })).toString()).toContain(
      '"role":"assistant","content":"H"',
    );
  });

  it('has no usage where none was asked for', () => {
    const { chunks, isDone } = stream(Buffer.concat(bedrockStream(answerOf([{ text: 'x' }]))), [], { includesUsage: false });
    expect([chunks.some(({ usage: counted }) => counted !== undefined), isDone]).toEqual([false, true]);
  });

  it('ends without metadata', () => {
    const events = bedrockStream(answerOf([{ text: 'Hi' }])).slice(0, -1);
    const { chunks, isDone } = stream(Buffer.concat(events));
    expect([joined(chunks).content, isDone]).toEqual(['Hi', true]);
  });

  it.each<[string, (events: Buffer[]) => Buffer[]]>([
    ['without messageStop', (events) => events.slice(0, -2)],
    ['within a frame', ([first, second]) => [first, second.subarray(0, 20)]],
    ['empty', () => []],
  ])('that was cut is refused: %s', (_, cut) => {
    expect(() => stream(Buffer.concat(cut(bedrockStream(answerOf([{ text: 'Hello' }])))))).toThrow('ended before messageStop');
  });

  it.each<[string, string, string]>([
    ['throttlingException', 'Too many requests', '429'],
    ['serviceUnavailableException', 'Busy', '503'],
    ['internalServerException', 'Oh', '500'],
    ['modelStreamErrorException', 'Oh', '424'],
    ['validationException', 'Input is too long for requested model.', '400'],
    ['modelTimeoutException', 'Slow', '408'],
    ['somethingNewException', 'New', '500'],
  ])('states %s and ends with it', (type, message, code) => {
    const bytes = Buffer.concat([
      event('contentBlockDelta', { delta: { text: 'H' } }),
      exception(type, message),
      event('contentBlockDelta', { delta: { text: 'x' } }),
    ]);
    const { chunks } = stream(bytes);
    expect(chunks).toHaveLength(2);
    expect(chunks[1].error).toMatchObject({ message, type, code });
  });

  it.each<[string, Buffer]>([
    ['no object', event('contentBlockDelta', [])],
    ['a call without an id', event('contentBlockStart', { contentBlockIndex: 0, start: { toolUse: { name: 'f' } } })],
    [
      'input must follow the start of a tool call',
      event('contentBlockDelta', { contentBlockIndex: 3, delta: { toolUse: { input: '{' } } }),
    ],
    [
      'more open calls than an answer has',
      Buffer.concat(
        Array.from({ length: 300 }, (_, at) =>
          event('contentBlockStart', { contentBlockIndex: at, start: { toolUse: { toolUseId: 'a', name: 'f' } } }),
        ),
      ),
    ],
  ])('is refused for %s', (_, bytes) => {
    expect(() => translator().chunk(bytes)).toThrow();
  });

  it('counts the bytes that it holds back, so that the exchange can limit them', () => {
    const answer = translator({ hasJsonTool: true });
    const piece = event('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'x'.repeat(1000) } });
    for (let sent = 0; sent < 10; sent++) answer.chunk(piece);
    expect(answer.pending).toBe(10_000);
  });

  it('takes unknown events and blocks for nothing', () => {
    const odd = [
      event('contentBlockStart', { contentBlockIndex: 0, start: { image: { format: 'png' } } }),
      event('contentBlockDelta', { contentBlockIndex: 0, delta: { image: {} } }),
      event('contentBlockDelta', { contentBlockIndex: 'a' }),
      event('contentBlockStop', { contentBlockIndex: 9 }),
      event('somethingNew', { a: 1 }),
    ];
    const bytes = Buffer.concat([...odd, ...bedrockStream(answerOf([{ text: 'Hi' }]))]);
    expect(joined(stream(bytes).chunks).content).toBe('Hi');
  });
});
