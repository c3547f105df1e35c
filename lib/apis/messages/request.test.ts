import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { MESSAGES_BRIDGE } from './messages.js';
import { chatRequest } from './request.js';

const user = { role: 'user', content: 'Hello' } as const;
const chatOf = (fields: object): ModelRequest => chatRequest({ model: 'm', messages: [user], ...fields }, 'openai');
const messagesOf = (...messages: object[]): unknown => chatOf({ messages }).messages;
const blocks = (...content: object[]): unknown => messagesOf({ role: 'user', content });
const said = (...content: object[]): unknown => messagesOf({ role: 'assistant', content });

const text = { type: 'text', text: 'Hello' };
const cached = { ...text, cache_control: { type: 'ephemeral' } };
const png = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
const pngPart = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: [1] } };
const chatCall = { id: 'toolu_1', type: 'function', function: { name: 'f', arguments: '{"a":[1]}' } };
const tool = { name: 'f', description: 'does', input_schema: { type: 'object' } };
const long = 'mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_longer_still';
const short = 'mcp__a_server_with_a_long_name__and_a_tool_whose_name_i_d79d251d';

describe('the bridge of Messages translates a request', () => {
  it('to the plain fields of a chat', () => {
    expect(chatOf({ max_tokens: 9, system: 'Be short.' })).toEqual({
      model: 'm',
      messages: [{ role: 'system', content: 'Be short.' }, user],
      max_tokens: 9,
    });
  });

  it.each<[string, object, object]>([
    ['a stream, with its usage', { stream: true }, { stream: true, stream_options: { include_usage: true } }],
    ['sampling', { temperature: 0.5, top_p: 1, top_k: 40 }, { temperature: 0.5, top_p: 1, top_k: 40 }],
    ['stop sequences', { stop_sequences: ['a', '\n'] }, { stop: ['a', '\n'] }],
    ['no stop sequence', { stop_sequences: [] }, {}],
    ['the user', { metadata: { user_id: 'u1' } }, { user: 'u1' }],
    ['the thinking budget: high', { thinking: { type: 'enabled', budget_tokens: 4096 } }, { reasoning_effort: 'high' }],
    ['the thinking budget: medium', { thinking: { type: 'enabled', budget_tokens: 4095 } }, { reasoning_effort: 'medium' }],
    ['the thinking budget: low', { thinking: { type: 'enabled', budget_tokens: 1024 } }, { reasoning_effort: 'low' }],
    ['adaptive thinking', { thinking: { type: 'adaptive' } }, { reasoning_effort: 'medium' }],
    ['its effort', { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }, { reasoning_effort: 'low' }],
    ['no thinking', { thinking: { type: 'disabled' }, output_config: { effort: 'high' } }, {}],
    [
      'the cache mark of the whole request',
      { cache_control: { type: 'ephemeral' } },
      { messages: [{ role: 'user', content: [{ type: 'text', text: user.content, cache_control: { type: 'ephemeral' } }] }] },
    ],
    [
      'fields and betas that change no answer, and unknown ones',
      {
        service_tier: 'auto',
        context_management: { edits: [{ type: 'x' }] },
        anthropic_beta: ['x'],
        mcp_servers: [],
        foo: 1,
        container: null,
      },
      {},
    ],
    ['its own fields, which steer the call', { tags: ['a'], fallbacks: ['x'], num_retries: 1 }, {}],
    ...['output_config', 'output_format'].map((name): [string, object, object] => [
      `the schema of the answer in ${name}`,
      {
        [name]:
          name === 'output_format' ? { type: 'json_schema', schema: { a: 1 } } : { format: { type: 'json_schema', schema: { a: 1 } } },
      },
      { response_format: { type: 'json_schema', json_schema: { name: 'structured_output', schema: { a: 1 }, strict: true } } },
    ]),
    [
      'tools',
      {
        tools: [
          tool,
          { ...tool, type: 'custom', strict: true, description: '', cache_control: { type: 'ephemeral' }, defer_loading: false },
        ],
      },
      {
        tools: [
          { type: 'function', function: { name: 'f', description: 'does', parameters: { type: 'object' } } },
          { type: 'function', function: { name: 'f', parameters: { type: 'object' }, strict: true }, cache_control: { type: 'ephemeral' } },
        ],
      },
    ],
    ['a choice of tools without tools', { tools: [], tool_choice: { type: 'any' } }, {}],
  ])('%s', (_, fields, chat) => {
    expect(chatOf(fields)).toEqual({ model: 'm', messages: [user], ...chat });
  });

  it.each<[object, object]>([
    [{ type: 'auto' }, { tool_choice: 'auto' }],
    [{ type: 'any' }, { tool_choice: 'required' }],
    [{ type: 'none' }, { tool_choice: 'none' }],
    [{ type: 'tool', name: 'f' }, { tool_choice: { type: 'function', function: { name: 'f' } } }],
    [
      { type: 'auto', disable_parallel_tool_use: true },
      { tool_choice: 'auto', parallel_tool_calls: false },
    ],
  ])('a choice of tools %j', (choice, expected) => {
    expect(chatOf({ tools: [tool], tool_choice: choice })).toMatchObject(expected);
  });

  it('a name of a user that is longer than OpenAI takes to its hash', () => {
    const { user: name } = chatOf({ metadata: { user_id: `user_${'x'.repeat(64)}_account__session_1` } });
    expect(name).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<[string, unknown, unknown]>([
    ['no system', undefined, undefined],
    ['an empty system', '', undefined],
    ['one block as a text', [text], 'Hello'],
    ['several blocks', [text, cached], [text, cached]],
    ['blocks without the note to the billing', [{ type: 'text', text: 'x-anthropic-billing-header: cc_version=2' }, text], 'Hello'],
    ['nothing but that note', [{ type: 'text', text: 'x-anthropic-billing-header: cc_version=2' }], undefined],
  ])('%s', (_, system, content) => {
    expect(chatOf({ system }).messages).toEqual(content === undefined ? [user] : [{ role: 'system', content }, user]);
  });

  it.each<[string, unknown, unknown]>([
    ['a text', blocks(text), [user]],
    ['a cache mark', blocks(cached), [{ role: 'user', content: [cached] }]],
    ['an empty text', blocks({ type: 'text', text: '' }, text), [user]],
    ['no content', blocks(), []],
    ['an image', blocks(text, png), [{ role: 'user', content: [text, pngPart] }]],
    [
      'the address of an image',
      blocks({ ...png, source: { type: 'url', url: 'https://x/y.png' }, cache_control: { type: 'ephemeral' } }),
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' }, cache_control: { type: 'ephemeral' } }] }],
    ],
    [
      'a PDF',
      blocks({ type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' } }),
      [{ role: 'user', content: [{ type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } }] }],
    ],
    [
      'a document as text',
      blocks({ type: 'document', title: 'T', context: 'C', source: { type: 'text', media_type: 'text/plain', data: 'D' } }),
      [{ role: 'user', content: 'T\n\nC\n\nD' }],
    ],
    [
      'a document of blocks',
      blocks({ type: 'document', title: 'T', source: { type: 'content', content: [text, png] } }),
      [{ role: 'user', content: [{ type: 'text', text: 'T' }, text, pngPart] }],
    ],
    [
      'the address of a document',
      blocks({ type: 'document', source: { type: 'url', url: 'https://x/y.pdf' } }),
      [{ role: 'user', content: [{ type: 'file', file: { file_id: 'https://x/y.pdf', format: 'application/pdf' } }] }],
    ],
    [
      'an uploaded document',
      blocks({ type: 'document', source: { type: 'file', file_id: 'file_1' } }),
      [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file_1' } }] }],
    ],
    [
      'a result of a search',
      blocks({ type: 'search_result', title: 'T', source: 'https://x', content: [text] }),
      [{ role: 'user', content: 'T\nhttps://x\nHello' }],
    ],
    ['a later system message', messagesOf(user, { role: 'system', content: [text] }), [user, { role: 'system', content: 'Hello' }]],
  ])('%s', (_, messages, expected) => {
    expect(messages).toEqual(expected);
  });

  it('results of tools to messages before all other content', () => {
    const results = [
      { type: 'tool_result', tool_use_id: 'a', content: 'one' },
      { type: 'tool_result', tool_use_id: 'b', content: [text, text], is_error: true },
      { type: 'tool_result', tool_use_id: 'c', cache_control: { type: 'ephemeral' } },
    ];
    expect(blocks(text, ...results)).toEqual([
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'tool', tool_call_id: 'b', content: 'Hello\nHello' },
      { role: 'tool', tool_call_id: 'c', content: '', cache_control: { type: 'ephemeral' } },
      user,
    ]);
  });

  it('images within results, in their place', () => {
    const results = [
      { type: 'tool_result', tool_use_id: 'a', content: [text, { ...png, cache_control: { type: 'ephemeral' } }] },
      { type: 'tool_result', tool_use_id: 'b', content: [cached] },
    ];
    expect(blocks(...results, text)).toEqual([
      { role: 'tool', tool_call_id: 'a', content: [text, pngPart], cache_control: { type: 'ephemeral' } },
      { role: 'tool', tool_call_id: 'b', content: 'Hello', cache_control: { type: 'ephemeral' } },
      user,
    ]);
  });

  it.each<[string, unknown, object | undefined]>([
    ['text', said(text), { content: 'Hello' }],
    ['calls', said(call), { content: null, tool_calls: [chatCall] }],
    ['calls behind text', said(text, call), { content: 'Hello', tool_calls: [chatCall] }],
    [
      'a call without input',
      said({ ...call, input: undefined }),
      { content: null, tool_calls: [{ ...chatCall, function: { name: 'f', arguments: '{}' } }] },
    ],
    [
      'a cached call',
      said({ ...call, cache_control: { type: 'ephemeral' } }),
      { content: null, tool_calls: [chatCall], cache_control: { type: 'ephemeral' } },
    ],
    ['nothing', said(), undefined],
    ['an empty text', said({ type: 'text', text: '' }), undefined],
    [
      'signed thinking, as it came',
      said({ type: 'thinking', thinking: 'hm', signature: 's' }, { type: 'redacted_thinking', data: 'd' }, text),
      {
        content: 'Hello',
        reasoning_content: 'hm',
        thinking_blocks: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'redacted_thinking', data: 'd' },
        ],
      },
    ],
    [
      'thinking that no Claude signed, as reasoning',
      said({ type: 'thinking', thinking: 'hm', signature: '' }, { type: 'thinking', thinking: 'so' }, call),
      { content: null, tool_calls: [chatCall], reasoning_content: 'hm\nso' },
    ],
  ])("an assistant's %s", (_, messages, expected) => {
    expect(messages).toEqual(expected === undefined ? [] : [{ role: 'assistant', ...expected }]);
  });

  it('names of tools over 64 characters, everywhere and back', () => {
    const body = {
      model: 'm',
      messages: [{ role: 'assistant', content: [{ ...call, name: long }] }],
      tools: [{ ...tool, name: long }],
      tool_choice: { type: 'tool', name: long },
    };
    const chat = chatRequest(body, 'openai') as ReturnType<typeof JSON.parse>;
    expect(short).toHaveLength(64);
    expect([chat.messages[0].tool_calls[0], chat.tools[0], chat.tool_choice].map((each) => each.function.name)).toEqual([
      short,
      short,
      short,
    ]);
    const message = { content: null, tool_calls: [{ ...chatCall, function: { name: short, arguments: '{}' } }] };
    const whole = MESSAGES_BRIDGE.answer(body).whole(Buffer.from(JSON.stringify({ choices: [{ message }] })));
    expect(JSON.parse(whole.toString())).toMatchObject({ content: [{ type: 'tool_use', name: long }] });
  });

  it.each<[string, object]>([
    ['max_tokens', { max_tokens: 0 }],
    ['temperature', { temperature: 1.5 }],
    ['stop_sequences[1]', { stop_sequences: ['a', 1] }],
    ['metadata', { metadata: 'x' }],
    ['thinking.type', { thinking: { type: 'on' } }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled' } }],
    ['output_config.format.type', { output_config: { format: { type: 'xml' } } }],
    ['tool_choice.type', { tools: [tool], tool_choice: { type: 'some' } }],
    ['tool_choice.name', { tools: [tool], tool_choice: { type: 'tool' } }],
    ['tools[0].name', { tools: [{}] }],
    ['tools[1].input_schema', { tools: [tool, { name: 'g' }] }],
    ['tools[0].type', { tools: [{ ...tool, type: 1 }] }],
    ['system[0].type', { system: [png] }],
    ['messages', { messages: undefined }],
    ['messages[0]', { messages: ['x'] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[1].content', { messages: [user, { role: 'user' }] }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: ['x'] }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{}] }] }],
    ['messages[0].content[1].text', { messages: [{ role: 'user', content: [text, { type: 'text' }] }] }],
    ['messages[0].content[0].source', { messages: [{ role: 'user', content: [{ type: 'image' }] }] }],
    [
      'messages[0].content[0].source.type',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'file', file_id: 'f' } }] }] },
    ],
    [
      'messages[0].content[0].source.data',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png' } }] }] },
    ],
    ['messages[0].content[0].source.type', { messages: [{ role: 'user', content: [{ type: 'document', source: {} }] }] }],
    ['messages[0].content[0].tool_use_id', { messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }],
    [
      'messages[0].content[0].content[0].type',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: [{}] }] }] },
    ],
    ['messages[0].content[0].id', { messages: [{ role: 'assistant', content: [{ type: 'tool_use', name: 'f' }] }] }],
    ['messages[0].content[0].input', { messages: [{ role: 'assistant', content: [{ ...call, input: '{}' }] }] }],
    ['messages[0].content[0].input', { messages: [{ role: 'assistant', content: [{ ...call, input: { a: 1n } }] }] }],
    ['messages[0].content[0].thinking', { messages: [{ role: 'assistant', content: [{ type: 'thinking' }] }] }],
  ])('refuses a wrong %s', (path, fields) => {
    const translate = (): unknown => chatOf(fields);
    expect(translate).toThrow(InvalidArgumentError);
    expect(translate).toThrow(expect.objectContaining({ path }));
  });

  it.each<[string, object, string]>([
    ['tools[0]', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'web_search_20250305'],
    ['tools[0]', { tools: [{ type: 'bash_20250124', name: 'bash' }] }, 'bash_20250124'],
    ['messages[0].content[0]', { messages: [{ role: 'assistant', content: [{ type: 'server_tool_use', id: 'a' }] }] }, 'server_tool_use'],
    ['messages[0].content[1]', { messages: [{ role: 'user', content: [text, { type: 'container_upload' }] }] }, 'container_upload'],
  ])('leaves to another deployment what only Anthropic has: %s', (param, fields, named) => {
    const translate = (): unknown => chatOf(fields);
    expect(translate).toThrow(UnsupportedRequestError);
    expect(translate).toThrow(expect.objectContaining({ param, message: expect.stringContaining(named) as string }));
  });
});
