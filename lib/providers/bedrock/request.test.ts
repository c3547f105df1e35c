import fc from 'fast-check';
import type { ApiCallRequest } from '../../calls/call-request.js';
import type { SentRequest } from '../protocol.js';
import { BEDROCK } from './bedrock.js';

type Fields = Record<string, unknown>;

const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const USER = { role: 'user', content: 'Hi' };
const HI = { role: 'user', content: [{ text: 'Hi' }] };
const tool = (name: string, more: Fields = {}): Fields => ({
  type: 'function',
  function: { name, parameters: { type: 'object' }, ...more },
});
const spec = (name: string, more: Fields = {}): Fields => ({
  toolSpec: { name, description: name, inputSchema: { json: { type: 'object' } }, ...more },
});
const png = 'data:image/png;base64,aGk=';

function sentOf(fields: Fields, model: string, more: Partial<SentRequest> = {}): SentRequest {
  const body = { model: 'm', messages: [USER], ...fields };
  const request = {
    body,
    stream: fields.stream === true,
    isLarge: false,
    hasOwnFields: false,
    hasTags: false,
    addsUsage: false,
    options: {},
  };
  const rest = { overrides: undefined, addsUsage: false, defaults: undefined, fixed: undefined, dropParams: false, params: {} };
  return { request: request as unknown as ApiCallRequest, body, provider: 'bedrock', model, ...rest, ...more };
}

/** What is sent for these fields of a chat request. */
function sent(fields: Fields, model = CLAUDE, more: Partial<SentRequest> = {}): Fields {
  return JSON.parse(BEDROCK.call('chat', sentOf(fields, model, more))?.body as string) as Fields;
}
const messages = (...list: Fields[]): unknown => sent({ messages: list }).messages;
const call = (id: string, name: string, input: string): Fields => ({ id, type: 'function', function: { name, arguments: input } });

