import { sentRequest } from '../../../test/support/sent-requests.js';
import { contentsOf, type GeminiContents } from './contents.js';
import { geminiModel } from './models.js';

const THREE = 'gemini-3-pro-preview';
const SKIPPED = Buffer.from('skip_thought_signature_validator').toString('base64');
const PNG = 'data:image/png;base64,iVBORw0=';

function translated(messages: unknown, model = 'gemini-2.5-flash', provider = 'gemini'): GeminiContents {
  const sent = sentRequest({ messages }, { model, provider });
  return contentsOf(messages, { sent, model: geminiModel(model), isVertex: provider === 'vertex_ai' });
}

const call = (id: string, name: string, more: object = {}): object => ({
  id,
  type: 'function',
  function: { name, arguments: '{"a":1}' },
  ...more,
});
const user = (...parts: unknown[]): object => ({ role: 'user', parts });
const model = (...parts: unknown[]): object => ({ role: 'model', parts });
const text = (words: string): object => ({ text: words });

describe('messages', () => {
  it.each<[string, unknown[], object[]]>([
    [
      'runs of a role',
      [
        { role: 'user', content: 'a' },
        { role: 'user', content: [{ type: 'text', text: 'b' }] },
        { role: 'assistant', content: 'c' },
        { role: 'assistant', content: 'd' },
      ],
      [user(text('a'), text('b')), model(text('c'), text('d'))],
    ],
    ['an empty text', [{ role: 'user', content: '' }], [user(text(' '))]],
    [
      'an assistant that said nothing',
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: null },
        { role: 'user', content: 'b' },
      ],
      [user(text('a'), text('b'))],
    ],
    [
      'an image alone',
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: PNG } }] }],
      [user({ inlineData: { mimeType: 'image/png', data: 'iVBORw0=' } }, text(' '))],
    ],
    ['thoughts', [{ role: 'assistant', reasoning_content: 'hm', content: 'a' }], [model({ thought: true, text: 'hm' }, text('a'))]],
    ['a refusal', [{ role: 'assistant', content: [{ type: 'refusal', refusal: 'no' }] }], [model(text('no'))]],
    [
      'images that the model made',
      [{ role: 'assistant', content: 'a', images: [{ type: 'image_url', image_url: { url: PNG } }] }],
      [model(text('a'), { inlineData: { mimeType: 'image/png', data: 'iVBORw0=' } })],
    ],
    [
      'the signature of a text',
      [{ role: 'assistant', content: 'a', provider_specific_fields: { thought_signatures: ['sig'] } }],
      [model({ text: 'a', thoughtSignature: 'sig' })],
    ],
  ])('translates %s', (_, messages, contents) => {
    expect(translated(messages).contents).toEqual(contents);
  });

  it('collects instructions, and asks something where there are only these', () => {
    const messages = [
      { role: 'system', content: 'a' },
      {
        role: 'developer',
        content: [
          { type: 'text', text: 'b' },
          { type: 'text', text: 'c' },
        ],
      },
    ];
    expect(translated(messages)).toEqual({
      contents: [user(text('.'))],
      systemInstruction: { parts: [text('a'), text('bc')] },
      mediaResolution: undefined,
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['no list', 'hello', /^messages: must be a non-empty array/],
    ['no messages', [], /^messages: must be a non-empty array/],
    ['an unknown role', [{ role: 'robot', content: 'a' }], /^messages\[0\]\.role: must be/],
    ['null', [null], /^messages\[0\]\.role/],
    ['a number as content', [{ role: 'user', content: 5 }], /^messages\[0\]\.content: must be/],
    [
      'an unknown part',
      [{ role: 'user', content: [{ type: 'hologram' }] }],
      /^messages\[0\]\.content\[0\]\.type is not supported: hologram/,
    ],
    [
      'arguments that are no JSON',
      [{ role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{' } }] }],
      /^messages\[0\]\.tool_calls\[0\]\.function\.arguments: must be a JSON object/,
    ],
    [
      'arguments that are a list',
      [{ role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '[]' } }] }],
      /must be a JSON object/,
    ],
    [
      'a call without a name',
      [{ role: 'assistant', tool_calls: [{ id: 'a', function: {} }] }],
      /tool_calls\[0\]\.function\.name: must be the name/,
    ],
    [
      'the result of an unknown call',
      [{ role: 'tool', tool_call_id: 'x', content: 'a' }],
      /^messages\[0\]\.tool_call_id: must be the id of a call/,
    ],
  ])('rejects %s, and names the path', (_, messages, message) => {
    expect(() => translated(messages)).toThrow(message);
  });
});

