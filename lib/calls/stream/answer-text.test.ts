import fc from 'fast-check';
import { TEXT_PLACES } from '../answer/text-places.js';
import { AnswerText } from './answer-text.js';
import { StreamTail } from './stream-tail.js';

const chars = (text: string): number => text.length;
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const delta = (fields: object, index = 0): string =>
  event({ id: 'c', model: 'content', choices: [{ index, delta: fields, finish_reason: null }] });
const textOf = (json: string): string => {
  let seen = '';
  const text = new AnswerText((part) => (seen += part).length);
  text.add(json);
  text.tokens();
  return seen;
};

const { chat, completions, messages, responses } = TEXT_PLACES;
const TEXT_FIELDS = new Set<string>([
  ...Object.keys(chat.fields),
  chat.thinking,
  ...Object.values(chat.calls),
  completions.field,
  ...Object.values(messages.blocks).flatMap(({ field, deltaField }) => [field, deltaField]),
  responses.delta,
  ...responses.whole,
]);
// Also the field of errors.
TEXT_FIELDS.delete('code');

describe('AnswerText', () => {
  it.each([...TEXT_FIELDS])('reads the text of the field %s', (field) => {
    expect(textOf(event({ [field]: 'one', other: 'two' }))).toBe('one');
  });

  it.each<[string, string, string]>([
    ['chat', delta({ role: 'assistant', content: 'a' }) + delta({ content: '"\\\n' }), 'a"\\\n'],
    [
      'tool arguments',
      delta({ tool_calls: [{ index: 0, id: 'x', function: { name: 'f', arguments: '{"content":"b"}' } }] }),
      '{"content":"b"}',
    ],
    ['a refusal', delta({ content: null, refusal: 'no' }), 'no'],
    [
      'reasoning under two names',
      delta({ content: '', reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm' }] }),
      'hm',
    ],
    ['a token of reasoning that comes twice', delta({ reasoning_content: 'ha' }) + delta({ reasoning_content: 'ha' }), 'haha'],
    [
      'thinking of Claude through chat',
      delta({ reasoning_content: 'hm', thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: 's' }] }),
      'hm',
    ],
    ['Messages', event({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"a":' } }), '{"a":'],
    [
      'Responses',
      event({ type: 'response.output_text.delta', delta: 'ab' }) + event({ type: 'response.output_text.done', text: 'ab' }),
      'ab',
    ],
    ['completions', event({ choices: [{ text: 'c', logprobs: { tokens: ['c'] } }] }), 'c'],
    [
      'a whole answer of Messages',
      JSON.stringify({
        content: [
          { type: 'text', text: 'a' },
          { type: 'tool_use', input: { b: 'c"' } },
        ],
      }),
      'a{"b":"c\\""}',
    ],
    ['an answer that is cut', '{"choices":[{"message":{"content":"one two', 'one two'],
    ['nothing that is no text', event({ id: 'content', type: 'text', usage: { prompt_tokens: 1 }, model: '"text":"x"' }), ''],
  ])('finds the text of %s', (_, json, expected) => {
    expect(textOf(json)).toBe(expected);
  });

  it('distinguishes reasoning from its summaries, and keeps the first and the last usage', () => {
    const text = new AnswerText(chars);
    text.add(delta({ thinking_blocks: [{ thinking: 'hm' }] }));
    expect(text.showsReasoning).toBe(false);
    text.add(delta({ reasoning: 'hm' }));
    expect(text.showsReasoning).toBe(true);
    for (let turn = 0; turn < 9; turn++) text.add(event({ choices: [], usage: { completion_tokens: turn } }));
    expect(text.usages.map((usage) => JSON.parse(usage) as unknown)).toEqual([0, 6, 7, 8].map((turn) => ({ completion_tokens: turn })));
  });

  it('takes no usage that the client has sent, as providers repeat it in metadata and tools', () => {
    const text = new AnswerText(chars);
    const sent = { usage: { prompt_tokens: 1 } };
    text.add(event({ id: 'c', metadata: sent, choices: [{ message: sent }], usage: { total_tokens: 2 } }));
    text.add(event({ type: 'response.completed', response: { tools: [{ parameters: sent }], usage: { total_tokens: 3 }, text: sent } }));
    text.add(`event: message_start\n${event({ type: 'message_start', message: { model: '"{', usage: { input_tokens: 4 } } })}`);
    text.add(event({ type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 5 } }));
    const known = [{ total_tokens: 2 }, { total_tokens: 3 }, { input_tokens: 4 }, { output_tokens: 5 }];
    expect(text.usages.map((usage) => JSON.parse(usage) as unknown)).toEqual(known);
  });

  it('reads a usage once, whatever is nested in it', () => {
    expect(textOf('{"usage":{"usage":{"content":"a"}},"content":"b"}')).toBe('b');
    const text = new AnswerText(chars);
    text.add('{"usage":{"usage":{"usage":{"prompt_tokens":1}}}}');
    text.add('{"usage":'.repeat(50_000));
    expect(text.usages).toHaveLength(2);
  });

  it('counts a long text in blocks, each once', () => {
    const counted: number[] = [];
    const text = new AnswerText((part) => {
      counted.push(part.length);
      return part.length;
    });
    for (let turn = 0; turn < 4_000; turn++) text.add(delta({ content: 'a'.repeat(20) }));
    expect(counted).toHaveLength(2);
    expect(text.tokens()).toBe(80_000);
    expect(text.tokens()).toBe(80_000);
    expect(counted).toHaveLength(3);
  });
});

describe('the text of a StreamTail', () => {
  const texts = fc.array(
    fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('"', '\\', '\\"', '\n')),
    {
      minLength: 1,
      maxLength: 300,
    },
  );

  it('is complete, however chunks split the stream', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(30_000), { maxLength: 60 }), (parts, cuts) => {
        const whole = Buffer.from(parts.map((content) => delta({ content })).join(''));
        const ends = [...new Set([...cuts.filter((cut) => cut < whole.length), whole.length])].sort((a, b) => a - b);
        let seen = '';
        const record = new StreamTail({ count: (text) => (seen += text).length });
        ends.forEach((end, at) => record.add(whole.subarray(ends[at - 1] ?? 0, end)));
        record.text()?.tokens();
        expect(seen).toBe(parts.join(''));
      }),
    );
  });
});
