import { inspect } from 'node:util';
import fc from 'fast-check';
import { errorAtEnd, openingOf } from '../openai/stream.js';
import { GeminiTranslator } from './stream.js';

type Fields = Readonly<Record<string, unknown>>;

const USAGE = { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 3, totalTokenCount: 18 };
const text = (words: string, more: object = {}): object => ({ text: words, ...more });
const called = (name: string, args?: object, more: object = {}): object => ({ functionCall: { name, ...(args && { args }) }, ...more });
const candidate = (parts: object[] | undefined, more: object = {}): object => ({
  ...(parts && { content: { role: 'model', parts } }),
  ...more,
});
const answer = (parts: object[], more: object = {}): object => ({
  candidates: [candidate(parts, { finishReason: 'STOP', index: 0 })],
  usageMetadata: USAGE,
  modelVersion: 'gemini-2.5-flash-001',
  responseId: 'resp',
  ...more,
});
const sse = (...events: object[]): Buffer => Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(''));

const translatorFor = (includesUsage: boolean): GeminiTranslator => new GeminiTranslator({ model: 'm', includesUsage, hasOneCall: false });
const whole = (value: unknown): Fields =>
  JSON.parse(
    translatorFor(true)
      .whole(Buffer.from(JSON.stringify(value)))
      .toString(),
  ) as Fields;
interface Chunk extends Fields {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: Fields;
    readonly finish_reason: string | null;
    readonly logprobs?: unknown;
  }[];
}

function streamed(bytes: Buffer, cuts: readonly number[] = [], includesUsage = true): string {
  const translator = translatorFor(includesUsage);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces = [0, ...ends].map((from, at) => bytes.subarray(from, [...ends, bytes.length][at]));
  return Buffer.concat([...pieces.map((piece) => translator.chunk(piece)), translator.end()]).toString();
}

const chunksOf = (events: string): Chunk[] =>
  events
    .split('\n\n')
    .filter((event) => event !== '' && event !== 'data: [DONE]')
    .map((event) => JSON.parse(event.slice('data: '.length)) as Chunk);

/** As a client joins them. */
function joined(chunks: readonly Chunk[]): Fields {
  const choices: Record<string, unknown>[] = [];
  for (const { choices: parts } of chunks) {
    for (const { index, delta, finish_reason } of parts) {
      const choice = (choices[index] ??= { index, message: { content: null }, finish_reason: null });
      const message = choice.message as Record<string, unknown>;
      for (const [name, value] of Object.entries(delta)) {
        if (typeof value === 'string' && name !== 'role') message[name] = `${(message[name] as string | null | undefined) ?? ''}${value}`;
        else if (Array.isArray(value))
          message[name] = [
            ...((message[name] as unknown[] | undefined) ?? []),
            ...value.map((each) => ({ ...each, index: undefined }) as unknown),
          ];
        else message[name] = value;
      }
      choice.finish_reason ??= finish_reason;
    }
  }
  return { choices, usage: chunks.at(-1)?.usage };
}

/** Without what is random. */
const settled = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replace(/call_[0-9a-f]{24}/g, 'call'));