describe('messages', () => {
  it('takes more blocks of thinking and parts than a call has arguments, and turns around empty ones', () => {
    const signed = Array.from({ length: 150_000 }, () => ({ type: 'redacted_thinking', data: 'aGk=' }));
    const parts = Array.from({ length: 150_000 }, () => ({ type: 'text', text: 'a' }));
    const list = [USER, { role: 'assistant', content: 'b', thinking_blocks: signed }, { role: 'user', content: parts }];
    const turns = messages(...list, { role: 'assistant', content: '' }, USER) as { content: object[] }[];
    expect(turns.map(({ content }) => content.length)).toEqual([1, 150_001, 150_001]);
  });

  it('puts leading system messages in front and leaves later ones in place', () => {
    const body = sent({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'developer', content: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }] },
        USER,
        { role: 'assistant', content: 'Hello' },
        { role: 'system', content: 'Be loud.' },
        USER,
      ],
    });
    expect(body.system).toEqual([{ text: 'Be brief.' }, { text: 'Be kind.' }, { cachePoint: { type: 'default' } }]);
    expect(body.messages).toEqual([
      HI,
      { role: 'assistant', content: [{ text: 'Hello' }] },
      { role: 'user', content: [{ text: 'Be loud.' }, { text: 'Hi' }] },
    ]);
  });

  it('puts all results of a turn first, in one message, each once', () => {
    const result = (id: string, content: unknown, more: Fields = {}): Fields => ({ role: 'tool', tool_call_id: id, content, ...more });
    expect(
      messages(
        USER,
        { role: 'assistant', content: null, tool_calls: [call('a', 'f', '{"x":1}'), call('b', 'g', '')] },
        { role: 'system', content: 'Note' },
        result('a', '1', { is_error: true }),
        result('b', [
          { type: 'text', text: '2' },
          { type: 'image_url', image_url: { url: png } },
        ]),
        result('a', 'again'),
        USER,
      ),
    ).toEqual([
      HI,
      {
        role: 'assistant',
        content: [{ toolUse: { toolUseId: 'a', name: 'f', input: { x: 1 } } }, { toolUse: { toolUseId: 'b', name: 'g', input: {} } }],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: 'a', content: [{ text: '1' }], status: 'error' } },
          { toolResult: { toolUseId: 'b', content: [{ text: '2' }, { image: { format: 'png', source: { bytes: 'aGk=' } } }] } },
          { text: 'Note' },
          { text: 'Hi' },
        ],
      },
    ]);
  });

  it.each([
    ['', []],
    [null, []],
    [[], []],
    [[{ type: 'text', text: '' }], []],
  ])('sends a tool result of %j without a text', (content, parts) => {
    const [, , { content: results }] = messages(
      USER,
      { role: 'assistant', content: null, tool_calls: [call('a', 'f', '{}')] },
      { role: 'tool', tool_call_id: 'a', content },
    ) as { content: unknown }[];
    expect(results).toEqual([{ toolResult: { toolUseId: 'a', content: parts } }]);
  });

  it('begins with a user, drops blank texts and trims the answer to continue', () => {
    expect(
      messages({ role: 'assistant', content: 'Hello' }, { role: 'user', content: ' ' }, { role: 'assistant', content: 'I \n' }),
    ).toEqual([
      { role: 'user', content: [{ text: '.' }] },
      { role: 'assistant', content: [{ text: 'Hello' }, { text: 'I' }] },
    ]);
    expect(messages({ role: 'system', content: 'Be brief.' })).toEqual([{ role: 'user', content: [{ text: '.' }] }]);
  });

  it('shortens ids and names that the service does not take, the same way each time', () => {
    const id = `call_${'x'.repeat(80)}__thought__a+/=`;
    const body = sent({
      tools: [tool('mcp.search'), tool('mcp/search'), tool('9lives')],
      messages: [USER, { role: 'assistant', tool_calls: [call(id, 'mcp/search', '{}')] }, { role: 'tool', tool_call_id: id, content: 'x' }],
    });
    const names = (body.toolConfig as { tools: { toolSpec: { name: string } }[] }).tools.map(({ toolSpec }) => toolSpec.name);
    const [, { content }, { content: results }] = body.messages as { content: Record<string, { toolUseId: string; name: string }>[] }[];
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[a-zA-Z][\w-]{0,63}$/);
    expect(names).toContain(content[0].toolUse.name);
    expect(content[0].toolUse.toolUseId).toMatch(/^[\w-]{1,64}$/);
    expect(results[0].toolResult.toolUseId).toBe(content[0].toolUse.toolUseId);
  });

  it('marks cached messages, parts, calls and tools', () => {
    const mark = { type: 'ephemeral', ttl: '1h' };
    const body = sent({
      tools: [{ ...tool('f'), cache_control: mark }],
      messages: [
        { ...USER, cache_control: { type: 'ephemeral' } },
        { role: 'assistant', tool_calls: [{ ...call('a', 'f', '{}'), cache_control: mark }] },
        { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'x', cache_control: mark }] },
      ],
    });
    const long = { cachePoint: { type: 'default', ttl: '1h' } };
    expect(body.toolConfig).toEqual({ tools: [spec('f'), long] });
    expect((body.messages as { content: unknown[] }[]).map(({ content }) => content.at(-1))).toEqual([
      { cachePoint: { type: 'default' } },
      long,
      long,
    ]);
    expect(JSON.stringify(sent({ messages: [{ ...USER, cache_control: mark }] }, 'meta.llama3-1-70b-instruct-v1:0'))).not.toContain(
      'cachePoint',
    );
    expect(JSON.stringify(sent({ messages: [{ ...USER, cache_control: mark }] }, 'amazon.nova-pro-v1:0'))).toContain(
      '"cachePoint":{"type":"default"}',
    );
  });

  it('returns signed thinking to Claude, first and unchanged, and drops any other', () => {
    const own = Buffer.from('EmwK').toString('base64');
    const thinking_blocks = [
      { type: 'thinking', thinking: 'Hm', signature: 's=' },
      { type: 'redacted_thinking', data: 'EmwK' },
      { type: 'redacted_thinking', data: own },
      { type: 'thinking', thinking: 'unsigned' },
    ];
    const assistant = { role: 'assistant', content: 'Yes', reasoning_content: 'Hm', thinking_blocks };
    const redacted = { reasoningContent: { redactedContent: own } };
    expect((messages(USER, assistant, USER) as { content: unknown }[])[1].content).toEqual([
      { reasoningContent: { reasoningText: { text: 'Hm', signature: 's=' } } },
      redacted,
      redacted,
      { text: 'Yes' },
    ]);
    const [, answer] = sent({ messages: [USER, assistant, USER] }, 'amazon.nova-lite-v1:0').messages as { content: unknown }[];
    expect(answer.content).toEqual([{ text: 'Yes' }]);
  });
});

