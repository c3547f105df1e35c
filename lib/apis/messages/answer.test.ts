import { MESSAGES_BRIDGE } from './messages.js';

const whole = (chat: object, body: object = {}): Record<string, unknown> =>
  JSON.parse(
    MESSAGES_BRIDGE.answer({ model: 'asked', ...body })
      .whole(Buffer.from(JSON.stringify(chat)))
      .toString(),
  ) as Record<string, unknown>;
const answerOf = (message: object, choice: object = {}, body: object = {}): Record<string, unknown> =>
  whole({ id: 'chatcmpl-1', model: 'gpt-4o', choices: [{ message, finish_reason: 'stop', ...choice }] }, body);
const call = (id: string, json: unknown = '{"a":1}'): object => ({ id, type: 'function', function: { name: 'f', arguments: json } });
const use = (id: string, input: object = { a: 1 }): object => ({ type: 'tool_use', id, name: 'f', input });
const text = { type: 'text', text: 'Hello' };

describe('the bridge of Messages answers', () => {
  it('with a message', () => {
    expect(answerOf({ role: 'assistant', content: 'Hello' })).toEqual({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'gpt-4o',
      content: [text],
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      usage: { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
    });
  });

  it.each<[string, object, object[]]>([
    ['no content', { content: null }, []],
    ['parts of text', { content: [{ type: 'text', text: 'Hel' }, { type: 'x' }, { type: 'text', text: 'lo' }] }, [text]],
    ['calls behind text', { content: 'Hello', tool_calls: [call('a'), call('b')] }, [text, use('a'), use('b')]],
    ['a call without arguments', { tool_calls: [call('a', '')] }, [use('a', {})]],
    ['a call whose arguments were cut', { tool_calls: [call('a', '{"a":')] }, [use('a', {})]],
    ['a call whose arguments are a list', { tool_calls: [call('a', '[1]')] }, [use('a', {})]],
    ['a call whose arguments are an object', { tool_calls: [call('a', { a: 1 })] }, [use('a')]],
    ['unsigned thinking', { content: 'Hello', reasoning_content: 'hm' }, [{ type: 'thinking', thinking: 'hm', signature: '' }, text]],
    ['thinking by its other name', { content: 'Hello', reasoning: 'hm' }, [{ type: 'thinking', thinking: 'hm', signature: '' }, text]],
    [
      'signed thinking',
      {
        content: 'Hello',
        reasoning_content: 'hm',
        thinking_blocks: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'redacted_thinking', data: 'd' },
        ],
      },
      [{ type: 'thinking', thinking: 'hm', signature: 's' }, { type: 'redacted_thinking', data: 'd' }, text],
    ],
    ['a refusal', { content: null, refusal: 'Hello' }, [text]],
  ])('with the content of %s', (_, message, content) => {
    expect(answerOf(message).content).toEqual(content);
  });

  it.each<[string, unknown, object, string]>([
    ['stop', 'stop', {}, 'end_turn'],
    ['an unknown reason', 'eos', {}, 'end_turn'],
    ['no reason', null, {}, 'end_turn'],
    ['length', 'length', { tool_calls: [call('a')] }, 'max_tokens'],
    ['content_filter', 'content_filter', {}, 'refusal'],
    ['a refusal', 'stop', { refusal: 'No.' }, 'refusal'],
    ['tool_calls behind text', 'tool_calls', { content: 'Hello', tool_calls: [call('a')] }, 'tool_use'],
    ['stop although there are calls', 'stop', { content: 'Hello', tool_calls: [call('a')] }, 'tool_use'],
  ])('with a stop reason for %s', (_, finish, message, reason) => {
    expect(answerOf(message, { finish_reason: finish })).toMatchObject({ stop_reason: reason, stop_sequence: null });
  });

  it('with the stop sequence where the provider tells it', () => {
    const body = { stop_sequences: ['END'] };
    expect(answerOf({ content: '' }, { stop_reason: 'END' }, body)).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'END' });
    expect(answerOf({ content: '' }, { stop_reason: 128_001 }, body)).toMatchObject({ stop_reason: 'end_turn', stop_sequence: null });
  });

  it.each<[string, object | undefined, readonly number[]]>([
    ['none', undefined, [0, 0, 0, 0]],
    ['plain figures', { prompt_tokens: 9, completion_tokens: 2 }, [9, 0, 0, 2]],
    ['cached tokens', { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } }, [5, 0, 4, 2]],
    [
      'tokens written to the cache',
      {
        prompt_tokens: 9,
        completion_tokens: 2,
        cache_creation_input_tokens: 3,
        prompt_tokens_details: { cached_tokens: 4, cache_creation_tokens: 3 },
      },
      [2, 3, 4, 2],
    ],
    ['more cached tokens than there are', { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } }, [0, 0, 4, 0]],
    ['no numbers', { prompt_tokens: 'many', completion_tokens: -1, prompt_tokens_details: 1 }, [0, 0, 0, 0]],
  ])('with the usage of %s', (_, usage, [input, written, read, output]) => {
    expect(whole({ choices: [{ message: {} }], usage }).usage).toEqual({
      input_tokens: input,
      cache_creation_input_tokens: written,
      cache_read_input_tokens: read,
      output_tokens: output,
    });
  });

  it('with the tokens of its thinking', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 9, completion_tokens_details: { reasoning_tokens: 8 } };
    expect(whole({ choices: [{ message: {} }], usage }).usage).toMatchObject({
      output_tokens: 9,
      output_tokens_details: { thinking_tokens: 8 },
    });
  });

  it('with ids and a model where the provider has none', () => {
    expect(whole({ choices: [{ message: { tool_calls: [call('')] } }] })).toMatchObject({
      id: expect.stringMatching(/^msg_\w{32}$/) as string,
      model: 'asked',
      content: [{ id: expect.stringMatching(/^toolu_\w{32}$/) as string }],
    });
  });

  it.each(['{}', '{"choices":[]}', '{"choices":[{}]}', '{x}', '{"choices":[{"message":{"tool_calls":[null]}}]}'])(
    'throws for %s',
    (chat) => {
      expect(() => MESSAGES_BRIDGE.answer({ model: 'm' }).whole(Buffer.from(chat))).toThrow();
    },
  );
});