describe('a whole answer', () => {
  it('is a chat completion', () => {
    expect(whole(answer([text('think', { thought: true }), text('Hel'), text('lo')]))).toEqual({
      id: 'resp',
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'gemini-2.5-flash-001',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', reasoning_content: 'think' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18, completion_tokens_details: { reasoning_tokens: 3 } },
    });
  });

  it.each<[string, object[], Fields, string]>([
    [
      'a call',
      [called('f', { a: 1 })],
      { content: null, tool_calls: [{ id: 'call', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }] },
      'tool_calls',
    ],
    [
      'a call without arguments',
      [called('f')],
      { content: null, tool_calls: [{ id: 'call', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      'tool_calls',
    ],
    [
      'a signed call',
      [called('f', {}, { thoughtSignature: 'sig' })],
      {
        content: null,
        tool_calls: [
          {
            id: 'call__thought__sig',
            type: 'function',
            function: { name: 'f', arguments: '{}' },
            provider_specific_fields: { thought_signature: 'sig' },
          },
        ],
      },
      'tool_calls',
    ],
    [
      "Gemini's own id",
      [{ functionCall: { name: 'f', id: 'own' } }],
      { content: null, tool_calls: [{ id: 'own', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      'tool_calls',
    ],
    [
      'a signed text',
      [text('a', { thoughtSignature: 'sig' })],
      { content: 'a', provider_specific_fields: { thought_signatures: ['sig'] } },
      'stop',
    ],
    [
      'an image',
      [text('a'), { inlineData: { mimeType: 'image/png', data: 'AA==' } }],
      { content: 'a', images: [{ type: 'image_url', index: 0, image_url: { url: 'data:image/png;base64,AA==', detail: 'auto' } }] },
      'stop',
    ],
    [
      'sound',
      [{ inlineData: { mimeType: 'audio/L16', data: 'AA==' } }],
      { content: null, audio: { data: 'AA==', transcript: '' } },
      'stop',
    ],
    ['another file', [{ inlineData: { mimeType: 'text/csv', data: 'AA==' } }], { content: 'data:text/csv;base64,AA==' }, 'stop'],
    ['nothing', [], { content: null }, 'stop'],
  ])('may hold %s', (_, parts, message, finish) => {
    const { choices } = settled(whole(answer(parts))) as { choices: unknown };
    expect(choices).toEqual([{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }]);
  });

  it.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['LANGUAGE', 'content_filter'],
    ['BLOCKLIST', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['SPII', 'content_filter'],
    ['OTHER', 'content_filter'],
    ['IMAGE_SAFETY', 'content_filter'],
    ['IMAGE_OTHER', 'content_filter'],
    ['NO_IMAGE', 'content_filter'],
    ['MALFORMED_FUNCTION_CALL', 'length'],
    ['TOO_MANY_TOOL_CALLS', 'length'],
    ['UNEXPECTED_TOOL_CALL', 'length'],
    ['MALFORMED_SOMETHING_NEW', 'length'],
    ['SOMETHING_NEW', 'stop'],
    ['toString', 'stop'],
  ])('that ended by %s has the finish reason %s', (finishReason, finish) => {
    expect(whole({ candidates: [candidate([text('a')], { finishReason })] })).toMatchObject({ choices: [{ finish_reason: finish }] });
  });

  it('to a blocked prompt is a content filter', () => {
    const blocked = { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 } };
    expect(whole(blocked)).toMatchObject({
      choices: [{ index: 0, message: { content: null }, finish_reason: 'content_filter' }],
      usage: { prompt_tokens: 4, completion_tokens: 0 },
    });
    expect(joined(chunksOf(streamed(sse(blocked))))).toMatchObject({
      choices: [{ finish_reason: 'content_filter' }],
      usage: { prompt_tokens: 4 },
    });
  });

  it('has several candidates and log probabilities', () => {
    const logprobsResult = {
      chosenCandidates: [{ token: 'a', logProbability: -1 }],
      topCandidates: [{ candidates: [{ token: 'b', logProbability: -2 }] }],
    };
    const two = {
      candidates: [
        candidate([text('a')], { finishReason: 'STOP', logprobsResult }),
        candidate([text('b')], { index: 1, finishReason: 'MAX_TOKENS' }),
      ],
    };
    const logprobs = { content: [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [{ token: 'b', logprob: -2, bytes: null }] }] };
    expect(whole(two)).toMatchObject({
      choices: [
        { index: 0, message: { content: 'a' }, logprobs },
        { index: 1, message: { content: 'b' }, finish_reason: 'length' },
      ],
    });
    const chunks = chunksOf(streamed(sse(two)));
    expect(chunks.flatMap(({ choices }) => choices).map(({ index, delta }) => [index, delta.role])).toEqual([
      [0, 'assistant'],
      [1, 'assistant'],
      [0, undefined],
      [1, undefined],
    ]);
    expect(chunks[0].choices[0].logprobs).toEqual(logprobs);
  });

  it.each<[string, object, object]>([
    ['thoughts beside the answer', USAGE, { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18 }],
    ['thoughts within the answer', { ...USAGE, candidatesTokenCount: 8 }, { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18 }],
    ['cached input', { ...USAGE, cachedContentTokenCount: 6 }, { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 6 } }],
    [
      'input of tools',
      { ...USAGE, toolUsePromptTokenCount: 2, totalTokenCount: 20 },
      { prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 },
    ],
    ['a total that is too small', { ...USAGE, totalTokenCount: 1 }, { total_tokens: 18 }],
    [
      'figures that are none',
      { promptTokenCount: 5, candidatesTokenCount: 'many', thoughtsTokenCount: -3, totalTokenCount: null },
      { prompt_tokens: 5, completion_tokens: 0, total_tokens: 5 },
    ],
  ])('counts %s', (_, usageMetadata, usage) => {
    expect(whole(answer([text('a')], { usageMetadata }))).toMatchObject({ usage });
  });

  it('counts searches, but not their results as input', () => {
    const grounded = {
      candidates: [candidate([text('a')], { finishReason: 'STOP', groundingMetadata: { webSearchQueries: ['q', 'r'] } })],
      usageMetadata: { ...USAGE, toolUsePromptTokenCount: 2, totalTokenCount: 20 },
    };
    expect(whole(grounded)).toMatchObject({
      usage: { prompt_tokens: 10, prompt_tokens_details: { web_search_requests: 2 } },
      choices: [{ message: { provider_specific_fields: { grounding_metadata: { webSearchQueries: ['q', 'r'] } } } }],
    });
    expect(joined(chunksOf(streamed(sse(grounded))))).toMatchObject({
      usage: { prompt_tokens: 10, prompt_tokens_details: { web_search_requests: 2 } },
    });
  });

  it.each<[string, string]>([
    ['no JSON', 'hello'],
    ['no candidates', '{}'],
    ['null', 'null'],
    ['a list without an error', '[{}]'],
  ])('that is %s is malformed', (_, body) => {
    expect(() => translatorFor(true).whole(Buffer.from(body))).toThrow();
  });
});

describe('an error in the place of an answer', () => {
  const error = {
    code: 429,
    message: 'Quota',
    status: 'RESOURCE_EXHAUSTED',
    details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2.5s' }],
  };
  const openAIs = {
    message: 'Quota',
    type: 'invalid_request_error',
    param: null,
    code: '429',
    status: 'RESOURCE_EXHAUSTED',
    details: [{ '@type': 'google.rpc.RetryInfo', retryDelay: '2.5s' }],
  };

  it.each([
    ['alone', { error }],
    ['in a list', [{ error }]],
  ])("of status 200, %s, is one in OpenAI's format", (_, body) => {
    expect(whole(body)).toEqual({ error: openAIs });
  });

  it('begins or ends a stream, which says no more', () => {
    const first = streamed(sse({ error }, answer([text('late')])));
    expect(openingOf(Buffer.from(first))).toEqual({ error: JSON.stringify({ error: openAIs }) });
    const late = streamed(sse({ candidates: [candidate([text('a')])] }, { error }));
    expect(errorAtEnd(Buffer.from(late))).toBe(JSON.stringify({ error: openAIs }));
    expect(first + late).not.toContain('[DONE]');
  });

  it.each(['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS', 'MISSING_THOUGHT_SIGNATURE', 'MALFORMED_RESPONSE'])(
    'stands for %s without content',
    (finishReason) => {
      const astray = { candidates: [candidate(undefined, { finishReason })], usageMetadata: USAGE };
      const error = {
        message: `The model returned no answer (finish reason ${finishReason}).`,
        type: 'server_error',
        param: null,
        code: '500',
      };
      expect(whole(astray)).toEqual({ error });
      expect(openingOf(Buffer.from(streamed(sse(astray))))).toEqual({ error: JSON.stringify({ error }) });
    },
  );
});

describe('a stream', () => {
  const events = [
    {
      candidates: [candidate([text('think', { thought: true })])],
      usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 },
      responseId: 'resp',
      modelVersion: 'v',
    },
    { candidates: [candidate([text('Hel')])] },
    { candidates: [candidate([text('lo 🌍'), called('f', { a: 1 })])] },
    { candidates: [candidate([called('g', {}, { thoughtSignature: 's' })])], usageMetadata: { candidatesTokenCount: 2 } },
    { candidates: [candidate([text('')], { finishReason: 'STOP' })], usageMetadata: { ...USAGE, cachedContentTokenCount: 6 } },
  ];

  it('is chat completion chunks', () => {
    const chunks = chunksOf(streamed(sse(...events)));
    expect(settled(chunks.map(({ choices }) => choices[0]))).toEqual([
      { index: 0, delta: { role: 'assistant', reasoning_content: 'think' }, finish_reason: null },
      { index: 0, delta: { content: 'Hel' }, finish_reason: null },
      {
        index: 0,
        delta: {
          content: 'lo 🌍',
          tool_calls: [{ index: 0, id: 'call', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
        },
        finish_reason: null,
      },
      {
        index: 0,
        delta: {
          tool_calls: [
            {
              index: 1,
              id: 'call__thought__s',
              type: 'function',
              function: { name: 'g', arguments: '{}' },
              provider_specific_fields: { thought_signature: 's' },
            },
          ],
        },
        finish_reason: null,
      },
      { index: 0, delta: {}, finish_reason: 'tool_calls' },
      null,
    ]);
    expect(chunks.every(({ id, model }) => id === 'resp' && model === 'v')).toBe(true);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18, prompt_tokens_details: { cached_tokens: 6 } },
    });
  });

  it('has no usage where it is not asked for', () => {
    expect(streamed(sse(...events), [], false)).not.toContain('usage');
  });

  it('says nothing before the first content', () => {
    const translator = translatorFor(true);
    expect(translator.chunk(sse({ usageMetadata: USAGE, responseId: 'r' }, { candidates: [candidate([text('')])] })).length).toBe(0);
    expect(translator.chunk(sse({ candidates: [candidate([text('a')])] })).length).toBeGreaterThan(0);
  });

  it.each<[string, Buffer]>([
    ['was cut before its finish reason', sse(...events.slice(0, 3))],
    ['was cut within an event', sse(...events).subarray(0, -4)],
    ['is empty', Buffer.alloc(0)],
    ['has no candidates', sse({ usageMetadata: USAGE })],
    ['has an event that is no JSON', Buffer.from('data: {"candid\n\n')],
    ['has an event that is a list', Buffer.from('data: []\n\n')],
    ['has too many candidates', sse(...Array.from({ length: 100 }, (_, index) => ({ candidates: [candidate([text('a')], { index })] })))],
  ])('that %s is an error', (_, bytes) => expect(() => streamed(bytes)).toThrow());

  it.each<[string, unknown]>([
    [
      'parts that are none',
      {
        candidates: [
          { content: { parts: [null, 5, 'a', { text: 5 }, { inlineData: null }, { inlineData: { mimeType: 5 } }] }, finishReason: 'STOP' },
        ],
      },
    ],
    ['a content that is none', { candidates: [{ content: 'hello', finishReason: 'STOP' }] }],
    ['indexes that are none', { candidates: [{ content: { parts: [text('a')] }, index: -1, finishReason: 'STOP' }] }],
    ['a usage that is none', { candidates: [{ content: { parts: [text('a')] }, finishReason: 'STOP' }], usageMetadata: 'many' }],
  ])('bears %s', (_, event) => {
    expect(whole(event)).toHaveProperty('choices.0.finish_reason', 'stop');
    expect(joined(chunksOf(streamed(sse(event as object))))).toHaveProperty('choices.0.finish_reason', 'stop');
  });

  it('keeps no bytes that were forwarded', () => {
    const translator = translatorFor(true);
    const event = sse({
      candidates: [candidate([text('x'.repeat(1000)), called('f', { a: 'x'.repeat(1000) })])],
      usageMetadata: { [`k${'x'.repeat(50)}`]: 1 },
    });
    const size = (): number => inspect(translator, { depth: 6, maxStringLength: null, maxArrayLength: null }).length;
    translator.chunk(event);
    const before = size();
    for (let at = 0; at < 500; at++) translator.chunk(event);
    expect(translator.pending).toBe(0);
    expect(size()).toBeLessThan(before + 100);
  });

  const part = fc.oneof(
    fc.record({ text: fc.string({ unit: 'grapheme' }) }),
    fc.record({ text: fc.string(), thought: fc.constant(true) }),
    fc.record({
      functionCall: fc.record({ name: fc.string(), args: fc.dictionary(fc.string(), fc.jsonValue()) }),
      thoughtSignature: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
    }),
    fc.record({ inlineData: fc.record({ mimeType: fc.constant('image/png'), data: fc.base64String() }) }),
  );
  const parts = fc.array(fc.array(part, { maxLength: 4 }), { minLength: 1, maxLength: 6 });
  const cuts = fc.array(fc.nat(), { maxLength: 12 });

  it('joins to the whole answer, wherever its bytes are cut', () => {
    fc.assert(
      fc.property(parts, fc.constantFrom('STOP', 'MAX_TOKENS', 'SAFETY'), cuts, (groups, finishReason, at) => {
        const bytes = sse(
          ...groups.map((group) => ({
            candidates: [candidate(group)],
            responseId: 'resp',
            usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 },
          })),
          { candidates: [candidate(undefined, { finishReason })], usageMetadata: USAGE },
        );
        const { choices, usage } = whole({ candidates: [candidate(groups.flat(), { finishReason })], usageMetadata: USAGE }) as {
          choices: { message: Fields }[];
          usage: unknown;
        };
        const stream = joined(chunksOf(streamed(bytes, at))) as { choices: { message: Fields }[]; usage: unknown };
        const message = (of: { choices: { message: Fields }[] }): unknown => {
          // What a client replaces, not joins.
          const { images, content, ...others } = { ...of.choices[0].message, provider_specific_fields: undefined } as Fields;
          return settled({
            ...others,
            content: content === '' ? null : content,
            images: (images as { image_url: unknown }[] | undefined)?.map(({ image_url }) => image_url),
          });
        };
        expect(message(stream)).toEqual(message({ choices }));
        expect(stream.usage).toEqual(usage);
        expect(stream.choices[0]).toMatchObject({ finish_reason: (choices[0] as unknown as { finish_reason: string }).finish_reason });
      }),
    );
  });

  it('gives the same events wherever its bytes are cut', () => {
    fc.assert(
      fc.property(cuts, (at) => {
        const now = (events: string): unknown => settled(chunksOf(events).map((chunk) => ({ ...chunk, created: 0 })));
        expect(now(streamed(sse(...events), at))).toEqual(now(streamed(sse(...events))));
      }),
    );
  });
});