describe('parts', () => {
  const part = (value: Fields): unknown => (messages({ role: 'user', content: [value] }) as { content: unknown[] }[])[0].content[0];

  it.each<[string, Fields, unknown]>([
    ['an image', { type: 'image_url', image_url: { url: png } }, { image: { format: 'png', source: { bytes: 'aGk=' } } }],
    [
      'an image as a text',
      { type: 'image_url', image_url: 'data:image/jpg;base64,aGk=' },
      { image: { format: 'jpeg', source: { bytes: 'aGk=' } } },
    ],
    [
      'an image in S3',
      { type: 'image_url', image_url: { url: 's3://bucket/cat.JPG' } },
      { image: { format: 'jpeg', source: { s3Location: { uri: 's3://bucket/cat.JPG' } } } },
    ],
    [
      'a video',
      { type: 'image_url', image_url: { url: 'data:video/mp4;base64,aGk=' } },
      { video: { format: 'mp4', source: { bytes: 'aGk=' } } },
    ],
    [
      'a sound',
      { type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } },
      { audio: { format: 'wav', source: { bytes: 'aGk=' } } },
    ],
    [
      'a document',
      { type: 'file', file: { file_data: 'data:application/pdf;base64,aGk=', filename: 'Q3 report_v2.pdf' } },
      { document: { format: 'pdf', name: 'Q3 report v2', source: { bytes: 'aGk=' } } },
    ],
    [
      "Anthropic's document",
      { type: 'document', source: { type: 'base64', media_type: 'text/csv', data: 'aGk=' }, title: 'T', citations: { enabled: true } },
      { document: { format: 'csv', name: 'T', source: { bytes: 'aGk=' }, citations: { enabled: true } } },
    ],
    [
      "Anthropic's text",
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hi' }, context: 'c' },
      { document: { format: 'txt', name: 'document', source: { text: 'hi' }, context: 'c' } },
    ],
    ['a guarded text', { type: 'guarded_text', text: 'hi' }, { guardContent: { text: { text: 'hi' } } }],
  ])('translates %s', (_, value, block) => {
    expect(part(value)).toEqual(block);
  });

  it('gives documents distinct names, and a text next to them', () => {
    const file = { type: 'file', file: { file_data: 'data:application/pdf;base64,aGk=', filename: 'a.pdf' } };
    const nameless = { type: 'file', file: { file_data: 'data:text/plain;base64,aGk=' } };
    const [{ content }] = messages({ role: 'user', content: [file, nameless, file, nameless] }) as {
      content: { document?: { name: string }; text?: string }[];
    }[];
    expect(content.map(({ document, text }) => document?.name ?? text)).toEqual(['a', 'document', 'a 2', 'document 2', '.']);
  });

  it.each<[string, Fields, RegExp]>([
    [
      'an image by its URL',
      { type: 'image_url', image_url: { url: 'https://h/cat.png' } },
      /^messages\[0\]\.content\[0\]\.image_url is not supported: .*data: URL/,
    ],
    ['a file by its id', { type: 'file', file: { file_id: 'file-1' } }, /file\.file_id is not supported: .*send file_data/],
    ['an image of another type', { type: 'image_url', image_url: { url: 'data:image/tiff;base64,aGk=' } }, /image\/tiff/],
    ['a type of part', { type: 'video_url' }, /content\[0\] is not supported/],
  ])('refuses %s', (_, value, message) => {
    expect(() => part(value)).toThrow(message);
  });

  it.each<[string, unknown, RegExp]>([
    ['no messages', [], /^messages: must be a non-empty array of messages/],
    ['another role', [{ role: 'function', content: 'x' }], /^messages\[0\]\.role: must be one of/],
    ['no message', [null], /^messages\[0\]\.role/],
    ['a part that is none', [{ role: 'user', content: [null] }], /^messages\[0\]\.content\[0\]\.type/],
    ['a result without an id', [{ role: 'tool', content: 'x' }], /^messages\[0\]\.tool_call_id/],
    [
      'arguments that are no JSON',
      [{ role: 'assistant', tool_calls: [call('a', 'f', '{')] }],
      /^messages\[0\]\.tool_calls\[0\]\.function\.arguments/,
    ],
    [
      'arguments that are no object',
      [{ role: 'assistant', tool_calls: [call('a', 'f', '[1]')] }],
      /arguments: must be a string with a JSON object/,
    ],
    ['a call without a name', [{ role: 'assistant', tool_calls: [{ id: 'a' }] }], /^messages\[0\]\.tool_calls\[0\]\.function\.name/],
    ['a call that is none', [{ role: 'assistant', tool_calls: [null] }], /^messages\[0\]\.tool_calls\[0\]\.id/],
    ['content of another type', [{ role: 'user', content: 7 }], /^messages\[0\]\.content: must be a string or an array/],
  ])('rejects %s with its path', (_, list, message) => {
    expect(() => sent({ messages: list })).toThrow(message);
  });
});