describe('calls of functions', () => {
  const calls = { role: 'assistant', content: null, tool_calls: [call('1', 'f'), call('2', 'g')] };
  const result = (name: string, response: object): object => ({ functionResponse: { name, response } });
  const called = model({ functionCall: { name: 'f', args: { a: 1 } } }, { functionCall: { name: 'g', args: { a: 1 } } });

  it.each<[string, unknown[]]>([
    ['in order', [calls, { role: 'tool', tool_call_id: '1', content: '{"x":1}' }, { role: 'tool', tool_call_id: '2', content: 'fine' }]],
    [
      'in another order',
      [calls, { role: 'tool', tool_call_id: '2', content: 'fine' }, { role: 'tool', tool_call_id: '1', content: '{"x":1}' }],
    ],
    [
      'twice for one call',
      [
        calls,
        { role: 'tool', tool_call_id: '1', content: 'old' },
        { role: 'tool', tool_call_id: '2', content: [{ type: 'text', text: 'fine' }] },
        { role: 'tool', tool_call_id: '1', content: '{"x":1}' },
      ],
    ],
    ['by name', [calls, { role: 'function', name: 'f', content: '{"x":1}' }, { role: 'function', name: 'g', content: 'fine' }]],
  ])('have their results directly behind them, given %s', (_, messages) => {
    expect(translated(messages).contents).toEqual([called, user(result('f', { x: 1 }), result('g', { content: 'fine' }))]);
  });

  it('have their results before user messages sent in between', () => {
    const messages = [
      calls,
      { role: 'user', content: 'wait' },
      { role: 'tool', tool_call_id: '1', content: 'a' },
      { role: 'tool', tool_call_id: '2', content: 'b' },
      { role: 'user', content: 'go' },
    ];
    expect(translated(messages).contents).toEqual([
      called,
      user(result('f', { content: 'a' }), result('g', { content: 'b' })),
      user(text('wait'), text('go')),
    ]);
  });

  it('are distinguished by turn if a provider restarts its ids', () => {
    const turn = (name: string): unknown[] => [
      { role: 'assistant', tool_calls: [call('call_0', name)] },
      { role: 'tool', tool_call_id: 'call_0', content: name },
    ];
    expect(translated([...turn('f'), ...turn('g')]).contents).toEqual([
      model({ functionCall: { name: 'f', args: { a: 1 } } }),
      user(result('f', { content: 'f' })),
      model({ functionCall: { name: 'g', args: { a: 1 } } }),
      user(result('g', { content: 'g' })),
    ]);
  });

  it.each<[string, object]>([
    ['its own field', call('1', 'f', { provider_specific_fields: { thought_signature: 'sig' } })],
    [
      "the function's field",
      { id: '1', function: { name: 'f', arguments: '{"a":1}', provider_specific_fields: { thought_signature: 'sig' } } },
    ],
    ['its id', call('1__thought__sig', 'f')],
  ])('keep the signature that is in %s', (_, signed) => {
    const messages = [
      { role: 'assistant', tool_calls: [signed] },
      { role: 'tool', tool_call_id: (signed as { id: string }).id, content: 'a' },
    ];
    expect(translated(messages, THREE).contents).toEqual([
      model({ functionCall: { name: 'f', args: { a: 1 }, id: '1' }, thoughtSignature: 'sig' }),
      user({ functionResponse: { name: 'f', response: { content: 'a' }, id: '1' } }),
    ]);
  });

  it("get Google's value for no signature from Gemini 3 on, the first of a turn only", () => {
    expect(translated([calls], THREE).contents).toEqual([
      model(
        { functionCall: { name: 'f', args: { a: 1 }, id: '1' }, thoughtSignature: SKIPPED },
        { functionCall: { name: 'g', args: { a: 1 }, id: '2' } },
      ),
    ]);
  });

  it('do not repeat a signature that a call carries on the text', () => {
    const message = {
      role: 'assistant',
      content: 'a',
      tool_calls: [call('1__thought__sig', 'f')],
      provider_specific_fields: { thought_signatures: ['sig'] },
    };
    expect(translated([message], THREE).contents).toEqual([
      model(text('a'), { functionCall: { name: 'f', args: { a: 1 }, id: '1' }, thoughtSignature: 'sig' }),
    ]);
  });

  it.each(['', '  ', undefined, null, {}])('take %j for no arguments', (given) => {
    const messages = [{ role: 'assistant', tool_calls: [{ id: '1', function: { name: 'f', arguments: given } }] }];
    expect(translated(messages).contents).toEqual([model({ functionCall: { name: 'f', args: {} } })]);
  });

  it('keep a result as text that Google would read as a pointer', () => {
    const messages = [calls, { role: 'tool', tool_call_id: '1', content: '{"$ref":"x"}' }];
    expect(translated(messages).contents[1]).toEqual(user(result('f', { content: '{"$ref":"x"}' })));
  });

  it.each([
    [
      'within the result for Gemini 3',
      THREE,
      [
        {
          functionResponse: {
            name: 'f',
            response: { content: 'see' },
            id: '1',
            parts: [{ inlineData: { mimeType: 'image/png', data: 'iVBORw0=' } }],
          },
        },
      ],
    ],
    [
      'beside the result for older models',
      'gemini-2.5-pro',
      [result('f', { content: 'see' }), { inlineData: { mimeType: 'image/png', data: 'iVBORw0=' } }],
    ],
  ])('have images %s', (_, name, parts) => {
    const content = [
      { type: 'text', text: 'see' },
      { type: 'image_url', image_url: { url: PNG } },
    ];
    expect(
      translated(
        [
          { role: 'assistant', tool_calls: [call('1', 'f')] },
          { role: 'tool', tool_call_id: '1', content },
        ],
        name,
      ).contents[1],
    ).toEqual(user(...parts));
  });

  it('keep fields called __proto__', () => {
    const messages = [
      { role: 'assistant', tool_calls: [{ id: '__proto__', function: { name: 'f', arguments: '{"__proto__":1}' } }] },
      { role: 'tool', tool_call_id: '__proto__', content: '{"__proto__":2}' },
    ];
    expect(JSON.stringify(translated(messages).contents)).toBe(
      '[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"__proto__":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"__proto__":2}}}]}]',
    );
  });
});

