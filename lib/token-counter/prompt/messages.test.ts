import { FastLiteLLM } from '../../fast-litellm.js';
import type { ChatMessage } from './messages.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };
const counter = new FastLiteLLM({ engine: 'typescript', logger: silent, tokenCounter: { estimates: false } }, { env: {} }).tokenCounter;
const count = (messages: ChatMessage[], model = 'gpt-3.5-turbo'): number => counter.countMessages(messages, { model });
/** Tokens of `content` beyond those of an empty message. */
const content = (parts: unknown, model?: string): number =>
  count([{ role: 'user', content: parts }], model) - count([{ role: 'user', content: '' }], model);
const text = (value: string, model = 'gpt-3.5-turbo'): number => counter.countTokens(value, model);

const cookbook = [
  { role: 'system', content: 'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.' },
  { role: 'system', name: 'example_user', content: 'New synergies will help drive top-line growth.' },
  { role: 'system', name: 'example_assistant', content: 'Things working well together will increase revenue.' },
  {
    role: 'system',
    name: 'example_user',
    content: "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
  },
  { role: 'system', name: 'example_assistant', content: "Let's talk later when we're less busy about how to do better." },
  { role: 'user', content: "This late pivot means we don't have time to boil the ocean for the client deliverable." },
];

describe('countMessages', () => {
  it.each([
    ['gpt-3.5-turbo', 129],
    ['gpt-3.5-turbo-0613', 129],
    ['gpt-4', 129],
    ['gpt-4-0613', 129],
    ['azure/gpt-35-turbo', 129],
    ['gpt-4o', 124],
    ['gpt-4o-mini', 124],
    ['gpt-3.5-turbo-0301', 127],
  ])("counts OpenAI's sample chat for %s as %i tokens", (model, tokens) => expect(count(cookbook, model)).toBe(tokens));

  it.each([
    [{ role: 'system', content: 'You are a bot.' }, 12],
    [{ role: 'user', content: 'Hello, how are you?' }, 13],
    [{ role: 'system', content: 'á' }, 8],
    [{ role: 'system', name: 'example_user', content: 'New synergies will help drive top-line growth.' }, 20],
  ])('counts the message %j as %i tokens', (message, tokens) => expect(count([message])).toBe(tokens));

  it('counts the 3 tokens that prime the reply for an empty chat', () => expect(count([])).toBe(3));

  it('accepts a model name instead of options, and uses the default model without either', () => {
    expect(counter.countMessages(cookbook, 'gpt-4o')).toBe(124);
    expect(counter.countMessages(cookbook)).toBe(129);
  });

  it('counts every text field of a message, and the arguments of its tool calls', () => {
    const call = { id: 'call_abc123', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } };
    const base = count([{ role: 'assistant', content: null }]);
    expect(count([{ role: 'assistant', content: null, tool_calls: [call, call] }])).toBe(base + 2 * text('{"city":"Paris"}'));
    // As Ollama's API has them.
    const asObject = { ...call, function: { ...call.function, arguments: { city: 'Paris' } } };
    expect(count([{ role: 'assistant', content: null, tool_calls: [asObject] }])).toBe(base + text('{"city":"Paris"}'));
    expect(count([{ role: 'assistant', content: null, tool_calls: [{ type: 'custom', custom: { name: 'x', input: 'ls -la' } }] }])).toBe(
      base + text('ls -la'),
    );
    expect(count([{ role: 'assistant', content: null, function_call: { name: 'get_weather', arguments: '{}' } }])).toBe(base + text('{}'));
    expect(count([{ role: 'tool', tool_call_id: 'call_abc123', content: '18' }])).toBe(
      3 + 3 + text('tool') + text('call_abc123') + text('18'),
    );
    expect(count([{ role: 'assistant', refusal: 'No.', audio: { id: 'a' }, content: undefined }])).toBe(base + text('No.'));
  });

  it('counts a special token in a message as ordinary text', () => {
    expect(content('<|endoftext|>')).toBe(7);
  });
});

/** The most that an image costs gpt-4o. */
const UNKNOWN_IMAGE = 85 + 8 * 170;
/** A page of a document. */
const PAGE = 2250 + 765;