describe('parameters', () => {
  it.each<[string, Fields, string, Fields]>([
    [
      'sampling',
      { max_tokens: 100, temperature: 0.5, top_p: 0.9, stop: ['a', ''], top_k: 5, seed: null, n: 1 },
      CLAUDE,
      {
        inferenceConfig: { maxTokens: 100, temperature: 0.5, topP: 0.9, stopSequences: ['a'] },
        additionalModelRequestFields: { top_k: 5 },
      },
    ],
    ['top_k of Nova', { top_k: 5 }, 'us.amazon.nova-pro-v1:0', { additionalModelRequestFields: { inferenceConfig: { topK: 5 } } }],
    ['a stop that is a text', { stop: 'a', max_completion_tokens: 7 }, CLAUDE, { inferenceConfig: { maxTokens: 7, stopSequences: ['a'] } }],
    [
      "the service's own fields",
      {
        guardrailConfig: { guardrailIdentifier: 'g' },
        performanceConfig: { latency: 'optimized' },
        requestMetadata: { team: 'a' },
        anthropic_beta: ['b'],
      },
      CLAUDE,
      {
        guardrailConfig: { guardrailIdentifier: 'g' },
        performanceConfig: { latency: 'optimized' },
        requestMetadata: { team: 'a' },
        additionalModelRequestFields: { anthropic_beta: ['b'] },
      },
    ],
    [
      'fields that are merged',
      { inferenceConfig: { temperature: 1 }, temperature: 0, additionalModelRequestFields: { top_k: 1, x: { y: 1 } }, x: { z: 2 } },
      CLAUDE,
      { inferenceConfig: { temperature: 1 }, additionalModelRequestFields: { top_k: 1, x: { z: 2, y: 1 } } },
    ],
    ['a tier', { service_tier: 'priority' }, CLAUDE, { serviceTier: { type: 'priority' } }],
    [
      'what changes no answer',
      { user: 'u', metadata: { a: 'b' }, store: true, service_tier: 'auto', response_format: { type: 'text' } },
      CLAUDE,
      {},
    ],
    [
      'effort of an older Claude',
      { reasoning_effort: 'medium' },
      CLAUDE,
      {
        inferenceConfig: { maxTokens: 2048 + 4096 },
        additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 2048 } },
        additionalModelResponseFieldPaths: ['/usage/output_tokens_details'],
      },
    ],
    [
      'effort with little room',
      { reasoning_effort: 'high', max_tokens: 2000 },
      'anthropic.claude-3-7-sonnet-20250219-v1:0',
      {
        inferenceConfig: { maxTokens: 2000 },
        additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1999 } },
        additionalModelResponseFieldPaths: ['/usage/output_tokens_details'],
      },
    ],
    [
      'effort without room',
      { reasoning_effort: 'high', max_tokens: 500, temperature: 0 },
      CLAUDE,
      { inferenceConfig: { maxTokens: 500, temperature: 0 } },
    ],
    [
      'effort of a newer Claude',
      { reasoning_effort: 'xhigh' },
      'global.anthropic.claude-opus-4-6-v1',
      {
        additionalModelRequestFields: { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'high' } },
        additionalModelResponseFieldPaths: ['/usage/output_tokens_details'],
      },
    ],
    ['no effort', { reasoning_effort: 'none' }, 'us.anthropic.claude-opus-4-8', {}],
    [
      'no effort of a Claude that thinks unasked',
      { reasoning_effort: 'none' },
      'us.anthropic.claude-sonnet-5',
      { additionalModelRequestFields: { thinking: { type: 'disabled' } } },
    ],
    [
      'an effort beside a tool that has to be called',
      { reasoning_effort: 'low', tools: [tool('f')], tool_choice: 'required' },
      CLAUDE,
      { toolConfig: { tools: [spec('f')], toolChoice: { any: {} } } },
    ],
    ['a temperature beyond that of Claude', { temperature: 1.5 }, CLAUDE, { inferenceConfig: { temperature: 1 } }],
    [
      'a small budget',
      { thinking: { type: 'enabled', budget_tokens: 10 }, max_tokens: 4000 },
      CLAUDE,
      {
        inferenceConfig: { maxTokens: 4000 },
        additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1024 } },
        additionalModelResponseFieldPaths: ['/usage/output_tokens_details'],
      },
    ],
    [
      'a budget of a Claude without budgets',
      { thinking: { type: 'enabled', budget_tokens: 3000 } },
      'us.anthropic.claude-opus-4-8',
      {
        additionalModelRequestFields: { thinking: { type: 'adaptive' }, output_config: { effort: 'medium' } },
        additionalModelResponseFieldPaths: ['/usage/output_tokens_details'],
      },
    ],
    [
      'effort of Nova 2',
      { reasoning_effort: 'minimal' },
      'us.amazon.nova-2-lite-v1:0',
      { additionalModelRequestFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } } },
    ],
    [
      'effort of gpt-oss',
      { reasoning_effort: 'low' },
      'openai.gpt-oss-120b-1:0',
      { additionalModelRequestFields: { reasoning_effort: 'low' } },
    ],
    [
      'effort of GPT',
      { reasoning_effort: 'low' },
      'openai.gpt-5.6-sol',
      { additionalModelRequestFields: { reasoning: { effort: 'low' } } },
    ],
  ])('translates %s', (_, fields, model, expected) => {
    expect(sent(fields, model)).toEqual({ messages: [HI], ...expected });
  });

  it.each<[string, Fields, string, string]>([
    ['several choices', { n: 2 }, CLAUDE, 'n'],
    ['a seed', { seed: 1 }, CLAUDE, 'seed'],
    ['probabilities', { logprobs: true }, CLAUDE, 'logprobs'],
    ['effort of a model that does not think', { reasoning_effort: 'low' }, 'meta.llama3-1-8b-instruct-v1:0', 'reasoning_effort'],
    ['thinking of a model that does not', { thinking: { type: 'adaptive' } }, 'amazon.nova-pro-v1:0', 'thinking'],
    ['a temperature while it thinks', { reasoning_effort: 'low', temperature: 0 }, CLAUDE, 'temperature'],
    ['a temperature of a Claude without', { temperature: 0 }, 'us.anthropic.claude-opus-4-8', 'temperature'],
    [
      'a forced tool while it thinks',
      { thinking: { type: 'enabled', budget_tokens: 2000 }, tools: [tool('f')], tool_choice: 'required' },
      CLAUDE,
      'tool_choice',
    ],
    ['a forced tool of a model without', { tools: [tool('f')], tool_choice: 'required' }, 'meta.llama3-1-8b-instruct-v1:0', 'tool_choice'],
    ['a search of a model without', { web_search_options: {} }, CLAUDE, 'web_search_options'],
    ['another tier', { service_tier: 'scale' }, CLAUDE, 'service_tier'],
  ])('refuses %s, and drops it with drop_params', (_, fields, model, param) => {
    const error = expect.objectContaining({
      code: 'UNSUPPORTED_PARAMETER',
      param,
      remedy: expect.stringContaining('drop_params') as string,
    }) as Error;
    expect(() => sent(fields, model)).toThrow(error);
    expect(JSON.stringify(sent(fields, model, { dropParams: true }))).not.toMatch(
      new RegExp(`"(?:${param}|any|topP|serviceTier|disable_parallel_tool_use)"`),
    );
  });

  it('rejects a reasoning effort for a model named by an ARN, unless base_model names it', () => {
    const arn = 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc';
    expect(() => sent({ reasoning_effort: 'low' }, arn)).toThrow(/base_model/);
    const wire = BEDROCK.call('chat', sentOf({ reasoning_effort: 'low' }, arn, { baseModel: CLAUDE }));
    expect(wire?.path).toBe(`/model/${encodeURIComponent(arn)}/converse`);
    expect(wire?.body).toContain('budget_tokens');
  });

  it.each<[string, Fields, RegExp]>([
    ['an effort that is none', { reasoning_effort: 'huge' }, /^reasoning_effort: must be /],
    ['a thinking that is none', { thinking: { type: 'on' } }, /^thinking\.type/],
    ['a budget that is no integer', { thinking: { type: 'enabled', budget_tokens: 'x' } }, /^thinking\.budget_tokens/],
    ['a maximum that is none', { max_tokens: 'many' }, /^max_tokens: must be a positive integer/],
    ['a format that is none', { response_format: { type: 'xml' } }, /^response_format\.type/],
    ['a format without a schema', { response_format: { type: 'json_schema' } }, /^response_format\.json_schema\.schema/],
    ['tools that are no list', { tools: {} }, /^tools: must be an array/],
    ['a tool without a name', { tools: [{ type: 'function', function: {} }] }, /^tools\[0\]\.function\.name/],
    ['a choice that is none', { tools: [tool('f')], tool_choice: { type: 'function' } }, /^tool_choice/],
  ])('rejects %s', (_, fields, message) => {
    expect(() => sent(fields)).toThrow(message);
  });

  it('keeps keys of prototypes as data', () => {
    const body = JSON.parse('{"__proto__":{"a":1},"additionalModelRequestFields":{"__proto__":{"b":2}}}') as Fields;
    expect(JSON.stringify(sent(body).additionalModelRequestFields)).toContain('__proto__');
    expect(({} as Fields).a).toBeUndefined();
  });
});

