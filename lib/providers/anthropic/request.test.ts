import fc from 'fast-check';
import { sentRequest } from '../../../test/support/sent-requests.js';
import type { SentRequest } from '../protocol.js';
import { ANTHROPIC } from './anthropic.js';

type Fields = Record<string, unknown>;
const MODEL = 'claude-sonnet-4-5';
const HELLO = { role: 'user', content: 'Hello' };
const PNG = 'data:image/png;base64,iVBORw==';
const PDF = 'data:application/pdf;base64,JVBERi0=';

/** What is sent for a chat request. */
function sentBody(fields: Fields, facts: Partial<SentRequest> = {}): Fields {
  const call = ANTHROPIC.call('chat', sentRequest({ model: MODEL, messages: [HELLO], ...fields }, facts));
  return JSON.parse(call?.body as string) as Fields;
}
const messagesOf = (messages: readonly unknown[], fields: Fields = {}): unknown => sentBody({ messages, ...fields }).messages;
const text = (said: string): Fields => ({ type: 'text', text: said });
const call = (id: string, name = 'get', args: unknown = '{"a":1}'): Fields => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});
const use = (id: string, name = 'get', input: unknown = { a: 1 }): Fields => ({ type: 'tool_use', id, name, input });
const tool = (name: string, more: Fields = {}): Fields => ({
  type: 'function',
  function: { name, parameters: { type: 'object' } },
  ...more,
});
const THOUGHT = { type: 'thinking', thinking: 'Hm', signature: 'sig' };