describe('media', () => {
  const partOf = (part: object, name?: string, provider?: string): unknown =>
    translated([{ role: 'user', content: [part] }], name, provider).contents[0].parts[0];
  const image = (url: string, more: object = {}): object => ({ type: 'image_url', image_url: { url, ...more } });
  const file = (fields: object): object => ({ type: 'file', file: fields });
  const inline = (mimeType: string, data: string): object => ({ inlineData: { mimeType, data } });
  const stored = (mimeType: string | undefined, fileUri: string): object => ({
    fileData: { ...(mimeType !== undefined && { mimeType }), fileUri },
  });

  it.each<[string, object, object]>([
    ['a data URL', image('data:image/jpg;charset=x;base64,AA=='), inline('image/jpeg', 'AA==')],
    ['a data URL by itself', { type: 'image_url', image_url: PNG }, inline('image/png', 'iVBORw0=')],
    [
      "a format that replaces the URL's",
      image('data:application/octet-stream;base64,AA==', { format: 'image/webp' }),
      inline('image/webp', 'AA=='),
    ],
    ['a PDF', file({ file_data: 'data:application/pdf;base64,AA==', filename: 'a.pdf' }), inline('application/pdf', 'AA==')],
    ['base64 with a name', file({ file_data: 'AA==', filename: 'a.PDF' }), inline('application/pdf', 'AA==')],
    ['sound', { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }, inline('audio/wav', 'AA==')],
    ['Cloud Storage', file({ file_id: 'gs://bucket/a.mp4' }), stored('video/mp4', 'gs://bucket/a.mp4')],
    [
      'an uploaded file',
      file({ file_id: 'https://generativelanguage.googleapis.com/v1beta/files/abc' }),
      stored(undefined, 'https://generativelanguage.googleapis.com/v1beta/files/abc'),
    ],
    ['YouTube', file({ file_id: 'https://www.youtube.com/watch?v=1' }), stored('video/mp4', 'https://www.youtube.com/watch?v=1')],
    ['a URL, which Google fetches', image('https://h/a.webp?x=1'), stored('image/webp', 'https://h/a.webp?x=1')],
    ['an image without a name', image('https://h/a'), stored('image/jpeg', 'https://h/a')],
    [
      'clips of videos',
      file({ file_id: 'gs://b/a.mp4', video_metadata: { fps: 2, start_offset: '1s' } }),
      { ...stored('video/mp4', 'gs://b/a.mp4'), videoMetadata: { fps: 2, startOffset: '1s' } },
    ],
  ])('translates %s', (_, part, expected) => expect(partOf(part)).toEqual(expected));

  it.each<[string, object, RegExp]>([
    ['a file without a type', file({ file_id: 'gs://b/a' }), /file\.format: must be the media type/],
    ['a scheme that Google does not know', image('ftp://h/a.png'), /must be a data: URL, a gs:\/\/ or https:\/\/ URL/],
    ['plain http', image('http://169.254.169.254/latest/meta-data'), /must be a data: URL/],
    ['a data URL that is no base64', image('data:text/plain,hello'), /must be a data: URL of base64/],
    ['an image without a url', { type: 'image_url', image_url: {} }, /content\[0\]\.image_url: must have a url/],
    ['an empty file', file({}), /content\[0\]\.file: must have file_data or file_id/],
    ['sound without a format', { type: 'input_audio', input_audio: { data: 'AA==' } }, /must have data and format/],
  ])('rejects %s', (_, part, message) => expect(() => partOf(part)).toThrow(message));

  it('is not fetched for models that do not fetch it themselves', () => {
    expect(() => partOf(image('https://h/a.png'), 'gemini-2.0-flash')).toThrow(
      /content\[0\] is not supported: the Gemini API does not fetch URLs for gemini-2.0-flash.*send the bytes as a data: URL/,
    );
    expect(partOf(image('https://h/a.png'), 'gemini-2.0-flash', 'vertex_ai')).toEqual(stored('image/png', 'https://h/a.png'));
  });

  it('has its resolution at the part from Gemini 3 on, before for all together', () => {
    const content = [image(PNG, { detail: 'low' }), image(PNG, { detail: 'high' }), image(PNG, { detail: 'auto' })];
    expect(translated([{ role: 'user', content }]).mediaResolution).toBe('MEDIA_RESOLUTION_HIGH');
    const three = translated([{ role: 'user', content }], THREE);
    expect(three.mediaResolution).toBeUndefined();
    expect(three.contents[0].parts.map(({ mediaResolution }) => mediaResolution)).toEqual([
      { level: 'MEDIA_RESOLUTION_LOW' },
      { level: 'MEDIA_RESOLUTION_HIGH' },
      undefined,
      undefined,
    ]);
  });
});