describe('content parts', () => {
  it.each([
    ['text', [{ type: 'text', text: 'Hello, how are you?' }], 'Hello, how are you?'],
    [
      'Responses text',
      [
        { type: 'input_text', text: 'Hi' },
        { type: 'output_text', text: ' there' },
      ],
      ['Hi', ' there'],
    ],
    ['plain strings', ['Hi', 'there'], ['Hi', 'there']],
    ['a part outside a list', { type: 'text', text: 'Hi' }, 'Hi'],
    ['refusal', [{ type: 'refusal', refusal: 'I cannot do that.' }], 'I cannot do that.'],
    ['thinking', [{ type: 'thinking', thinking: 'Let me see.', signature: 'c2lnbmF0dXJl' }], 'Let me see.'],
    ['redacted thinking', [{ type: 'redacted_thinking', data: 'ZW5jcnlwdGVk' }], []],
    ['tool use', [{ type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } }], ['get_weather', '{"city":"Paris"}']],
    ['tool result', [{ type: 'tool_result', tool_use_id: 'toolu_1', content: '18 degrees' }], '18 degrees'],
    [
      'nested tool result',
      [
        {
          type: 'tool_result',
          content: [
            { type: 'text', text: '18' },
            { type: 'text', text: 'degrees' },
          ],
        },
      ],
      ['18', 'degrees'],
    ],
    [
      "Anthropic's own tools",
      [
        { type: 'mcp_tool_use', id: 'm1', server_name: 's', name: 'look', input: { a: 1 } },
        { type: 'web_search_tool_result', content: { type: 'web_search_tool_result_error', error_code: 'unavailable' } },
        {
          type: 'web_fetch_tool_result',
          content: { type: 'web_fetch_result', url: 'https://a.b', content: { type: 'text', text: 'page' } },
        },
        { type: 'bash_code_execution_tool_result', content: { stdout: 'ok' } },
        { type: 'compaction', content: 'so far' },
        { type: 'container_upload', file_id: 'file_1' },
      ],
      ['look', '{"a":1}', 'unavailable', 'https://a.b', 'page', '{"stdout":"ok"}', 'so far'],
    ],
    ['tool reference', [{ type: 'tool_reference', tool_name: 'get_weather' }], 'get_weather'],
    [
      'text document',
      [{ type: 'document', title: 'Notes', context: 'Draft', source: { type: 'text', media_type: 'text/plain', data: 'Some text' } }],
      ['Notes', 'Draft', 'Some text'],
    ],
    ['document of parts', [{ type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'A' }] } }], 'A'],
    [
      'search result',
      [{ type: 'search_result', title: 'T', source: 'https://a.b', content: [{ type: 'text', text: 'found' }] }],
      ['T', 'https://a.b', 'found'],
    ],
  ])('counts the texts of content parts: %s', (_name, parts, texts) => {
    expect(content(parts)).toBe([texts].flat().reduce((sum, part) => sum + text(part), 0));
  });

  const png = Buffer.alloc(33);
  png.write('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR', 'latin1');
  png.writeUInt32BE(1024, 16);
  png.writeUInt32BE(1024, 20);
  const url = `data:image/png;base64,${png.toString('base64')}`;

  it.each([
    [{ type: 'image_url', image_url: { url, detail: 'low' } }, 85],
    [{ type: 'image_url', image_url: { url, detail: 'high' } }, 765],
    [{ type: 'image_url', image_url: url }, 765],
    [{ type: 'input_image', image_url: url, detail: 'low' }, 85],
    [{ type: 'input_image', image_url: url, detail: 'original' }, 765],
    [{ type: 'computer_screenshot', image_url: url }, 765],
    [{ type: 'input_image', file_id: 'file-1' }, UNKNOWN_IMAGE],
    [{ type: 'image_url', image_url: { url: 'https://example.com/cat.png' } }, UNKNOWN_IMAGE],
    [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png.toString('base64') } }, 765],
    [{ type: 'file', file: { file_id: 'file-1' } }, PAGE],
  ])('counts image parts for an OpenAI model: %#', (part, tokens) => expect(content([part], 'gpt-4o')).toBe(tokens));

  it("counts Gemini's parts of a message without content", () => {
    const parts = [
      { text: 'Hi' },
      { type: 'text', text: ' there' },
      { inlineData: { mimeType: 'image/png', data: png.toString('base64') } },
      { fileData: { fileUri: 'gs://a/b' } },
      { functionCall: { name: 'now', args: { zone: 'UTC' } } },
      { function_response: { name: 'now', response: { time: '12:30' } } },
    ];
    const expected =
      text('Hi') + text(' there') + 765 + UNKNOWN_IMAGE + 2 * text('now') + text('{"zone":"UTC"}') + text('{"time":"12:30"}');
    expect(count([{ role: 'user', parts }])).toBe(3 + 3 + 1 + expected);
    expect(count([{ role: 'user', content: 'Hi', parts }])).toBe(3 + 3 + 1 + text('Hi'));
  });

  it('counts images for Claude by their patches', () => {
    const source = { type: 'base64', media_type: 'image/png', data: png.toString('base64') };
    expect(content([{ type: 'image', source }], 'anthropic/claude-sonnet-4-5')).toBe(37 * 37);
    expect(content([{ type: 'image_url', image_url: { url } }], 'claude-sonnet-4-5')).toBe(37 * 37);
    expect(content([{ type: 'image', source: { type: 'url', url: 'https://a.b/c.png' } }], 'claude-opus-4-7')).toBe(4784);
  });

  it.each([
    ['gpt-4o', PAGE],
    ['claude-sonnet-4-5', 2250 + 1496],
    ['gemini-2.5-pro', 258],
    ['gemini-3-pro-preview', 560],
  ])('counts documents for %s as %i tokens a page', (model, page) => {
    const pdf = Buffer.from(
      '%PDF-1.4\n1 0 obj <</Type /Pages /Count 2>>\n2 0 obj <</Type/Page/A 1>>\n3 0 obj <</Type /Page>>\n<</PageMode>>',
    );
    const data = pdf.toString('base64');
    const mimeType = 'application/pdf';
    expect(content([{ type: 'document', source: { type: 'base64', media_type: mimeType, data } }], model)).toBe(2 * page);
    expect(content([{ type: 'file', file: { file_data: `data:${mimeType};base64,${data}` } }], model)).toBe(2 * page);
    expect(count([{ role: 'user', parts: [{ inlineData: { mimeType, data } }] }], model)).toBe(7 + 2 * page);
    const hidden = Buffer.alloc(70_000, 1).toString('base64');
    expect(content([{ type: 'input_file', file_data: hidden }], model)).toBe(3 * page);
    expect(content([{ type: 'document', source: { type: 'url', url: 'https://a.b/c.pdf' } }], model)).toBe(page);
  });

  it('counts files of other kinds by their kind', () => {
    const inline = (type: string, bytes: Buffer): string => `data:${type};base64,${bytes.toString('base64')}`;
    const file = (type: string, bytes: Buffer): object => ({ type: 'file', file: { file_data: inline(type, bytes) } });
    expect(content([file('text/csv', Buffer.alloc(300, 65))], 'gpt-4o')).toBe(75);
    expect(content([file('image/png', png)], 'gpt-4o')).toBe(765);
    expect(content([file('audio/pcm16', Buffer.alloc(48_000))], 'gpt-4o')).toBe(10);
    expect(
      count(
        [{ role: 'user', parts: [{ inlineData: { mimeType: 'video/mp4', data: Buffer.alloc(62_400).toString('base64') } }] }],
        'gemini-3-pro',
      ),
    ).toBe(7 + 102);
  });

  it("counts Gemini 3's images by the resolution of the part", () => {
    const inlineData = { mimeType: 'image/png', data: png.toString('base64') };
    const parts = (mediaResolution: unknown): number =>
      count([{ role: 'user', parts: [{ inlineData, mediaResolution }] }], 'gemini-3-pro') - 7;
    expect(parts({ level: 'MEDIA_RESOLUTION_LOW' })).toBe(280);
    expect(parts('MEDIA_RESOLUTION_ULTRA_HIGH')).toBe(2240);
    expect(parts(undefined)).toBe(1120);
    expect(parts({ level: 'constructor' })).toBe(1120);
    expect(content([{ type: 'image_url', image_url: { url, detail: 'medium' } }], 'gemini-3-pro')).toBe(560);
  });

  it('counts audio by its length: 10 tokens a second, 32 for Gemini', () => {
    const wav = Buffer.alloc(44 + 2 * 32_000);
    wav.write('RIFF\0\0\0\0WAVEfmt ', 'latin1');
    wav.writeUInt32LE(16_000, 24);
    wav.writeUInt32LE(32_000, 28);
    wav.writeUInt16LE(2, 32);
    expect(content([{ type: 'input_audio', input_audio: { data: wav.toString('base64'), format: 'wav' } }])).toBe(20);
    const mp3 = Buffer.alloc(16_000).toString('base64');
    expect(content([{ type: 'input_audio', input_audio: { data: mp3, format: 'mp3' } }])).toBe(11);
    expect(content([{ type: 'input_audio', input_audio: { data: wav.toString('base64'), format: 'wav' } }], 'gemini-2.5-pro')).toBe(64);
    // Not by a byte rate that is none, and cannot make the sound short.
    wav.writeUInt32LE(0xffffffff, 28);
    expect(content([{ type: 'input_audio', input_audio: { data: wav.toString('base64'), format: 'wav' } }])).toBe(20);
    wav.writeUInt32LE(0, 28);
    expect(content([{ type: 'input_audio', input_audio: { data: wav.toString('base64'), format: 'wav' } }])).toBe(41);
    expect(content([{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }])).toBe(1);
  });
});

