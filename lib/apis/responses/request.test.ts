import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { SentRequest } from '../../providers/protocol.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { functionCallItem, messageItem, reasoningItem, textPart } from '../../providers/openai/responses/items.js';
import { KeptItems } from '../../providers/openai/responses/kept-items.js';
import { chatRequestOf } from './request.js';

const sentOf = (dropParams = false) =>
  ({ provider: 'groq', model: 'llama', dropParams, params: {}, request: { body: {} } }) as unknown as SentRequest;
const chatOf = (fields: object, kept = new KeptItems(), dropParams = false): ModelRequest =>
  chatRequestOf({ model: 'm', input: 'Hi', ...fields }, sentOf(dropParams), kept);
const messagesOf = (...input: object[]): unknown => chatOf({ input }).messages;

const user = { role: 'user', content: 'Hi' } as const;
const call = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' };
const output = { type: 'function_call_output', call_id: 'c1', output: 'done' };
const called = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
const told = { role: 'tool', tool_call_id: 'c1', content: 'done' };

describe('the input of Responses as messages', () => {
  it('has instructions first', () => {
    expect(chatOf({ instructions: 'Be kind.' }).messages).toEqual([{ role: 'system', content: 'Be kind.' }, user]);
  });

  it.each(['user', 'system', 'developer', 'assistant'])('keeps the role %s', (role) => {
    expect(messagesOf({ role, content: 'Hi' })).toEqual([{ role, content: 'Hi' }]);
    expect(messagesOf({ type: 'message', role, content: [{ type: 'input_text', text: 'Hi' }] })).toEqual([{ role, content: 'Hi' }]);
  });

  it.each([
    [
      { type: 'input_image', image_url: 'https://x/y.png', detail: 'low' },
      { type: 'image_url', image_url: { url: 'https://x/y.png', detail: 'low' } },
    ],
    [
      { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: null },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
    ],
    [
      { type: 'input_image', image_url: 'https://x/y.png', file_id: 'file-1' },
      { type: 'image_url', image_url: { url: 'https://x/y.png' } },
    ],
    [
      { type: 'input_file', file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' } },
    ],
    [
      { type: 'input_file', file_id: 'file-1' },
      { type: 'file', file: { file_id: 'file-1' } },
    ],
    [
      { type: 'input_file', file_url: 'https://x/a.pdf' },
      { type: 'file', file: { file_id: 'https://x/a.pdf' } },
    ],
    [
      { type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } },
      { type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } },
    ],
    [
      { type: 'input_text', text: 'Hi', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } },
    ],
  ])('translates the part %j', (part, chatPart) => {
    expect(messagesOf({ role: 'user', content: [part] })).toEqual([{ role: 'user', content: [chatPart] }]);
  });

  it('joins reasoning, text and calls of one turn', () => {
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm' }] };
    const text = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'So' }] };
    expect(messagesOf(user, reasoning, text, call, { ...call, call_id: 'c2' }, output, { ...output, call_id: 'c2' })).toEqual([
      user,
      { role: 'assistant', content: 'So', reasoning_content: 'Hm', tool_calls: [called, { ...called, id: 'c2' }] },
      told,
      { ...told, tool_call_id: 'c2' },
    ]);
  });

  it('begins a new turn after each output', () => {
    const turn = { role: 'assistant', content: null, tool_calls: [called] };
    expect(messagesOf(call, output, call, output)).toEqual([turn, told, turn, told]);
  });

  it('returns signed thinking', () => {
    const blocks = [{ type: 'thinking', thinking: 'Hm', signature: 'sig' }] as const;
    expect(messagesOf(reasoningItem('rs_1', 'Hm', blocks), call)).toEqual([
      { role: 'assistant', content: null, reasoning_content: 'Hm', thinking_blocks: blocks, tool_calls: [called] },
    ]);
  });

  it('ignores the encrypted reasoning of OpenAI', () => {
    expect(messagesOf({ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' }, user)).toEqual([user]);
  });

  it('refuses sealed reasoning that would cost more than it says', () => {
    const sealed = (blocks: number): object => {
      const json = `[${Array.from({ length: blocks }, () => '{"type":"thinking"}').join()}]`;
      return { type: 'reasoning', summary: [], encrypted_content: `thinking_blocks:${Buffer.from(json).toString('base64')}` };
    };
    const [assistant] = messagesOf(sealed(15_000), { role: 'assistant', content: 'a' }, user) as { thinking_blocks: object[] }[];
    expect(assistant.thinking_blocks).toHaveLength(15_000);
    expect(() => messagesOf(sealed(15_000), sealed(6_000), user)).toThrow('input[1].encrypted_content: must have at most 20000 blocks');
    expect(() => messagesOf(sealed(200_000), user)).toThrow('input[0].encrypted_content: must have at most 20000 blocks');
  });

  it('has the parts of an output', () => {
    const parts = [
      { type: 'input_text', text: 'a' },
      { type: 'input_image', image_url: 'https://x/y.png' },
    ];
    expect(messagesOf({ ...output, output: parts })).toEqual([
      {
        ...told,
        content: [
          { type: 'text', text: 'a' },
          { type: 'image_url', image_url: { url: 'https://x/y.png' } },
        ],
      },
    ]);
  });

  it('finds the items that a reference names', () => {
    const kept = new KeptItems();
    kept.keep(messageItem('msg_1', 'completed', [textPart('So')]));
    kept.keep(functionCallItem('fc_1', 'completed', { call_id: 'c1', name: 'f', arguments: '{}' }));
    const references = [{ type: 'item_reference', id: 'msg_1' }, { id: 'fc_1' }];
    expect(chatOf({ input: references }, kept).messages).toEqual([{ role: 'assistant', content: 'So', tool_calls: [called] }]);
  });

  it('drops a reference to unknown reasoning', () => {
    expect(messagesOf({ type: 'item_reference', id: 'rs_unknown' }, user)).toEqual([user]);
  });

  it.each([
    ['input[0]', { type: 'item_reference', id: 'msg_unknown' }],
    ['input[0].type', { type: 'web_search_call', id: 'ws_1' }],
    ['input[0].content[0].type', { role: 'user', content: [{ type: 'computer_screenshot' }] }],
    ['input[0].content[0].file_id', { role: 'user', content: [{ type: 'input_image', file_id: 'file-1' }] }],
  ])('names %s, which chat does not have', (param, item) => {
    expect(() => messagesOf(item)).toThrow(expect.objectContaining({ name: UnsupportedRequestError.name, param }) as Error);
  });

  it.each([
    ['input', { input: undefined }],
    ['input[0]', { input: ['Hi'] }],
    ['input[0].role', { input: [{ role: 'tool', content: 'a' }] }],
    ['input[0].content', { input: [{ role: 'user', content: 7 }] }],
    ['input[0].content[0].text', { input: [{ role: 'user', content: [{ type: 'input_text' }] }] }],
    ['input[0].content[0].image_url', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    ['input[0].call_id', { input: [{ ...call, call_id: '' }] }],
    ['input[0].arguments', { input: [{ ...call, arguments: {} }] }],
    ['input[0].output', { input: [{ ...output, output: null }] }],
    ['input[0].summary[0].text', { input: [{ type: 'reasoning', summary: [{}] }] }],
    ['instructions', { instructions: 7 }],
    ['tools', { tools: {} }],
    ['tools[0].name', { tools: [{ type: 'function' }] }],
    ['tool_choice.name', { tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'function' } }],
    ['text', { text: 'json' }],
    ['text.format.name', { text: { format: { type: 'json_schema' } } }],
    ['reasoning', { reasoning: 'high' }],
    ['include', { include: 'all' }],
  ])('rejects a wrong %s', (path, fields) => {
    expect(() => chatOf(fields)).toThrow(expect.objectContaining({ name: InvalidArgumentError.name, path }) as Error);
  });
});

describe('the parameters of Responses in chat', () => {
  const tool = { type: 'function', name: 'f', description: 'd', parameters: { type: 'object' }, strict: true };
  const chatTool = { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true } };

  it.each([
    [{ max_output_tokens: 9 }, { max_tokens: 9 }],
    [{ reasoning: { effort: 'high', summary: 'auto' } }, { reasoning_effort: 'high' }],
    [{ reasoning: { summary: 'auto' } }, {}],
    [{ text: { verbosity: 'low', format: { type: 'text' } } }, { verbosity: 'low' }],
    [{ text: { format: { type: 'json_object' } } }, { response_format: { type: 'json_object' } }],
    [
      { text: { format: { type: 'json_schema', name: 'n', schema: {}, strict: true } } },
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {}, strict: true } } },
    ],
    [
      { tools: [tool], parallel_tool_calls: false },
      { tools: [chatTool], parallel_tool_calls: false },
    ],
    [
      { tools: [tool], tool_choice: 'required' },
      { tools: [chatTool], tool_choice: 'required' },
    ],
    [
      { tools: [tool], tool_choice: { type: 'function', name: 'f' } },
      { tools: [chatTool], tool_choice: { type: 'function', function: { name: 'f' } } },
    ],
    [
      {
        tools: [tool, { ...tool, name: 'g' }],
        tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }] },
      },
      { tools: [chatTool], tool_choice: 'required' },
    ],
    [{ tools: [], tool_choice: 'auto', parallel_tool_calls: true }, {}],
    [{ top_logprobs: 3 }, { logprobs: true, top_logprobs: 3 }],
    [{ include: ['message.output_text.logprobs'] }, { logprobs: true }],
    [
      { temperature: 0.5, top_p: 1, user: 'u', stop: ['a'], unheard_of: 5, client_metadata: {}, num_retries: 2 },
      { temperature: 0.5, top_p: 1, user: 'u', stop: ['a'] },
    ],
    [
      { stream: true, stream_options: { include_obfuscation: false } },
      { stream: true, stream_options: { include_usage: true } },
    ],
    [
      {
        store: true,
        background: false,
        truncation: 'auto',
        include: ['reasoning.encrypted_content'],
        previous_response_id: null,
        context_management: [],
        max_tool_calls: 3,
      },
      {},
    ],
  ])('translates %j', (fields, chat) => {
    expect(chatOf(fields)).toEqual({ model: 'm', messages: [user], ...chat });
  });

  it.each([
    ['previous_response_id', { previous_response_id: 'resp_1' }, false],
    ['conversation', { conversation: 'conv_1' }, false],
    ['prompt', { prompt: { id: 'p' } }, false],
    ['background', { background: true }, true],
    ['context_management', { context_management: [{ type: 'compaction' }] }, true],
    ['tools[0]', { tools: [{ type: 'web_search' }] }, true],
    ['tool_choice', { tools: [tool], tool_choice: { type: 'mcp', server_label: 's' } }, true],
    ['text.format', { text: { format: { type: 'grammar' } } }, true],
  ])('names %s, which chat does not have', (param, fields, isDropped) => {
    const unsupported = expect.objectContaining({ name: UnsupportedRequestError.name, param }) as Error;
    expect(() => chatOf(fields)).toThrow(unsupported);
    if (isDropped) expect(chatOf(fields, undefined, true)).toMatchObject({ messages: [user] });
    else expect(() => chatOf(fields, undefined, true)).toThrow(unsupported);
  });
});

describe('kept items', () => {
  it('drops the oldest when there is no more room', () => {
    const kept = new KeptItems(1000);
    for (let i = 0; i < 10; i++) kept.keep(messageItem(`msg_${i}`, 'completed', [textPart('x'.repeat(100))]));
    expect([0, 6, 7, 9].map((i) => kept.get(`msg_${i}`) !== undefined)).toEqual([false, false, true, true]);
  });

  it('keeps nothing that is larger than all of it', () => {
    const kept = new KeptItems(1000);
    kept.keep(messageItem('msg_1', 'completed', [textPart('x'.repeat(1001))]));
    expect(kept.get('msg_1')).toBeUndefined();
  });
});
