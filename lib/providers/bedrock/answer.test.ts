import { wholeAnswer } from './answer.js';
import { ToolNames } from './tool-names.js';
import { JSON_TOOL } from './tools.js';

describe('a whole answer of Bedrock', () => {
  const context = { model: 'm', names: new ToolNames(), hasJsonTool: false, hasOneCall: false, includesUsage: true };
  const translated = (content: unknown, more: object = {}, given: Partial<typeof context> = {}): unknown =>
    JSON.parse(
      wholeAnswer(Buffer.from(JSON.stringify({ output: { message: { content } }, ...more })), { ...context, ...given }).toString(),
    );
  const choice = (...args: Parameters<typeof translated>): unknown => (translated(...args) as { choices: unknown[] }).choices[0];
  const call = (id: string, input: unknown = { a: 1 }, name = 'f'): object => ({ toolUse: { toolUseId: id, name, input } });
  const called = (id: string, input = '{"a":1}'): object => ({ id, type: 'function', function: { name: 'f', arguments: input } });
  const thought = { reasoningContent: { reasoningText: { text: 'Hm', signature: 's' } } };

  it.each<[string, unknown[], string, object, string]>([
    ['no content', [], 'end_turn', { content: '' }, 'stop'],
    ['texts', [{ text: 'a' }, { text: '' }, { text: 'b' }], 'end_turn', { content: 'ab' }, 'stop'],
    ['the longest text', [{ text: 'a' }], 'max_tokens', { content: 'a' }, 'length'],
    ['a call', [call('1')], 'tool_use', { content: null, tool_calls: [called('1')] }, 'tool_calls'],
    ['a call without input', [call('1', null)], 'tool_use', { content: null, tool_calls: [called('1', '{}')] }, 'tool_calls'],
    [
      'a text and calls',
      [{ text: 'a' }, call('1'), call('2')],
      'tool_use',
      { content: 'a', tool_calls: [called('1'), called('2')] },
      'tool_calls',
    ],
    ['a call of its own tool', [{ toolUse: { type: 'server_tool_use' } }], 'tool_use', { content: '' }, 'stop'],
    [
      'a thought',
      [thought, { text: 'a' }],
      'end_turn',
      { content: 'a', reasoning_content: 'Hm', thinking_blocks: [{ type: 'thinking', thinking: 'Hm', signature: 's' }] },
      'stop',
    ],
    ['an empty thought', [{ reasoningContent: { reasoningText: { text: '' } } }, { text: 'a' }], 'end_turn', { content: 'a' }, 'stop'],
    [
      'a cited text',
      [{ citationsContent: { content: [{ text: 'a' }, { text: 'b' }], citations: [{ title: 't' }] } }],
      'end_turn',
      { content: 'ab', provider_specific_fields: { citations: [{ title: 't' }] } },
      'stop',
    ],
    ['blocks of no object', [null, 7, 'a', { text: 7 }], 'end_turn', { content: '' }, 'stop'],
    ['a filter', [{ text: 'a' }], 'guardrail_intervened', { content: 'a' }, 'content_filter'],
    ['a reason that is a name of all objects', [{ text: 'a' }], 'constructor', { content: 'a' }, 'stop'],
  ])('with %s', (_, content, stopReason, message, finish) => {
    expect(choice(content, { stopReason })).toEqual({
      index: 0,
      message: { role: 'assistant', refusal: null, ...message },
      logprobs: null,
      finish_reason: finish,
    });
  });

  it('with a structured output has the input of the first call of its tool', () => {
    const content = [call('1', { a: 1 }, JSON_TOOL), call('2', { b: 2 }, JSON_TOOL)];
    expect(choice(content, { stopReason: 'tool_use' }, { hasJsonTool: true })).toMatchObject({
      message: { content: '{"a":1}' },
      finish_reason: 'stop',
    });
  });

  it('of one call leaves out the others', () => {
    expect(choice([call('1'), call('2')], { stopReason: 'tool_use' }, { hasOneCall: true })).toMatchObject({
      message: { tool_calls: [called('1')] },
    });
  });

  it("with a model's mistake is an error, unless it has more than thoughts", () => {
    const stopReason = 'malformed_model_output';
    for (const content of [[], [thought], [{ text: '' }]]) expect(translated(content, { stopReason })).toHaveProperty('error');
    for (const block of [{ text: 'a' }, call('1')])
      expect(choice([thought, block], { stopReason })).toMatchObject({ finish_reason: 'length' });
  });

  it.each([[{}], [{ output: {} }], [{ output: { message: { content: {} } } }]])('is refused without a message: %j', (answer) => {
    expect(() => wholeAnswer(Buffer.from(JSON.stringify(answer)), context)).toThrow('the response has no output.message.content');
  });

  it.each([{ name: 'f' }, { toolUseId: '1' }])('is refused with the call %j', (toolUse) => {
    expect(() => translated([{ toolUse }])).toThrow('toolUse must have a toolUseId and a name');
  });
});