describe('tools', () => {
  const history = [USER, { role: 'assistant', tool_calls: [call('a', 'f', '{}')] }, { role: 'tool', tool_call_id: 'a', content: 'x' }];

  it.each<[string, Fields, unknown]>([
    [
      'a tool',
      { tools: [tool('f', { description: 'does', strict: true })] },
      { tools: [spec('f', { description: 'does', strict: true })] },
    ],
    [
      'a tool without a schema',
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      { tools: [spec('f', { inputSchema: { json: { type: 'object', properties: {} } } })] },
    ],
    ['auto', { tools: [tool('f')], tool_choice: 'auto' }, { tools: [spec('f')], toolChoice: { auto: {} } }],
    ['required', { tools: [tool('f')], tool_choice: 'required' }, { tools: [spec('f')], toolChoice: { any: {} } }],
    [
      'a named one',
      { tools: [tool('f.g')], tool_choice: { type: 'function', function: { name: 'f.g' } } },
      { tools: [spec('f_g')], toolChoice: { tool: { name: 'f_g' } } },
    ],
    ['none', { tools: [tool('f')], tool_choice: 'none' }, undefined],
    [
      "one in the service's words",
      { tools: [{ systemTool: { name: 'nova_grounding' } }] },
      { tools: [{ systemTool: { name: 'nova_grounding' } }] },
    ],
  ])('translates %s', (_, fields, config) => {
    expect(sent(fields).toolConfig).toEqual(config);
  });

  it('asks for one tool at a time as Anthropic does', () => {
    const one = { tools: [tool('f')], parallel_tool_calls: false };
    expect(sent(one).additionalModelRequestFields).toEqual({ tool_choice: { type: 'auto', disable_parallel_tool_use: true } });
    expect(sent({ ...one, tool_choice: 'auto' })).toMatchObject({
      additionalModelRequestFields: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
      toolConfig: { tools: [{}] },
    });
    expect(sent({ ...one, tool_choice: 'auto' }).toolConfig).not.toHaveProperty('toolChoice');
  });

  it('leaves it to the answer next to a forced tool, and at other models', () => {
    const one = { tools: [tool('f')], parallel_tool_calls: false };
    expect(sent({ ...one, tool_choice: 'required' })).not.toHaveProperty('additionalModelRequestFields');
    expect(sent(one, 'amazon.nova-pro-v1:0')).not.toHaveProperty('additionalModelRequestFields');
  });

  it('sends a tool for a conversation that called some', () => {
    const { tools } = sent({ messages: history }).toolConfig as { tools: { toolSpec: { name: string } }[] };
    expect(tools.map(({ toolSpec }) => toolSpec.name)).toEqual(['dummy_tool']);
    expect(() => sent({ messages: history, tools: [tool('f')], tool_choice: 'none' })).toThrow(/does not support "none"/);
  });

  it('thinks only where the thinking before the last call is at hand', () => {
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    expect(sent({ messages: history, thinking, max_tokens: 4000 })).not.toHaveProperty('additionalModelRequestFields');
    const [user, assistant, result] = history;
    const signed = { ...assistant, thinking_blocks: [{ type: 'thinking', thinking: 'Hm', signature: 's' }] };
    expect(sent({ messages: [user, signed, result], thinking, max_tokens: 4000 }).additionalModelRequestFields).toEqual({ thinking });
  });

  const schema = { type: 'object', properties: { a: { type: 'array', items: { type: 'object', properties: {} } } } };
  const response_format = { type: 'json_schema', json_schema: { name: 'out', schema } };

  it('asks for structured output natively where a model has it', () => {
    const { outputConfig, toolConfig } = sent({ response_format });
    expect(toolConfig).toBeUndefined();
    const { structure } = (outputConfig as { textFormat: { structure: { jsonSchema: { schema: string; name: string } } } }).textFormat;
    expect(structure.jsonSchema.name).toBe('out');
    expect(JSON.parse(structure.jsonSchema.schema)).toEqual({
      type: 'object',
      properties: { a: { type: 'array', items: { type: 'object', properties: {}, additionalProperties: false } } },
      additionalProperties: false,
    });
  });

  it('asks for structured output as the input of a forced tool elsewhere', () => {
    const own = { toolSpec: { name: 'json_tool_call', description: 'json_tool_call', inputSchema: { json: schema } } };
    const nova = 'amazon.nova-pro-v1:0';
    const plain = spec('f', { inputSchema: { json: { type: 'object', properties: {} } } });
    expect(sent({ response_format }, nova).toolConfig).toEqual({ tools: [own], toolChoice: { tool: { name: 'json_tool_call' } } });
    expect(sent({ response_format, tools: [tool('f')] }, nova).toolConfig).toEqual({ tools: [plain, own], toolChoice: { any: {} } });
    expect(sent({ response_format }, 'meta.llama3-1-8b-instruct-v1:0').toolConfig).not.toHaveProperty('toolChoice');
  });

  it('refuses a schema that is too deep', () => {
    let deep: Fields = {};
    for (let level = 0; level < 100; level++) deep = { items: deep };
    expect(() => sent({ response_format: { type: 'json_schema', json_schema: { schema: deep } } })).toThrow(/deeper than 64/);
  });
});

