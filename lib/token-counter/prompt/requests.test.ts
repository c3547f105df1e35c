import { FastLiteLLM } from '../../fast-litellm.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };
const counter = new FastLiteLLM({ engine: 'typescript', logger: silent }, { env: {} }).tokenCounter;
const tokens = (body: object): number => counter.countRequest(body).promptTokens;
const text = (value: string): number => counter.countTokens(value, 'gpt-4o');

const model = 'gpt-4o';
const messages = [{ role: 'user', content: 'Hello, how are you?' }];
const tools = [{ type: 'function', function: { name: 'now', description: 'The time' } }];

describe('countRequest', () => {
  it('counts a chat request as countMessages counts its messages and tools', () => {
    const choice = { type: 'function', function: { name: 'now' } };
    const expected = counter.countMessages(messages, { model, tools, toolChoice: choice });
    expect(counter.countRequest({ model, messages, tools, tool_choice: choice })).toEqual({
      promptTokens: expected,
      approximate: false,
      encoding: 'o200k_base',
    });
    expect(tokens({ model, messages, functions: [tools[0].function], function_call: { name: 'now' } })).toBe(expected);
  });

  it("counts Anthropic's system prompt as a system message", () => {
    const system = { role: 'system', content: 'You are a bot.' };
    const expected = counter.countMessages([system, ...messages], { model });
    expect(tokens({ model, messages, system: system.content })).toBe(expected);
    expect(tokens({ model, messages, system: [{ type: 'text', text: system.content }] })).toBe(expected);
  });

  it.each<[unknown, number]>([
    ['Hello world', 2],
    [['Hello world', ' again', ''], 3],
    [[], 0],
    [[1, 2, 3], 3],
    [[[1, 2, 3], [4]], 4],
    [['Hello world', [4, 5]], 4],
  ])('counts %j as the input of embeddings and as the prompt of completions', (input, expected) => {
    expect(tokens({ model, input })).toBe(expected);
    expect(tokens({ model, prompt: input })).toBe(expected);
  });

  it('counts the input items of the Responses API', () => {
    const chat = counter.countMessages(messages, { model });
    expect(tokens({ model, input: messages })).toBe(chat);
    expect(
      tokens({
        model,
        input: [
          { type: 'message', id: 'msg_1', status: 'completed', role: 'user', content: [{ type: 'input_text', text: messages[0].content }] },
        ],
      }),
    ).toBe(chat);
    expect(tokens({ model, instructions: 'You are a bot.', input: messages[0].content })).toBe(
      counter.countMessages([{ role: 'system', content: 'You are a bot.' }, ...messages], { model }),
    );
    expect(tokens({ model, input: messages, tools })).toBe(counter.countMessages(messages, { model, tools }));
    const call = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'now', arguments: '{}' };
    expect(tokens({ model, input: [call] })).toBe(3 + 3 + text('call_1') + text('now') + text('{}'));
    expect(tokens({ model, input: [{ type: 'function_call_output', call_id: 'call_1', output: '12:30' }] })).toBe(
      3 + 3 + text('call_1') + text('12:30'),
    );
    expect(tokens({ model, input: [{ type: 'function_call_output', output: [{ type: 'input_text', text: '12:30' }] }] })).toBe(
      3 + 3 + text('12:30'),
    );
    const reasoning = { type: 'reasoning', encrypted_content: 'gAAAA', summary: [{ type: 'summary_text', text: 'Thinking' }] };
    expect(tokens({ model, input: [reasoning] })).toBe(3 + 3 + text('Thinking'));
  });

  it('counts the calls and outputs of all tools of the Responses API', () => {
    const png = Buffer.alloc(3000, 7);
    png.write('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR', 'latin1');
    png.writeUInt32BE(1024, 16);
    png.writeUInt32BE(1024, 20);
    const image_url = `data:image/png;base64,${png.toString('base64')}`;
    const item = (fields: object): number => tokens({ model, input: [fields] }) - 6;
    expect(item({ type: 'computer_call_output', output: { type: 'computer_screenshot', image_url } })).toBe(765);
    expect(item({ type: 'image_generation_call', id: 'ig_1', result: png.toString('base64') })).toBe(765);
    expect(item({ type: 'shell_call', action: { commands: ['ls'] } })).toBe(text('{"commands":["ls"]}'));
    expect(item({ type: 'shell_call_output', output: [{ stdout: 'a.txt', stderr: '' }] })).toBe(text('[{"stdout":"a.txt","stderr":""}]'));
    expect(item({ type: 'code_interpreter_call', code: '1 + 1', outputs: [{ type: 'logs', logs: '2' }] })).toBe(
      text('1 + 1') + text('[{"type":"logs","logs":"2"}]'),
    );
    expect(item({ type: 'mcp_list_tools', server_label: 's', tools: [{ name: 'now', input_schema: {} }] })).toBe(
      9 + text('namespace functions {\n\ntype now = () => any;\n\n} // namespace functions'),
    );
    expect(item({ type: 'custom_tool_call', name: 'shell', input: 'ls' })).toBe(text('shell') + text('ls'));
  });

  it('counts the schema of a structured reply, as an estimate', () => {
    const schema = { type: 'object', properties: { at: { type: 'string' } } };
    const chat = counter.countMessages(messages, { model });
    const expected = chat + text('// The time\ntype answer = (_: {\nat?: string,\n}) => any;\n');
    const named = { name: 'answer', description: 'The time', schema };
    expect(counter.countRequest({ model, messages, response_format: { type: 'json_schema', json_schema: named } })).toEqual({
      promptTokens: expected,
      approximate: true,
      encoding: 'o200k_base',
    });
    expect(tokens({ model, input: messages, text: { format: { type: 'json_schema', ...named } } })).toBe(expected);
    expect(tokens({ model, messages, response_format: { type: 'json_schema', json_schema: { schema: true } } })).toBe(chat);
    expect(counter.countRequest({ model, messages, response_format: { type: 'json_object' } })).toMatchObject({ approximate: false });
  });

  it.each([
    { input: 'Hello', previous_response_id: 'resp_1' },
    { input: 'Hello', conversation: 'conv_1' },
    { input: 'Hello', prompt: { id: 'pmpt_1' } },
  ])('counts the visible part of a prompt that is partly stored at the provider: %j', (body) => {
    expect(counter.countRequest({ model, ...body })).toEqual({ promptTokens: 3 + 3 + 1 + 1, approximate: true, encoding: 'o200k_base' });
  });

  it('sets approximate if a count is an estimate', () => {
    for (const unseen of [
      { type: 'item_reference', id: 'm' },
      { type: 'compaction', encrypted_content: 'gAAAA' },
    ])
      expect(counter.countRequest({ model, input: [unseen] })).toMatchObject({ promptTokens: 6, approximate: true });
    expect(counter.countRequest({ model, prompt: { id: 'pmpt_1', variables: { city: 'Oslo' } } })).toMatchObject({
      promptTokens: 3 + text('{"city":"Oslo"}'),
      approximate: true,
    });
    const image = (url: string, detail?: string) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url, detail } }] }];
    expect(counter.countRequest({ model: 'claude-sonnet-4-5', messages })).toMatchObject({ approximate: true, encoding: 'cl100k_base' });
    expect(counter.countRequest({ model, messages: image('https://example.com/cat.png') })).toMatchObject({ approximate: true });
    expect(counter.countRequest({ model, messages: image('https://example.com/cat.png', 'low') })).toMatchObject({
      approximate: false,
      promptTokens: 3 + 3 + 1 + 85,
    });
    expect(counter.countRequest({ messages })).toMatchObject({ approximate: false, encoding: 'cl100k_base', promptTokens: 13 });
    expect(counter.countRequest({ model: null, messages })).toMatchObject({ promptTokens: 13 });
  });

  it.each([
    ['messages', {}],
    ['messages', { messages: 'Hello' }],
    ['model', { model: 4, messages }],
    ['input[1]', { input: ['a', null] }],
    ['input[0]', { input: [1.5] }],
    ['input[0]', { input: [['a']] }],
    ['input[1]', { input: [{ role: 'user', content: '' }, 'a'] }],
    ['input[0].content[0].type', { input: [{ role: 'user', content: [{ type: 'x' }] }] }],
    ['input[0].tools[0]', { input: [{ type: 'mcp_list_tools', tools: [7] }] }],
    ['prompt', { prompt: 7 }],
    ['input', { input: 7 }],
    ['input', { input: 7, tools }],
    ['system', { system: 7, messages }],
    ['tools', { tools: 7, messages }],
    ['body', null],
    ['body', [messages]],
    ['body', 'Hello'],
  ])('throws an error with the path %s for the body %j', (path, body) => {
    expect(() => counter.countRequest(body as object)).toThrow(expect.objectContaining({ name: 'InvalidArgumentError', path }));
  });
});
