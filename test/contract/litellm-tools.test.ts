import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countMessages, type ChatMessage, type Tool, type ToolChoice } from '../../lib/index.js';

// Compares counts of tools and of calls of functions with LiteLLM's and OpenAI's (fixtures/litellm/tool_counts.py).

interface ToolCase {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly Tool[] | null;
  readonly toolChoice: ToolChoice;
  readonly litellm: number;
  readonly openai?: number;
}

const cases = JSON.parse(readFileSync(join(__dirname, '../fixtures/litellm/tool-counts.json'), 'utf8')) as ToolCase[];
const count = ({ messages, model, tools, toolChoice }: ToolCase): number => countMessages(messages, { model, tools, toolChoice });

describe('counts of tools', () => {
  it('are those of LiteLLM', () => {
    expect(cases).toHaveLength(410);
    for (const given of cases) expect({ ...given, litellm: count(given) }).toEqual(given);
  });

  it("are at most 3 over what OpenAI's API counted, never under", () => {
    const over = cases.flatMap((given) => (given.openai === undefined ? [] : [count(given) - given.openai]));
    expect(over).toHaveLength(18);
    expect(Math.min(...over)).toBe(0);
    expect(Math.max(...over)).toBe(3);
  });
});

describe("counts of OpenAI's API in 2023", () => {
  const hello = [{ role: 'user', content: 'hello' }];
  const empty = { type: 'object', properties: {} };
  const doStuff = { name: 'do_stuff', parameters: empty };
  const bingBong = (properties: object): object => ({
    name: 'bing_bong',
    description: 'Do a bing bong',
    parameters: { type: 'object', properties },
  });
  const nested = { bar: { type: 'string', enum: ['a', 'b', 'c'] }, baz: { type: 'boolean' } };
  const chat = (...system: string[]): ChatMessage[] => [
    ...system.map((content) => ({ role: 'system', content })),
    { role: 'user', content: 'Hi there' },
  ];

  it.each<[number, number, readonly ChatMessage[], object]>([
    [31, 31, hello, { name: 'foo', parameters: empty }],
    [36, 36, hello, { name: 'foo', description: 'Do a foo', parameters: empty }],
    [49, 49, hello, bingBong({ foo: { type: 'string' } })],
    [57, 57, hello, bingBong({ foo: { type: 'string' }, bar: { type: 'number', description: 'A number' } })],
    [68, 68, hello, bingBong({ foo: { type: 'object', properties: nested } })],
    // The API ends the first system message with a line end, which is one token more behind a word.
    [35, 34, chat('Hello'), doStuff],
    [35, 35, chat('Hello:'), doStuff],
    [40, 40, chat('Hello:', 'Hello'), doStuff],
  ])('of %i tokens are counted as %i', (_api, ours, messages, tool) => {
    expect(countMessages(messages, { model: 'gpt-3.5-turbo', tools: [tool] })).toBe(ours);
  });

  // LiteLLM, which is followed, counts the arguments alone, and a result like any other message.
  it.each<[number, number, readonly ChatMessage[]]>([
    [
      15,
      17,
      [
        { role: 'user', content: 'hello world' },
        { role: 'function', name: 'do_stuff', content: '{}' },
      ],
    ],
    [24, 26, [{ role: 'function', name: 'dance_the_tango', content: '{"a": { "b" : { "c": false}}}' }]],
    [26, 21, [{ role: 'assistant', content: '', function_call: { name: 'do_stuff', arguments: '{"foo": "bar", "baz": 1.5}' } }]],
    [25, 20, [{ role: 'assistant', content: '', function_call: { name: 'do_stuff', arguments: '{"foo":"bar", "baz":\n\n 1.5}' } }]],
  ])('of %i tokens for calls of functions are counted as %i', (_api, ours, messages) => {
    expect(countMessages(messages, { model: 'gpt-3.5-turbo' })).toBe(ours);
  });
});
