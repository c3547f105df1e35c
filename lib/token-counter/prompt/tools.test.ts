import { FastLiteLLM } from '../../fast-litellm.js';
import type { Tool, ToolChoice } from './tools.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };
const counter = new FastLiteLLM({ engine: 'typescript', logger: silent }, { env: {} }).tokenCounter;
const text = (value: string, model = 'gpt-4'): number => counter.countTokens(value, model);
const tools = (definitions: Tool[], model = 'gpt-4', toolChoice?: ToolChoice): number =>
  counter.countMessages([], { model, tools: definitions, toolChoice }) - 3;

const parameters = {
  type: 'object',
  properties: {
    location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
    unit: { type: 'string', description: 'The unit of temperature to return', enum: ['celsius', 'fahrenheit'] },
  },
  required: ['location'],
};
const weather = { name: 'get_current_weather', description: 'Get the current weather in a given location', parameters };
const chat = [
  { role: 'system', content: 'You are a helpful assistant that can answer to questions about the weather.' },
  { role: 'user', content: "What's the weather like in San Francisco?" },
];
const withProperty = (schema: unknown): Tool[] => [
  { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { p: schema } } } },
];
// 12 for the end, 10 and the name for the function, 3 for the properties, 3 for p.
const frame = 12 + 10 + text('f') + 3 + 3;