it('writes the model into the path, and asks for a stream there', () => {
  expect(BEDROCK.call('chat', sentOf({ stream: true }, CLAUDE))?.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/converse-stream`);
  expect(sent({ stream: true, stream_options: { include_usage: true } })).toEqual({ messages: [HI] });
  const id = 'arn:aws:bedrock:us-east-1:1:provisioned-model/x';
  const wire = BEDROCK.call('chat', sentOf({ model_id: 'of the client' }, CLAUDE, { params: { model_id: id } }));
  expect(wire?.path).toBe(`/model/${encodeURIComponent(id)}/converse`);
});

describe('any request', () => {
  const words = fc.constantFrom(
    '',
    ' ',
    'user',
    'assistant',
    'tool',
    'system',
    'text',
    'image_url',
    'file',
    'document',
    'required',
    'none',
    'json_schema',
    'enabled',
    'f',
    '{}',
    png,
  );
  const names = fc.constantFrom(
    ...`role content type text image_url url file file_data tool_calls id function name arguments tool_call_id thinking_blocks thinking signature data cache_control
    ttl source media_type parameters schema json_schema $ref items properties __proto__ constructor`.split(/\s+/),
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      words,
      fc.constantFrom(null, 0, 7, -1, true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(names, tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  const fields = fc.dictionary(
    fc.constantFrom(
      ...`messages tools tool_choice response_format thinking reasoning_effort stop temperature top_p max_tokens parallel_tool_calls service_tier
      web_search_options inferenceConfig additionalModelRequestFields top_k stream_options`.split(/\s+/),
    ),
    json,
    { maxKeys: 6 },
  );
  const models = fc.constantFrom(
    CLAUDE,
    'us.anthropic.claude-opus-4-8',
    'amazon.nova-pro-v1:0',
    'us.amazon.nova-2-lite-v1:0',
    'meta.llama3-1-8b-instruct-v1:0',
  );

  it('is written, or rejected with the name of the invalid part', () => {
    fc.assert(
      fc.property(fields, models, fc.boolean(), (body, model, dropParams) => {
        try {
          expect(sent(body, model, { dropParams })).toHaveProperty('messages');
        } catch (error) {
          const { code, path, param } = error as { readonly code?: unknown; readonly path?: string; readonly param?: string };
          expect(['INVALID_ARGUMENT', 'UNSUPPORTED_PARAMETER']).toContain(code);
          expect(path ?? param).not.toBe('body');
        }
      }),
      { numRuns: 500 },
    );
  });
});
