import { contentAnswerOf } from './answer.js';
import { googleError } from './errors.js';
import { ContentEvents } from './stream.js';

type Json = Record<string, unknown>;
const context = { model: 'asked' };
const wholeOf = (message: Json, more: Json = {}, usage?: Json): Json =>
  contentAnswerOf(
    Buffer.from(JSON.stringify({ id: 'c1', model: 'm', choices: [{ index: 0, message, finish_reason: 'stop', ...more }], usage })),
    context,
  ) as Json;
const partsOf = (message: Json): unknown => ((wholeOf(message).candidates as Json[])[0].content as Json).parts;
const finishOf = (message: Json, finish_reason: unknown): unknown =>
  (wholeOf(message, { finish_reason }).candidates as Json[])[0].finishReason;
const call = (name: string, args: unknown, id = 'call_1'): Json => ({ id, type: 'function', function: { name, arguments: args } });

describe('a whole answer', () => {
  it('has the model and the id of the completion', () => {
    expect(wholeOf({ content: 'Hi' })).toEqual({
      candidates: [{ content: { parts: [{ text: 'Hi' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
      usageMetadata: { promptTokenCount: 0, candidatesTokenCount: 0, totalTokenCount: 0 },
      modelVersion: 'm',
      responseId: 'c1',
    });
  });

  it.each<[string, Json, unknown[]]>([
    ['thoughts before the text', { content: 'Hi', reasoning_content: 'Hm' }, [{ text: 'Hm', thought: true }, { text: 'Hi' }]],
    [
      'signed thoughts',
      {
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hm', signature: 'sig' },
          { type: 'redacted_thinking', data: 'x' },
        ],
      },
      [
        { text: 'Hm', thought: true, thoughtSignature: Buffer.from('thinking:sig').toString('base64') },
        { text: '', thought: true, thoughtSignature: Buffer.from('redacted_thinking:x').toString('base64') },
      ],
    ],
    ['a call', { tool_calls: [call('f', '{"a":1}')] }, [{ functionCall: { id: 'call_1', name: 'f', args: { a: 1 } } }]],
    ['arguments that are cut', { tool_calls: [call('f', '{"a":')] }, [{ functionCall: { id: 'call_1', name: 'f', args: {} } }]],
    ['no call without a name', { content: 'Hi', tool_calls: [call('', '{}')] }, [{ text: 'Hi' }]],
    [
      "the signature in the id of Gemini's call",
      { tool_calls: [call('f', '{}', 'c1__thought__Z2VtaW5p')] },
      [{ functionCall: { id: 'c1', name: 'f', args: {} }, thoughtSignature: 'Z2VtaW5p' }],
    ],
    ['a refusal', { refusal: 'No' }, [{ text: 'No' }]],
    [
      'images',
      { images: [{ image_url: { url: 'data:image/png;base64,AAAA' } }, { image_url: { url: 'https://a.example/b.png' } }] },
      [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }, { fileData: { fileUri: 'https://a.example/b.png' } }],
    ],
    ['sound', { audio: { data: 'AAAA' } }, [{ inlineData: { mimeType: 'audio/wav', data: 'AAAA' } }]],
  ])('has %s', (_, message, parts) => expect(partsOf(message)).toEqual(parts));

  it.each<[unknown, Json, string]>([
    ['stop', { content: 'Hi' }, 'STOP'],
    ['tool_calls', { tool_calls: [call('f', '{}')] }, 'STOP'],
    ['length', { content: 'Hi' }, 'MAX_TOKENS'],
    ['content_filter', { content: 'Hi' }, 'SAFETY'],
    ['stop', { refusal: 'No' }, 'SAFETY'],
    [null, { content: 'Hi' }, 'STOP'],
  ])('ends with the reason of %j', (finish, message, expected) => expect(finishOf(message, finish)).toBe(expected));

  it('counts thoughts apart, and never more than were reported', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18, prompt_tokens_details: { cached_tokens: 4 } };
    const of = (reasoning_tokens: number): unknown =>
      wholeOf({ content: 'a' }, {}, { ...usage, completion_tokens_details: { reasoning_tokens } }).usageMetadata;
    const common = { promptTokenCount: 10, totalTokenCount: 18, cachedContentTokenCount: 4 };
    expect(of(5)).toEqual({ ...common, candidatesTokenCount: 3, thoughtsTokenCount: 5 });
    expect(of(99)).toEqual({ ...common, candidatesTokenCount: 0, thoughtsTokenCount: 8 });
  });

  it('is refused for what is no completion', () => {
    expect(() => contentAnswerOf(Buffer.from('<html>'), context)).toThrow();
  });
});

describe('a streamed answer', () => {
  const chunk = (delta: Json, more: Json = {}): string =>
    JSON.stringify({ id: 'c1', model: 'm', choices: [{ index: 0, delta, finish_reason: null, ...more }] });
  const read = (...data: string[]): Json[] => {
    const events = new ContentEvents(context);
    const written = data.map((each) => events.events({ data: [each] } as never)).join('') + events.end();
    return written.split('\n\n').flatMap((event) => (event === '' ? [] : [JSON.parse(event.replace(/^data: /, '')) as Json]));
  };
  const partsIn = (event: Json): unknown => ((event.candidates as Json[])[0].content as Json).parts;

  it('has an event for each text, and ends with reason and usage', () => {
    const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } });
    const events = read(chunk({ content: 'a' }), chunk({ content: 'b' }), chunk({}, { finish_reason: 'length' }), usage, '[DONE]');
    expect(events.map(partsIn)).toEqual([[{ text: 'a' }], [{ text: 'b' }], [{ text: '' }]]);
    expect(events[2]).toMatchObject({
      candidates: [{ finishReason: 'MAX_TOKENS', index: 0 }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
      modelVersion: 'm',
      responseId: 'c1',
    });
  });

  it('keeps calls until they are whole, also if providers give no index, or the same one', () => {
    const named = (id: string, json: string, index?: number): Json => ({ ...(index !== undefined && { index }), ...call('f', json, id) });
    const rest = (json: string, index?: number): Json => ({ ...(index !== undefined && { index }), function: { arguments: json } });
    for (const places of [
      [0, 1],
      [0, 0],
      [undefined, undefined],
    ] as const) {
      const deltas = [named('c1', '{"a"', places[0]), rest(':1}', places[0]), named('c2', '{"a":', places[1]), rest('2}', places[1])];
      const events = read(...deltas.map((each) => chunk({ tool_calls: [each] })), chunk({}, { finish_reason: 'tool_calls' }), '[DONE]');
      expect(events).toHaveLength(1);
      expect(partsIn(events[0])).toEqual([1, 2].map((a) => ({ functionCall: { id: `c${a}`, name: 'f', args: { a } } })));
    }
  });

  it('has thoughts once if a chunk contains them twice, and their signature', () => {
    const block = { type: 'thinking', thinking: 'Hm' };
    const events = read(
      chunk({ reasoning_content: 'Hm', thinking_blocks: [block] }),
      chunk({ thinking_blocks: [{ type: 'thinking', thinking: '', signature: 'sig' }] }),
      chunk({ content: 'a' }, { finish_reason: 'stop' }),
      '[DONE]',
    );
    const signature = Buffer.from('thinking:sig').toString('base64');
    expect(events.slice(0, 2).map(partsIn)).toEqual([
      [{ text: 'Hm', thought: true }],
      [{ text: '', thought: true, thoughtSignature: signature }],
    ]);
  });

  it('has the candidates of all choices', () => {
    const two = JSON.stringify({ choices: [0, 1].map((index) => ({ index, delta: { content: `${index}` }, finish_reason: 'stop' })) });
    const events = read(two, '[DONE]');
    expect((events[0].candidates as Json[]).map(({ index }) => index)).toEqual([0, 1]);
    expect((events[1].candidates as Json[]).map(({ finishReason }) => finishReason)).toEqual(['STOP', 'STOP']);
  });

  it.each<[string, string[], Json]>([
    ['that is cut', [chunk({ content: 'a' })], { code: 500, status: 'INTERNAL' }],
    ['without any event', [], { code: 500, status: 'INTERNAL' }],
    ['with an event that is not JSON', ['{'], { code: 502, status: 'INTERNAL' }],
    [
      'with an error',
      [JSON.stringify({ error: { message: 'Busy', code: 429 } })],
      { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Busy' },
    ],
  ])('ends with an error of Google for a stream %s', (_, data, error) => expect(read(...data).at(-1)).toMatchObject({ error }));

  it('ends without a marker if each choice has its reason', () => {
    expect(read(chunk({ content: 'a' }, { finish_reason: 'stop' })).at(-1)).toMatchObject({ candidates: [{ finishReason: 'STOP' }] });
  });

  it('writes nothing after its end', () => {
    const events = new ContentEvents(context);
    expect(events.error({ message: 'a', type: 'b', param: null, code: null }, 503)).toContain('"UNAVAILABLE"');
    expect([events.events({ data: [chunk({ content: 'a' })] } as never), events.end(), events.error({} as never, 500)]).toEqual([
      '',
      '',
      '',
    ]);
  });
});

describe('an error in the shape of Google', () => {
  it.each([
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [429, 'RESOURCE_EXHAUSTED'],
    [503, 'UNAVAILABLE'],
    [504, 'DEADLINE_EXCEEDED'],
    [413, 'FAILED_PRECONDITION'],
    [502, 'INTERNAL'],
  ])('has a name for the status %d', (status, name) => {
    expect(googleError(status, { message: 'a' }).error).toEqual({ code: status, message: 'a', status: name });
  });

  it('has code and parameter as details, and a message in any case', () => {
    expect(googleError(400, { message: 'a', code: 'wrong', param: 'contents' }).error.details).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'WRONG', metadata: { param: 'contents' } },
    ]);
    expect(googleError(429, { message: 'a', code: '429' }).error).not.toHaveProperty('details');
    expect(googleError(500, null).error.message).toBe('The request failed.');
  });
});
