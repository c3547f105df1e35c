import { loggableTexts } from './loggable-texts.js';
import { wholeAnswer } from './assemble-stream.js';

const chunk = (delta: object, more: object = {}, choice: object = {}): object => ({
  id: 'c',
  object: 'chat.completion.chunk',
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: null, ...choice }],
  ...more,
});

describe('the events of a stream are put together', () => {
  it('for chat, with tools, several choices and the usage at the end', () => {
    const called = (part: object): object => ({ tool_calls: [part] });
    const events = [
      chunk({ role: 'assistant', content: 'He' }),
      chunk({ content: 'llo', reasoning_content: 'x' }),
      chunk({ content: 'other' }, {}, { index: 1, finish_reason: 'length' }),
      chunk(called({ index: 0, id: 't1', type: 'function', function: { name: 'f', arguments: '{"a"' } })),
      chunk(called({ index: 0, function: { arguments: ':1}' } }), {}, { finish_reason: 'tool_calls' }),
      { id: 'c', object: 'chat.completion.chunk', choices: [], usage: { total_tokens: 3 } },
    ];
    expect(wholeAnswer(events)).toEqual({
      id: 'c',
      object: 'chat.completion',
      model: 'm',
      usage: { total_tokens: 3 },
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hello',
            reasoning_content: 'x',
            tool_calls: [{ id: 't1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
          },
          finish_reason: 'tool_calls',
        },
        { index: 1, message: { content: 'other' }, finish_reason: 'length' },
      ],
    });
  });

  it('for completions', () => {
    const events = ['a', 'b'].map((text) => ({ id: 'c', object: 'text_completion', choices: [{ index: 0, text }] }));
    expect(wholeAnswer(events)).toEqual({ id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'ab' }] });
  });

  it('for Responses, by the last event that has the response', () => {
    const events = [
      { type: 'response.created', response: { id: 'r', output: [] } },
      { type: 'response.output_text.delta', delta: 'a' },
      { type: 'response.completed', response: { id: 'r', output: [{ type: 'message' }] } },
    ];
    expect(wholeAnswer(events)).toEqual({ id: 'r', output: [{ type: 'message' }] });
  });

  it('for Messages, with the input of tools as a text', () => {
    const events = [
      { type: 'message_start', message: { id: 'm', role: 'assistant', content: [], usage: { input_tokens: 3, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hel' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'lo' } },
      { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', name: 'f', input: {} } },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"a":' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '1}' } },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } },
      { type: 'message_stop' },
    ];
    expect(wholeAnswer(events)).toEqual({
      id: 'm',
      role: 'assistant',
      stop_reason: 'tool_use',
      usage: { input_tokens: 3, output_tokens: 9 },
      content: [
        { type: 'text', text: 'Hello' },
        { type: 'tool_use', name: 'f', input: '{"a":1}' },
      ],
    });
  });

  it.each([[{ a: 1 }], ['text'], [undefined], [[]], [[{ odd: 1 }, 7]]])('but %j stays as it is', (answer) => {
    expect(wholeAnswer(answer)).toEqual(answer);
  });

  it('whatever indexes a provider invents', () => {
    const events = [
      chunk({ tool_calls: [{ index: 1e9, function: { name: 'f' } }, 7, null] }),
      { choices: [{ index: -1, delta: { content: 'x' } }, null] },
    ];
    expect(JSON.stringify(wholeAnswer(events)).length).toBeLessThan(1_000);
    const blocks = [{ type: 'message_start' }, { type: 'content_block_delta', index: 1e9, delta: { text: 'x' } }];
    expect(wholeAnswer(blocks)).toEqual({ content: [{ text: 'x' }] });
  });
});

describe('texts for a sink', () => {
  it('have no secrets, and keep the rest of a text', () => {
    const key = `sk-${'a1'.repeat(12)}`;
    const texts = {
      a: `my key ${key} is`,
      b: [`Bearer ${'x'.repeat(20)}`, 'The bearer of news'],
      c: 'redis://user:pass@host/1',
      token: 'Hi',
    };
    expect(loggableTexts(texts, 1_000)).toEqual({
      a: 'my key sk-*** is',
      b: ['Bearer ***', 'The bearer of news'],
      c: 'redis://***@host/1',
      token: 'Hi',
    });
  });

  it('are cut in all, and at any depth', () => {
    const cut = loggableTexts([{ url: 'x'.repeat(5_000) }, { text: 'y'.repeat(5_000) }, 'z'], 6_000);
    expect(JSON.stringify(cut).length).toBeLessThan(6_200);
    expect(cut).toEqual([{ url: 'x'.repeat(5_000) }, { text: expect.stringMatching(/^y+… \(cut\)$/) as string }, '… (cut)']);
    expect(JSON.stringify(loggableTexts(Array(100_000).fill(0.5), 8_000)).length).toBeLessThan(6_000);
    let deep: unknown = 'end';
    for (let i = 0; i < 10_000; i++) deep = [deep];
    expect(JSON.stringify(loggableTexts(deep, 1e6))).toContain('… (cut)');
  });
});
