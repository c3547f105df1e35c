import fc from 'fast-check';
import { DialectTranslator } from './dialect-answer.js';
import type { AnswerRules } from './dialect.js';

type Fields = Readonly<Record<string, unknown>>;

const wholeOf = (rules: AnswerRules, answer: Fields): Fields =>
  JSON.parse(new DialectTranslator(rules).whole(Buffer.from(JSON.stringify(answer))).toString('utf8')) as Fields;
const answer = (message: Fields, finish: string | null, more: Fields = {}): Fields => ({
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
  ...more,
});
const events = (...data: readonly (Fields | string)[]): Buffer =>
  Buffer.from(data.map((each) => `data: ${typeof each === 'string' ? each : JSON.stringify(each)}\n\n`).join(''));
const delta = (fields: Fields, finish: string | null = null, more: Fields = {}): Fields => ({
  id: 'c',
  choices: [{ index: 0, delta: fields, finish_reason: finish }],
  ...more,
});
const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };

function streamOf(rules: AnswerRules, bytes: readonly Buffer[], movesUsage = false): readonly unknown[] {
  const translator = new DialectTranslator(rules, movesUsage);
  const text = Buffer.concat([...bytes.map((each) => translator.chunk(each)), translator.end()]).toString('utf8');
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => (event === 'data: [DONE]' ? '[DONE]' : JSON.parse(event.slice('data: '.length))) as unknown);
}

describe('DialectTranslator', () => {
  it.each<[string, AnswerRules, Fields, Fields]>([
    ['a finish reason', { finish: { eos: 'stop' } }, answer({ content: 'a' }, 'eos'), answer({ content: 'a' }, 'stop')],
    [
      'the finish reason of tool calls',
      {},
      answer({ content: null, tool_calls: [call] }, 'stop'),
      answer({ content: null, tool_calls: [call] }, 'tool_calls'),
    ],
    [
      "a tool call's type",
      {},
      answer({ tool_calls: [{ id: 'a', function: call.function }] }, 'tool_calls'),
      answer({ tool_calls: [{ ...call }] }, 'tool_calls'),
    ],
    [
      'reasoning',
      { reasoning: true },
      answer({ reasoning: 'Hm', content: 'a' }, 'stop'),
      answer({ content: 'a', reasoning_content: 'Hm' }, 'stop'),
    ],
    [
      "both providers' names of reasoning",
      { reasoning: true },
      answer({ reasoning: 'Hm', reasoning_content: 'Hm' }, 'stop'),
      answer({ reasoning_content: 'Hm' }, 'stop'),
    ],
    [
      'parts of content',
      { parts: true },
      answer(
        {
          content: [
            { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
            { type: 'text', text: 'a' },
          ],
        },
        'stop',
      ),
      answer({ content: 'a', reasoning_content: 'Hm' }, 'stop'),
    ],
    [
      'reasoning tokens beside the completion tokens',
      { reasoningApart: true },
      answer({ content: 'a' }, 'stop', {
        usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 8, completion_tokens_details: { reasoning_tokens: 5 } },
      }),
      answer({ content: 'a' }, 'stop', {
        usage: { prompt_tokens: 1, completion_tokens: 7, total_tokens: 8, completion_tokens_details: { reasoning_tokens: 5 } },
      }),
    ],
  ])('corrects %s', (_, rules, given, expected) => expect(wholeOf(rules, given)).toEqual(expected));

  it('gives a tool call without an id one', () => {
    const [choice] = wholeOf({}, answer({ tool_calls: [{ function: call.function }] }, 'stop')).choices as Fields[];
    expect(choice.message).toMatchObject({ tool_calls: [{ id: expect.stringMatching(/^call_.{36}$/) as string, type: 'function' }] });
  });

  it('passes the bytes of an answer that needs nothing', () => {
    const bytes = Buffer.from('{ "choices" : [ ] }');
    expect(new DialectTranslator({ reasoning: true, finish: { eos: 'stop' } }).whole(bytes)).toBe(bytes);
  });

  it.each([
    ['no object', '[{"tool_calls":1}]'],
    ['an error', '{"error":{"message":"\\"tool_calls\\""}}'],
  ])('passes %s', (_, text) => {
    expect(new DialectTranslator({}).whole(Buffer.from(text)).toString('utf8')).toBe(text);
  });

  it('numbers the tool calls of a stream, and finishes with tool_calls', () => {
    const part = (name: string | undefined, args: string): Fields =>
      delta({ tool_calls: [{ ...(name && { id: name }), function: { name, arguments: args } }] });
    const stream = streamOf({}, [events(part('f', ''), part(undefined, '{}'), part('g', '{}'), delta({}, 'stop'), '[DONE]')]);
    expect(stream).toMatchObject([
      { choices: [{ delta: { tool_calls: [{ index: 0, id: 'f', type: 'function' }] } }] },
      { choices: [{ delta: { tool_calls: [{ index: 0 }] } }] },
      { choices: [{ delta: { tool_calls: [{ index: 1, id: 'g' }] } }] },
      { choices: [{ finish_reason: 'tool_calls' }] },
      '[DONE]',
    ]);
  });

  it('moves the last usage into an event of its own', () => {
    const stream = streamOf(
      { usageInContent: true },
      [
        events(
          delta({ content: 'a' }, null, { usage: { total_tokens: 1 } }),
          delta({ content: 'b' }, 'stop', { usage: { total_tokens: 2 } }),
          '[DONE]',
        ),
      ],
      true,
    );
    expect(stream).toEqual([
      delta({ content: 'a' }),
      delta({ content: 'b' }, 'stop'),
      { id: 'c', choices: [], usage: { total_tokens: 2 } },
      '[DONE]',
    ]);
  });

  it('passes the bytes of events that need nothing, whatever follows', () => {
    const translator = new DialectTranslator({ reasoning: true });
    const plain = events(delta({ content: 'a' }));
    expect(translator.chunk(plain)).toBe(plain);
    expect(translator.chunk(plain.subarray(0, 9)).length).toBe(0);
    expect(translator.chunk(plain.subarray(9)).toString('utf8')).toBe(plain.toString('utf8'));
    expect(translator.chunk(plain)).toBe(plain);
    expect(translator.chunk(events(delta({ reasoning: 'Hm' }))).toString('utf8')).toContain('"reasoning_content":"Hm"');
  });

  it('forwards errors, and rejects an event that is not JSON', () => {
    const error = { error: { message: 'no "tool_calls"' } };
    expect(streamOf({}, [events(error)])).toEqual([error]);
    expect(() => new DialectTranslator({}).chunk(events('{"tool_calls"'))).toThrow(SyntaxError);
  });

  it('writes the same events wherever the bytes are cut', () => {
    const bytes = events(
      delta({ role: 'assistant', reasoning: 'Hm é' }),
      delta({ content: 'a' }, null, { usage: { total_tokens: 1 } }),
      delta({ tool_calls: [call] }),
      delta({}, 'eos', { usage: { total_tokens: 2 } }),
      '[DONE]',
    );
    const rules: AnswerRules = { reasoning: true, finish: { eos: 'stop' }, usageInContent: true };
    const expected = streamOf(rules, [bytes], true);
    expect(expected.at(-3)).toMatchObject({ choices: [{ finish_reason: 'tool_calls' }] });
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const parts = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        expect(streamOf(rules, parts, true)).toEqual(expected);
      }),
    );
  });
});