describe('the conversation', () => {
  it('puts leading system and developer messages into system, with their cache marks', () => {
    const mark = { type: 'ephemeral', ttl: '1h' };
    const { system, messages } = sentBody({
      messages: [
        { role: 'system', content: 'A', cache_control: mark },
        { role: 'developer', content: [text('B'), { ...text('C'), cache_control: mark }] },
        HELLO,
      ],
    });
    expect(system).toEqual([{ ...text('A'), cache_control: mark }, text('B'), { ...text('C'), cache_control: mark }]);
    expect(messages).toEqual([{ role: 'user', content: [text('Hello')] }]);
  });

  it('sends the text of a refusal by the assistant, and rejects one by the user', () => {
    const refusal = { type: 'refusal', refusal: 'I cannot' };
    const said = (content: unknown): unknown => (messagesOf([HELLO, { role: 'assistant', content }, HELLO]) as Fields[])[1].content;
    expect(said([text('Well.'), refusal])).toEqual([text('Well.'), text('I cannot')]);
    expect(() => messagesOf([{ role: 'user', content: [refusal] }])).toThrow(/messages\[0\]\.content\[0\]/);
  });

  const later = [HELLO, { role: 'system', content: 'Be brief' }, { role: 'assistant', content: 'Hi' }, HELLO];

  it('leaves a later system message in its place, as text of the user', () => {
    expect(messagesOf(later)).toEqual([
      { role: 'user', content: [text('Hello'), text('Be brief')] },
      { role: 'assistant', content: [text('Hi')] },
      { role: 'user', content: [text('Hello')] },
    ]);
  });

  it.each([
    ['behind its user turn', later, ['user', 'system', 'assistant', 'user']],
    [
      'behind the user turn that follows',
      [HELLO, { role: 'assistant', content: 'Hi' }, { role: 'system', content: 'S' }, HELLO],
      ['user', 'assistant', 'user', 'system'],
    ],
    [
      'as text of the user without one',
      [HELLO, { role: 'assistant', content: 'Hi' }, { role: 'system', content: 'S' }],
      ['user', 'assistant', 'user'],
    ],
  ])('sends it as a system message %s where the model takes that', (_, messages, roles) => {
    const body = sentBody({ messages, model: 'claude-opus-4-8' });
    expect((body.messages as Fields[]).map(({ role }) => role)).toEqual(roles);
    // Foundry does not take them.
    const other = sentBody({ messages, model: 'claude-opus-4-8' }, { provider: 'azure_ai' });
    expect((other.messages as Fields[]).every(({ role }) => role !== 'system')).toBe(true);
  });

  it('merges turns of one role, and begins with the user', () => {
    expect(messagesOf([{ role: 'assistant', content: 'A' }, { role: 'assistant', content: 'B' }, HELLO, HELLO])).toEqual([
      { role: 'user', content: [text('.')] },
      { role: 'assistant', content: [text('A'), text('B')] },
      { role: 'user', content: [text('Hello'), text('Hello')] },
    ]);
    expect(messagesOf([{ role: 'system', content: 'alone' }])).toEqual([{ role: 'user', content: [text('.')] }]);
  });

  it('drops empty texts and turns of the assistant, and trims the end of a last one', () => {
    expect(
      messagesOf([
        { role: 'user', content: ' ' },
        { role: 'assistant', content: '' },
        { role: 'user', content: [text(''), text('x')] },
      ]),
    ).toEqual([{ role: 'user', content: [text('x')] }]);
    expect(
      messagesOf([
        { role: 'user', content: '' },
        { role: 'assistant', content: 'The \n' },
      ]),
    ).toEqual([
      { role: 'user', content: [text('.')] },
      { role: 'assistant', content: [text('The')] },
    ]);
  });

  it('puts all results of a turn into one user message, before texts, one for each call', () => {
    const results = [
      { role: 'assistant', content: 'Let me see', tool_calls: [call('a'), call('b', 'get', '')] },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'user', content: 'and?' },
      {
        role: 'tool',
        tool_call_id: 'b',
        content: [text('two'), { type: 'image_url', image_url: { url: PNG } }],
        cache_control: { type: 'ephemeral' },
      },
      { role: 'tool', tool_call_id: 'a', content: 'again' },
    ];
    expect(messagesOf([HELLO, ...results], { tools: [tool('get')] })).toEqual([
      { role: 'user', content: [text('Hello')] },
      { role: 'assistant', content: [text('Let me see'), use('a'), use('b', 'get', {})] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: 'again' },
          {
            type: 'tool_result',
            tool_use_id: 'b',
            content: [text('two'), { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw==' } }],
            cache_control: { type: 'ephemeral' },
          },
          text('and?'),
        ],
      },
    ]);
  });

  it('writes ids of calls as Anthropic takes them, without a signature of Gemini', () => {
    const [, assistant, user] = messagesOf([
      HELLO,
      { role: 'assistant', tool_calls: [call('call:1/x__thought__QUJD+/==')] },
      { role: 'tool', tool_call_id: 'call:1/x__thought__QUJD+/==', content: '' },
    ]) as { content: Fields[] }[];
    expect(assistant.content).toEqual([use('call_1_x')]);
    expect(user.content).toEqual([{ type: 'tool_result', tool_use_id: 'call_1_x', content: '' }]);
  });

  it.each([
    [
      'an image inline',
      { type: 'image_url', image_url: { url: PNG } },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw==' } },
    ],
    [
      'an image by its address',
      { type: 'image_url', image_url: 'https://x.org/a.png' },
      { type: 'image', source: { type: 'url', url: 'https://x.org/a.png' } },
    ],
    [
      'a PDF by its address',
      { type: 'image_url', image_url: { url: 'https://x.org/a.pdf' } },
      { type: 'document', source: { type: 'url', url: 'https://x.org/a.pdf' } },
    ],
    [
      'a PDF inline',
      { type: 'file', file: { file_data: PDF, filename: 'a.pdf' } },
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' }, title: 'a.pdf' },
    ],
    [
      'a text',
      { type: 'file', file: { file_data: 'data:text/plain;base64,SGk=' } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Hi' } },
    ],
    [
      'a file of the Files API',
      { type: 'file', file: { file_id: 'file_1' } },
      { type: 'document', source: { type: 'file', file_id: 'file_1' } },
    ],
    [
      'a document of its own',
      { type: 'document', source: { type: 'url', url: 'https://x' }, citations: { enabled: true } },
      { type: 'document', source: { type: 'url', url: 'https://x' }, citations: { enabled: true } },
    ],
  ])('sends %s', (_, part, block) => {
    const mark = { cache_control: { type: 'ephemeral' } };
    expect(messagesOf([{ role: 'user', content: [{ ...part, ...mark }] }])).toEqual([{ role: 'user', content: [{ ...block, ...mark }] }]);
  });

  it.each([
    ['messages[0].content[1]', [text('x'), { type: 'input_audio', input_audio: { data: 'x', format: 'wav' } }]],
    ['messages[0].content[0].image_url', [{ type: 'image_url', image_url: { url: 'http://x.org/a.png' } }]],
    ['messages[0].content[0].image_url', [{ type: 'image_url', image_url: { url: 'data:image/svg+xml;base64,AA==' } }]],
    ['messages[0].content[0].file.file_data', [{ type: 'file', file: { file_data: 'data:application/zip;base64,AA==' } }]],
  ])('refuses %s that Anthropic does not take', (param, content) => {
    expect(() => messagesOf([{ role: 'user', content }])).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_PARAMETER', param }) as Error,
    );
  });

  it.each([
    ['messages', 'Hello', 'must be an array'],
    ['messages[0]', [null], 'must be an object'],
    ['messages[0].role', [{ role: 'function', content: 'x' }], 'must be system'],
    ['messages[0].content', [{ role: 'user', content: 5 }], 'must be a string'],
    ['messages[0].tool_call_id', [{ role: 'tool', content: 'x' }], 'must be a string'],
    [
      'messages[0].tool_calls[0].function.arguments',
      [{ role: 'assistant', tool_calls: [call('a', 'get', '{"a":')] }],
      'must be a JSON object',
    ],
    [
      'messages[0].tool_calls[0].function.arguments',
      [{ role: 'assistant', tool_calls: [call('a', 'get', '[1]')] }],
      'must be a JSON object',
    ],
    ['messages[0].tool_calls[0].function.name', [{ role: 'assistant', tool_calls: [{ id: 'a' }] }], 'must be a string'],
    ['messages[0].content[0].file', [{ role: 'user', content: [{ type: 'file', file: {} }] }], 'must have file_data'],
  ])('names the wrong field %s', (path, messages, rule) => {
    expect(() => sentBody({ messages })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', path, rule: expect.stringContaining(rule) }) as Error,
    );
  });

  it('sends a deep input of a tool back, and names one that is too deep to write', async () => {
    const withInput = (levels: number): Fields => {
      const input = `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
      return { model: MODEL, messages: [HELLO, { role: 'assistant', tool_calls: [call('a', 'get', input)] }] };
    };
    expect(sentBody(withInput(50)).messages).toHaveLength(2);
    const body = Promise.resolve(ANTHROPIC.call('chat', sentRequest(withInput(100_000)))?.body);
    await expect(body).rejects.toThrow('must be valid JSON');
  });

  it('takes prototype keys for data', () => {
    const [, { content }] = messagesOf([{ role: 'assistant', tool_calls: [call('a', 'get', '{"__proto__":{"x":1}}')] }]) as {
      content: Fields[];
    }[];
    expect(JSON.stringify(content)).toContain('"input":{"__proto__":{"x":1}}');
  });
});

describe('thinking in the history', () => {
  const turn = (blocks: unknown): unknown[] => [
    HELLO,
    { role: 'assistant', content: 'Hi', thinking_blocks: blocks, reasoning_content: 'Hm', tool_calls: [call('a')] },
    { role: 'tool', tool_call_id: 'a', content: '1' },
  ];
  const assistantOf = (blocks: unknown, fields: Fields = {}): unknown =>
    (messagesOf(turn(blocks), { tools: [tool('get')], ...fields }) as Fields[])[1].content;

  it('comes first, as it came, and is never made of reasoning_content', () => {
    const redacted = { type: 'redacted_thinking', data: 'x' };
    expect(assistantOf([{ ...THOUGHT, index: 0 }, redacted])).toEqual([THOUGHT, redacted, text('Hi'), use('a')]);
    expect(assistantOf(null)).toEqual([text('Hi'), use('a')]);
    expect(assistantOf([{ type: 'thinking', thinking: 'unsigned' }])).toEqual([text('Hi'), use('a')]);
  });

  it('puts the collected pieces of a stream together', () => {
    const pieces = ['H', 'm', ''].map((thinking, at) => ({ type: 'thinking', thinking, ...(at === 2 && { signature: 'sig' }) }));
    expect(assistantOf([...pieces, ...pieces])).toEqual([THOUGHT, THOUGHT, text('Hi'), use('a')]);
  });

  it.each([
    ['stays with its blocks', [THOUGHT], { type: 'enabled', budget_tokens: 2048 }],
    ['is dropped when they were lost before a call', null, undefined],
  ])('thinking %s', (_, blocks, thinking) => {
    const body = sentBody({ messages: turn(blocks), tools: [tool('get')], reasoning_effort: 'medium' });
    expect(body.thinking).toEqual(thinking);
    expect(JSON.stringify(body.messages).includes('signature')).toBe(blocks !== null);
  });

  it('is asked for all the same where the model thinks as it likes', () => {
    const { thinking } = sentBody({ model: 'claude-opus-4-6', messages: turn(null), tools: [tool('get')], reasoning_effort: 'medium' });
    expect(thinking).toEqual({ type: 'adaptive', display: 'summarized' });
  });

  it("sends what Anthropic's own tools did, each call before its result", () => {
    const result = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] };
    const own = {
      server_tool_calls: [{ id: 'srvtoolu_1', type: 'function', function: { name: 'web_search', arguments: '{"query":"x"}' } }],
      web_search_results: [result],
    };
    const [, { content }] = messagesOf([HELLO, { role: 'assistant', content: 'Found', provider_specific_fields: own }, HELLO]) as Fields[];
    expect(content).toEqual([
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } },
      result,
      text('Found'),
    ]);
  });
});

describe('tools', () => {
  it('are sent with their schema and cache mark', () => {
    const parameters = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] };
    const { tools } = sentBody({
      tools: [
        {
          type: 'function',
          function: { name: 'get', description: 'Gets', parameters, strict: true },
          cache_control: { type: 'ephemeral' },
        },
        { type: 'function', function: { name: 'none' } },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 2 },
        { type: 'computer_20250124', function: { name: 'computer', parameters: { display_width_px: 1 } } },
      ],
    });
    expect(tools).toEqual([
      { name: 'get', description: 'Gets', input_schema: parameters, cache_control: { type: 'ephemeral' } },
      { name: 'none', input_schema: { type: 'object', properties: {} } },
      { type: 'web_search_20250305', name: 'web_search', max_uses: 2 },
      { type: 'computer_20250124', name: 'computer', display_width_px: 1 },
    ]);
  });

  it('get names that Anthropic takes, each its own, in the history too', () => {
    const names = ['a.b', 'a/b', 'a_b', 'x'.repeat(130)];
    const { tools, messages, tool_choice } = sentBody({
      tools: names.map((name) => tool(name)),
      messages: [HELLO, { role: 'assistant', tool_calls: names.map((name, at) => call(`${at}`, name)) }],
      tool_choice: { type: 'function', function: { name: 'a/b' } },
    }) as { tools: Fields[]; messages: { content: Fields[] }[]; tool_choice: unknown };
    const sent = tools.map(({ name }) => name);
    expect(sent).toEqual(['a_b_2', 'a_b_3', 'a_b', 'x'.repeat(128)]);
    expect(messages[1].content.map(({ name }) => name)).toEqual(sent);
    expect(tool_choice).toEqual({ type: 'tool', name: 'a_b_3' });
  });

  it.each([
    ['auto', undefined, { type: 'auto' }],
    ['required', undefined, { type: 'any' }],
    ['none', false, { type: 'none' }],
    [{ type: 'function', function: { name: 'get' } }, undefined, { type: 'tool', name: 'get' }],
    ['required', false, { type: 'any', disable_parallel_tool_use: true }],
    [undefined, false, { type: 'auto', disable_parallel_tool_use: true }],
    [undefined, true, undefined],
  ])('choice %j with parallel calls %s is %j', (tool_choice, parallel_tool_calls, sent) => {
    expect(sentBody({ tools: [tool('get')], tool_choice, parallel_tool_calls }).tool_choice).toEqual(sent);
    expect(sentBody({ tool_choice: 'auto', parallel_tool_calls }).tool_choice).toBeUndefined();
  });

  it('a call cannot be forced on some models', () => {
    const fields = { model: 'claude-opus-5-5', tools: [tool('get')], tool_choice: 'required' };
    expect(() => sentBody(fields)).toThrow(expect.objectContaining({ param: 'tool_choice' }) as Error);
    expect(sentBody({ ...fields, drop_params: true }).tool_choice).toEqual({ type: 'auto' });
  });

  it('replaces those of a history with one', () => {
    const body = sentBody({
      messages: [HELLO, { role: 'assistant', tool_calls: [call('a')] }, { role: 'tool', tool_call_id: 'a', content: '' }],
    });
    expect(body).toMatchObject({ tools: [{ name: 'dummy_tool', input_schema: { type: 'object' } }], tool_choice: { type: 'none' } });
  });

  it('web search is one of them', () => {
    const { tools } = sentBody({
      web_search_options: { search_context_size: 'low', user_location: { type: 'approximate', approximate: { city: 'Oslo' } } },
    });
    expect(tools).toEqual([
      { type: 'web_search_20250305', name: 'web_search', user_location: { type: 'approximate', city: 'Oslo' }, max_uses: 1 },
    ]);
  });

  it('of other kinds are refused', () => {
    expect(() => sentBody({ tools: [{ type: 'custom', custom: { name: 'x' } }] })).toThrow(
      expect.objectContaining({ param: 'tools[0]' }) as Error,
    );
    expect(() => sentBody({ tools: [{ type: 'function' }] })).toThrow('tools[0].function.name');
    expect(() => sentBody({ tools: 'x' })).toThrow('tools: must be an array');
  });
});

describe('parameters', () => {
  it.each<[string, Fields, Fields]>([
    ['max_completion_tokens first', { max_tokens: 5, max_completion_tokens: 6 }, { max_tokens: 6 }],
    ['stop as a list without blank ones', { stop: 'a' }, { stop_sequences: ['a'] }],
    ['stop as a list without blank ones', { stop: ['a', ' ', ''] }, { stop_sequences: ['a'] }],
    ['no stop of blank ones', { stop: ['\n'] }, { stop_sequences: undefined }],
    ['a temperature of at most 1', { temperature: 1.7 }, { temperature: 1 }],
    ['a temperature', { temperature: 0.3, top_p: 1 }, { temperature: 0.3, top_p: undefined }],
    ['top_p', { top_p: 0.5 }, { top_p: 0.5 }],
    ['a user', { user: 'u-123' }, { metadata: { user_id: 'u-123' } }],
    ['no mail address', { user: 'a@b.org' }, { metadata: undefined }],
    ['no phone number', { user: '+47 (12) 345-678' }, { metadata: undefined }],
    ['the user in metadata', { metadata: { user_id: 'm', other: 'x' } }, { metadata: { user_id: 'm' } }],
    ['a tier', { service_tier: 'default' }, { service_tier: 'standard_only' }],
    [
      'no word of what changes nothing',
      { store: true, n: 1, stream_options: {}, presence_penalty: 0, logprobs: false },
      { store: undefined, n: undefined },
    ],
    [
      'its own fields',
      { top_k: 3, container: 'c', cache_control: { type: 'ephemeral' } },
      { top_k: 3, container: 'c', cache_control: { type: 'ephemeral' } },
    ],
    [
      'no sampling that asks for nothing',
      { model: 'claude-opus-4-7', temperature: 1, top_p: 1 },
      { temperature: undefined, top_p: undefined },
    ],
    [
      'no sampling with drop_params',
      { model: 'claude-opus-4-7', temperature: 0, top_p: 0.5, drop_params: true },
      { temperature: undefined, top_p: undefined },
    ],
  ])('send %s', (_, fields, sent) => {
    const body = sentBody(fields);
    expect(Object.fromEntries(Object.keys(sent).map((name) => [name, body[name]]))).toEqual(sent);
  });

  it.each<[string, Fields]>([
    ['n', { n: 2 }],
    ['seed', { seed: 1 }],
    ['logit_bias', { logit_bias: { 1: 1 } }],
    ['temperature', { model: 'claude-opus-4-7', temperature: 0 }],
    ['top_p', { model: 'claude-opus-4-7', top_p: 0.5 }],
    ['temperature', { temperature: 0.5, reasoning_effort: 'low' }],
    ['reasoning_effort', { model: 'claude-3-5-haiku-20241022', reasoning_effort: 'low' }],
    ['service_tier', { service_tier: 'flex' }],
  ])('refuse %s, or drop it', (param, fields) => {
    expect(() => sentBody(fields)).toThrow(expect.objectContaining({ param }) as Error);
    expect(sentBody({ ...fields, drop_params: true })).not.toHaveProperty(param);
  });

  it.each([
    ['reasoning_effort', { reasoning_effort: 'huge' }],
    ['stop', { stop: 5 }],
    ['response_format', { response_format: 'json' }],
    ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: {} } }],
  ])('name a wrong %s', (path, fields) => {
    expect(() => sentBody(fields)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path }) as Error);
  });

  it("default max_tokens to the price list's maximum, else the model's", () => {
    expect(sentBody({}, { maxOutputOf: () => 1234 }).max_tokens).toBe(1234);
    const ofBase = { baseModel: 'named', maxOutputOf: (model: string) => (model === 'named' ? 77 : null) };
    expect(sentBody({}, ofBase).max_tokens).toBe(77);
    const maxima = {
      'claude-3-haiku-20240307': 4096,
      'claude-3-5-sonnet-20241022': 8192,
      'claude-opus-4-20250514': 32_000,
      'claude-opus-4-6': 128_000,
      'MiniMax-M2': 8192,
    };
    for (const [model, most] of Object.entries(maxima)) expect(sentBody({ model }, { maxOutputOf: () => null }).max_tokens).toBe(most);
  });

  it.each<[string, string, Fields, Fields]>([
    ['a budget', MODEL, { reasoning_effort: 'high' }, { thinking: { type: 'enabled', budget_tokens: 4096 } }],
    [
      'a budget below max_tokens',
      MODEL,
      { reasoning_effort: 'high', max_tokens: 2000 },
      { thinking: { type: 'enabled', budget_tokens: 1999 } },
    ],
    ['none where there is no room', MODEL, { reasoning_effort: 'high', max_tokens: 1000 }, { thinking: undefined }],
    [
      'an effort',
      'claude-opus-4-6',
      { reasoning_effort: 'minimal' },
      { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'low' } },
    ],
    [
      'the highest effort that there is',
      'claude-opus-4-6',
      { reasoning_effort: { effort: 'xhigh' } },
      { output_config: { effort: 'high' } },
    ],
    [
      'xhigh',
      'claude-opus-4-7',
      { reasoning_effort: 'xhigh', output_config: { task_budget: 1 } },
      { output_config: { effort: 'xhigh', task_budget: 1 } },
    ],
    ['nothing for none', 'claude-opus-4-7', { reasoning_effort: 'none' }, { thinking: undefined, output_config: undefined }],
    ['disabled for none', 'claude-opus-5', { reasoning_effort: 'none' }, { thinking: { type: 'disabled' } }],
    ['nothing where it cannot be disabled', 'claude-fable-5', { thinking: { type: 'disabled' } }, { thinking: undefined }],
    [
      'what the client wrote',
      MODEL,
      { thinking: { type: 'enabled', budget_tokens: 1500 }, reasoning_effort: 'high' },
      { thinking: { type: 'enabled', budget_tokens: 1500 } },
    ],
    [
      'a budget as an effort',
      'claude-opus-4-7',
      { thinking: { type: 'enabled', budget_tokens: 5000 } },
      { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
    ],
    ['adaptive thinking as a budget', MODEL, { thinking: { type: 'adaptive' } }, { thinking: { type: 'enabled', budget_tokens: 2048 } }],
    [
      'none where a tool has to be called',
      MODEL,
      { reasoning_effort: 'high', tools: [tool('get')], tool_choice: 'required' },
      { thinking: undefined },
    ],
  ])('think with %s', (_, model, fields, sent) => {
    const body = sentBody({ model, ...fields });
    expect(Object.fromEntries(Object.keys(sent).map((name) => [name, body[name]]))).toEqual(sent);
  });

  it("merge the deployment's defaults, a fallback's changes and its extra_body", () => {
    const body = sentBody({ max_tokens: 5 }, { defaults: { max_tokens: 1, top_k: 2 }, overrides: { stop: 'x' }, fixed: { speed: 'fast' } });
    expect(body).toMatchObject({ max_tokens: 5, top_k: 2, stop_sequences: ['x'], speed: 'fast' });
  });

  it('go by the base model of a deployment with a name of its own', () => {
    expect(sentBody({ model: 'my-claude', reasoning_effort: 'low' }, { baseModel: 'claude-opus-4-6' })).toMatchObject({
      max_tokens: 128_000,
      thinking: { type: 'adaptive' },
    });
  });

  it('ask for a stream', () => {
    expect(sentBody({ stream: true }).stream).toBe(true);
    expect(sentBody({})).not.toHaveProperty('stream');
  });
});

describe('an answer by a schema', () => {
  const schema = { type: 'object', properties: { a: { type: 'number', minimum: 1, description: 'A' } }, required: ['a'] };
  const format = (given: unknown): Fields => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: given } } });

  it('is asked for in output_config, its limits as words', () => {
    const { output_config, tools } = sentBody(format({ ...schema, $schema: 'x', anyOf: undefined }));
    expect(tools).toBeUndefined();
    expect(output_config).toEqual({
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: { a: { type: 'number', description: 'A\n\n(minimum: 1)' } },
          required: ['a'],
          additionalProperties: false,
        },
      },
    });
  });

  it('is the input of a tool on older models', () => {
    const body = sentBody({ model: 'claude-3-7-sonnet-latest', ...format(schema) });
    expect(body).toMatchObject({
      tools: [{ name: 'json_tool_call', input_schema: schema }],
      tool_choice: { type: 'tool', name: 'json_tool_call' },
    });
  });

  it('is the input of a tool where objects may have any properties', () => {
    const open = { type: 'object', additionalProperties: { type: 'number' } };
    expect(sentBody(format(open))).toMatchObject({ tools: [{ name: 'json_tool_call', input_schema: open }] });
    expect(sentBody({ tools: [tool('get')], ...format(open) })).toHaveProperty('output_config.format');
  });

  it('does not keep the model from calling other tools', () => {
    const body = sentBody({ model: 'claude-3-7-sonnet-latest', tools: [tool('get')], ...format(schema) });
    expect(body).toMatchObject({ tools: [{ name: 'get' }, { name: 'json_tool_call' }], tool_choice: { type: 'auto' } });
  });

  it.each([
    [
      {
        oneOf: [
          { type: 'string', format: 'custom' },
          { type: 'string', format: 'date' },
        ],
      },
      {
        anyOf: [
          { type: 'string', description: '(format: "custom")' },
          { type: 'string', format: 'date' },
        ],
      },
    ],
    [
      { type: 'array', minItems: 1, items: { type: 'object', properties: {} } },
      { type: 'array', minItems: 1, items: { type: 'object', properties: {}, additionalProperties: false } },
    ],
    [
      { type: 'array', minItems: 2, maxItems: 3 },
      { type: 'array', description: '(minItems: 2, maxItems: 3)' },
    ],
    [
      { $ref: '#/$defs/x', $defs: { x: { type: 'string', maxLength: 3 } } },
      { $ref: '#/$defs/x', $defs: { x: { type: 'string', description: '(maxLength: 3)' } } },
    ],
    [
      { enum: ['a'], uniqueItems: false },
      { enum: ['a'], uniqueItems: false },
    ],
  ])('writes %j as Anthropic takes it', (given, sent) => {
    expect(sentBody(format({ type: 'object', properties: { x: given } }))).toHaveProperty('output_config.format.schema.properties.x', sent);
  });

  it('must not be too deep, and may name a property __proto__', () => {
    let deep: Fields = { type: 'string' };
    for (let level = 0; level < 1000; level++) deep = { type: 'array', items: deep };
    expect(() => sentBody(format({ type: 'object', properties: { deep } }))).toThrow('must not be nested deeper than 64');
    const odd = JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"}}}') as Fields;
    expect(JSON.stringify(sentBody(format(odd)))).toContain('"__proto__":{"type":"string"}');
  });

  it('cannot be anything but an object from a tool', () => {
    expect(() => sentBody({ model: 'claude-3-7-sonnet-latest', ...format({ type: 'array' }) })).toThrow('supports only object schemas');
  });

  it('is left to the prompt without a schema', () => {
    expect(sentBody({ response_format: { type: 'json_object' } })).toEqual(sentBody({}));
  });
});

describe('any conversation', () => {
  const part = fc.oneof(fc.constant(text('x')), fc.constant({ type: 'image_url', image_url: { url: PNG } }), fc.constant(text(' ')));
  const said = fc.oneof(fc.constantFrom('Hi', '', ' '), fc.array(part, { maxLength: 3 }), fc.constant(null));
  const words = fc.oneof(fc.constantFrom('Hi', '', ' '), fc.constant(null));
  const id = fc.constantFrom('a', 'b', 'c/d');
  const message = fc.oneof(
    fc.record({ role: fc.constant('user'), content: said }),
    fc.record({ role: fc.constantFrom('system', 'developer'), content: words }),
    fc.record({
      role: fc.constant('assistant'),
      content: words,
      tool_calls: fc.array(
        id.map((each) => call(each)),
        { maxLength: 2 },
      ),
    }),
    fc.record({ role: fc.constant('tool'), tool_call_id: id, content: said }),
  );

  it.each(['claude-sonnet-4-5', 'claude-opus-4-8'])('has turns as %s takes them', (model) => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 10 }), (given) => {
        const turns = messagesOf(given, { model }) as { role: string; content: Fields[] }[];
        expect(turns[0].role).toBe('user');
        for (const [at, { role, content }] of turns.entries()) {
          expect(content.length).toBeGreaterThan(0);
          expect(role).not.toBe(turns[at - 1]?.role);
          // Behind the user, before the assistant.
          if (role === 'system') expect([turns[at - 1].role, turns[at + 1]?.role ?? 'assistant']).toEqual(['user', 'assistant']);
          const types = content.map(({ type }) => type);
          const results = types.filter((type) => type === 'tool_result');
          expect(types.slice(0, results.length)).toEqual(results);
          const ids = content.filter(({ type }) => type === 'tool_result').map(({ tool_use_id }) => tool_use_id);
          expect(new Set(ids).size).toBe(ids.length);
          for (const block of content) if (block.type === 'text') expect(String(block.text).trim()).not.toBe('');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('and any parameter is sent, or refused by its name', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom(
        'auto',
        'required',
        'high',
        1,
        true,
        { type: 'function', function: { name: 'x' } },
        { type: 'json_schema', json_schema: { schema: {} } },
      ),
    );
    const names =
      `messages tools tool_choice parallel_tool_calls response_format reasoning_effort thinking stop user metadata temperature top_p max_tokens web_search_options
      service_tier top_k output_config`.split(/\s+/);
    const fields = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 });
    fc.assert(
      fc.property(fields, fc.boolean(), (given, dropParams) => {
        try {
          expect(sentBody(given, { dropParams })).toHaveProperty('max_tokens');
        } catch (error) {
          const { code = '' } = error as { code?: string };
          if (!['INVALID_ARGUMENT', 'UNSUPPORTED_PARAMETER', 'TOO_MANY_ENTRIES'].includes(code)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('headers', () => {
  const headersOf = (fields: Fields, facts: Partial<SentRequest> = {}): Record<string, string> => {
    const { headers = [] } = ANTHROPIC.call('chat', sentRequest({ model: MODEL, messages: [HELLO], ...fields }, facts)) ?? {};
    return Object.fromEntries(headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : [])));
  };

  it('have the version, that of the deployment first', () => {
    expect(headersOf({})).toEqual({ 'anthropic-version': '2023-06-01' });
    expect(headersOf({}, { headers: ['anthropic-version', '2026-10-21'] })).toEqual({ 'anthropic-version': '2026-10-21' });
  });

  it("name the betas of what is used beside the deployment's", () => {
    const file = { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file_1' } }] }] };
    const tools = [{ type: 'computer_20250124', name: 'computer' }];
    expect(
      headersOf({ ...file, tools, mcp_servers: [] }, { headers: ['anthropic-beta', 'oauth-2025-04-20, files-api-2025-04-14'] })[
        'anthropic-beta'
      ],
    ).toBe('oauth-2025-04-20,files-api-2025-04-14,mcp-client-2025-04-04,computer-use-2025-01-24');
  });
});