describe('invalid messages', () => {
  const nested = (depth: number): object =>
    depth === 0 ? { type: 'text', text: 'x' } : { type: 'tool_result', content: [nested(depth - 1)] };
  const cycle: Record<string, unknown> = { type: 'tool_result' };
  cycle.content = [cycle];
  const circular: Record<string, unknown> = {};
  circular.self = circular;

  it.each([
    [undefined, 'messages', 'INVALID_ARGUMENT'],
    ['Hello', 'messages', 'INVALID_ARGUMENT'],
    [[{ role: 'user', content: 'a' }, null], 'messages[1]', 'INVALID_ARGUMENT'],
    [['Hello'], 'messages[0]', 'INVALID_ARGUMENT'],
    [
      [{ role: 'user', content: [{ type: 'text', text: '' }, { type: 'hologram' }] }],
      'messages[0].content[1].type',
      'UNKNOWN_CONTENT_TYPE',
    ],
    [[{ role: 'user', content: [{ text: 'no type' }] }], 'messages[0].content[0].type', 'UNKNOWN_CONTENT_TYPE'],
    [[{ role: 'user', parts: [{ text: 'a' }, { thought: true }] }], 'messages[0].parts[1]', 'UNKNOWN_CONTENT_TYPE'],
    [[{ role: 'user', parts: 'Hello'.length }], 'messages[0].parts', 'INVALID_ARGUMENT'],
    [[{ role: 'user', content: [{ type: 'constructor' }] }], 'messages[0].content[0].type', 'UNKNOWN_CONTENT_TYPE'],
    [[{ role: 'user', content: [42] }], 'messages[0].content[0]', 'INVALID_ARGUMENT'],
    [[{ role: 'user', content: 42 }], 'messages[0].content', 'INVALID_ARGUMENT'],
    [[{ role: 'user', content: [{ type: 'image_url', image_url: { url: 7 } }] }], 'messages[0].content[0].image_url', 'INVALID_ARGUMENT'],
    [
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x', detail: 'ultra' } }] }],
      'messages[0].content[0].image_url.detail',
      'INVALID_ARGUMENT',
    ],
    [[{ role: 'user', content: [{ type: 'input_audio' }] }], 'messages[0].content[0].input_audio.data', 'INVALID_ARGUMENT'],
    [[{ role: 'user', content: [{ type: 'image' }] }], 'messages[0].content[0].source', 'INVALID_ARGUMENT'],
    [[{ role: 'assistant', tool_calls: {} }], 'messages[0].tool_calls', 'INVALID_ARGUMENT'],
    [[{ role: 'assistant', tool_calls: [{ id: 'x' }] }], 'messages[0].tool_calls[0]', 'INVALID_ARGUMENT'],
    [[{ role: 'user', content: [nested(2000)] }], expect.stringContaining('messages[0].content[0].content'), 'NESTED_TOO_DEEP'],
    [[{ role: 'user', content: [cycle] }], expect.stringContaining('messages[0].content[0].content'), 'NESTED_TOO_DEEP'],
    [[{ role: 'user', content: [{ type: 'tool_use', name: 'f', input: circular }] }], 'messages[0].content[0].input', 'INVALID_ARGUMENT'],
  ])('throws an error with the path of the invalid part: %#', (messages, path, code) => {
    expect(() => counter.countMessages(messages as never)).toThrow(expect.objectContaining({ path, code }));
  });
});