describe('countTools', () => {
  it.each([
    ['gpt-3.5-turbo', 105],
    ['gpt-4', 105],
    ['gpt-4o', 101],
    ['gpt-4o-mini', 101],
  ])("counts OpenAI's sample tool for %s as %i tokens", (model, tokens) => {
    expect(counter.countMessages(chat, { model, tools: [{ type: 'function', function: weather }] })).toBe(tokens);
  });

  it('counts a tool in the format of any API alike', () => {
    const { parameters: input_schema, ...rest } = weather;
    const expected = tools([{ type: 'function', function: weather }]);
    expect(tools([{ type: 'function', ...weather, strict: true }])).toBe(expected);
    expect(tools([{ ...rest, input_schema }])).toBe(expected);
    expect(tools([{ function_declarations: [weather] }])).toBe(expected);
    expect(tools([{ type: 'function', function: { ...weather, description: `${weather.description}.` } }])).toBe(expected);
  });

  it('counts the end of the tool list once for several functions', () => {
    const one = tools([{ type: 'function', function: weather }]);
    expect(
      tools([
        { type: 'function', function: weather },
        { type: 'function', function: weather },
      ]),
    ).toBe(2 * one - 12);
    expect(tools([])).toBe(0);
    expect(counter.countMessages([], { tools: null })).toBe(3);
  });

  it('counts functions without parameters, hosted tools and custom tools', () => {
    expect(tools([{ type: 'function', function: { name: 'now' } }])).toBe(12 + 10 + text('now'));
    expect(tools([{ type: 'function', function: { name: 'now', parameters: { type: 'object', properties: {} } } }])).toBe(
      12 + 10 + text('now'),
    );
    expect(tools([{ type: 'web_search' }])).toBe(12 + 10 + text('web_search'));
    expect(tools([{ type: 'web_search_20250305', name: 'web_search' }])).toBe(12 + 10 + text('web_search'));
    expect(tools([{ googleSearch: {} }])).toBe(12 + 10 + text('googleSearch'));
    expect(tools([{ type: 'namespace', name: 'clock', description: 'Time', tools: [{ type: 'function', name: 'now' }] }])).toBe(
      12 + 10 + text('clock:Time') + 10 + text('now'),
    );
    expect(tools([{ type: 'custom', custom: { name: 'shell', description: 'Runs a command.' } }])).toBe(
      12 + 10 + text('shell:Runs a command'),
    );
  });

  it('counts nested objects, items, alternatives and definitions of a schema', () => {
    const inner = { type: 'object', properties: { q: { type: 'number', description: 'A number' } } };
    const innerTokens = 3 + 3 + text('q:number:A number');
    expect(tools(withProperty(inner))).toBe(frame + text('p:object') + innerTokens);
    expect(tools(withProperty({ type: 'array', items: inner }))).toBe(frame + text('p:array') + innerTokens);
    expect(tools(withProperty({ type: 'array', items: { type: 'string', enum: ['a', 'b'] } }))).toBe(
      frame + text('p:array') - 3 + 2 * (3 + 1),
    );
    expect(tools(withProperty({ type: 'array', prefixItems: [inner, { enum: ['a'] }] }))).toBe(
      frame + text('p:array') + innerTokens - 3 + (3 + 1),
    );
    expect(tools(withProperty({ type: 'object', additionalProperties: inner }))).toBe(frame + text('p:object') + innerTokens);
    expect(tools(withProperty({ type: 'object', additionalProperties: false }))).toBe(frame + text('p:object'));
    expect(tools(withProperty({ anyOf: [inner, { type: 'null' }] }))).toBe(frame + text('p:object|null') + innerTokens);
    expect(tools(withProperty({ oneOf: [{ enum: ['a'] }, { type: 'null' }] }))).toBe(frame + text('p:any|null') - 3 + (3 + 1));
    expect(tools(withProperty({ type: ['string', 'null'] }))).toBe(frame + text('p:string|null'));
    expect(tools(withProperty({ $ref: '#/$defs/Point' }))).toBe(frame + text('p:Point'));
    expect(tools(withProperty(true))).toBe(frame + text('p'));
    expect(tools(withProperty({ enum: [1, null, { a: 1 }] }))).toBe(frame + text('p') - 3 + 9 + text('1') + text('{"a":1}'));
    const withDefinitions = { name: 'f', input_schema: { $defs: { Point: inner } } };
    expect(tools([withDefinitions])).toBe(12 + 10 + text('f') + 3 + 3 + text('Point:object') + innerTokens);
  });

  it.each<[ToolChoice | undefined, number]>([
    [undefined, 0],
    [null, 0],
    ['auto', 0],
    ['required', 0],
    ['none', 1],
    [{ type: 'function', function: { name: 'get_current_weather' } }, 7 + text('get_current_weather')],
    [{ type: 'function', name: 'get_current_weather' }, 7 + text('get_current_weather')],
    [{ type: 'tool', name: 'get_current_weather' }, 7 + text('get_current_weather')],
    [{ type: 'custom', custom: { name: 'shell' } }, 7 + text('shell')],
    [{ type: 'auto' }, 0],
    [{ type: 'none' }, 1],
  ])('adds for the tool choice %j %i tokens', (toolChoice, tokens) => expect(tools([], 'gpt-4', toolChoice)).toBe(tokens));

  const deep = Array.from({ length: 2000 }).reduce<object>((properties) => ({ type: 'object', properties: { p: properties } }), {});
  it.each([
    ['tools', {}, 'INVALID_ARGUMENT'],
    ['tools[1]', [weather, null], 'INVALID_ARGUMENT'],
    ['tools[0]', ['get_weather'], 'INVALID_ARGUMENT'],
    ['tools[0].name', [{ description: 'nameless' }], 'INVALID_ARGUMENT'],
    ['tools[0].name', [{ parameters }], 'INVALID_ARGUMENT'],
    ['tools[0].name', [{ function: {} }], 'INVALID_ARGUMENT'],
    ['tools[0].name', [{}], 'INVALID_ARGUMENT'],
    ['tools[0].tools[1]', [{ name: 'n', tools: [weather, 7] }], 'INVALID_ARGUMENT'],
    ['tools[0]', [{ name: 'f', parameters: deep }], 'NESTED_TOO_DEEP'],
  ])('throws an error with the path of the invalid tool: %s', (path, definitions, code) => {
    expect(() => counter.countMessages([], { tools: definitions as never })).toThrow(expect.objectContaining({ path, code }));
  });
});
