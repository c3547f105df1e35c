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
/** Tokens of functions written as types. */
const written = (...lines: string[]): number =>
  9 + text(['namespace functions {', '', ...lines, '', '} // namespace functions'].join('\n'));
/** The same of one function with the lines as its properties. */
const properties = (...lines: string[]): number => written('type f = (_: {', ...lines, '}) => any;');

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
  });

  it('counts 4 tokens less next to a system message, but not next to a developer message', () => {
    const given = [{ type: 'function', function: weather }];
    const [system, user] = chat;
    const developer = { ...system, role: 'developer' };
    const both = (messages: object[]): number =>
      counter.countMessages(messages as never, { model: 'gpt-4', tools: given }) -
      counter.countMessages(messages as never, { model: 'gpt-4' });
    expect(both([user])).toBe(tools(given));
    expect(both([system, user])).toBe(tools(given) - 4);
    expect(both([user, developer])).toBe(tools(given));
    const body = (fields: object): number => counter.countRequest({ model: 'gpt-4', messages: [user], ...fields }).promptTokens;
    expect(body({ system: system.content, tools: given }) - body({ system: system.content })).toBe(tools(given) - 4);
    const item = (fields: object): number => counter.countRequest({ model: 'gpt-4', input: [user], ...fields }).promptTokens;
    expect(item({ instructions: 'Brief.', tools: given }) - item({ instructions: 'Brief.' })).toBe(tools(given) - 4);
    expect(item({ input: chat, tools: given }) - item({ input: chat })).toBe(tools(given) - 4);
    expect(item({ tools: given }) - item({})).toBe(tools(given));
    expect(item({ input: [developer, user], tools: given }) - item({ input: [developer, user] })).toBe(tools(given));
  });

  it('counts no tokens without tools', () => {
    expect(tools([])).toBe(0);
    expect(counter.countMessages([], { tools: null })).toBe(3);
  });

  it('counts functions without parameters, hosted tools and custom tools', () => {
    expect(tools([{ type: 'function', function: { name: 'now' } }])).toBe(written('type now = () => any;'));
    expect(tools([{ type: 'function', function: { name: 'now', parameters: { type: 'object', properties: {} } } }])).toBe(
      written('type now = () => any;'),
    );
    expect(tools([{ type: 'web_search' }])).toBe(written('type web_search = () => any;'));
    expect(tools([{ type: 'web_search_20250305', name: 'web_search' }])).toBe(written('type web_search = () => any;'));
    expect(tools([{ googleSearch: {} }])).toBe(written('type googleSearch = () => any;'));
    expect(tools([{ type: 'namespace', name: 'clock', description: 'Time', tools: [{ type: 'function', name: 'now' }] }])).toBe(
      written('// Time', 'type clock = () => any;', '', 'type now = () => any;'),
    );
    expect(tools([{ type: 'custom', custom: { name: 'shell', description: 'Runs a command.' } }])).toBe(
      written('// Runs a command.', 'type shell = () => any;'),
    );
  });

  it('marks the provider’s own tools and grammars as estimates', () => {
    const isEstimate = (tool: object): boolean => counter.countRequest({ model: 'gpt-5', messages: chat, tools: [tool] }).approximate;
    const definition = 'start: "a" | "b"';
    const grammars = [
      { type: 'custom', name: 'x', format: { type: 'grammar', syntax: 'lark', definition } },
      { type: 'custom', custom: { name: 'x', format: { type: 'grammar', grammar: { syntax: 'lark', definition } } } },
    ];
    for (const tool of [{ type: 'web_search' }, { type: 'mcp', server_label: 's' }, { googleSearch: {} }, ...grammars])
      expect([tool, isEstimate(tool)]).toEqual([tool, true]);
    for (const tool of [{ type: 'function', function: weather }, { ...weather, type: 'function' }, { type: 'custom', name: 'x' }, weather])
      expect([tool, isEstimate(tool)]).toEqual([tool, false]);
    for (const tool of grammars) expect(tools([tool])).toBe(written(`// ${definition}`, 'type x = () => any;'));
  });

  const inner = { type: 'object', properties: { q: { type: 'number', description: 'A number' } } };
  const innerType = '{\n  // A number\n  q?: number,\n}';
  it.each<[string, unknown]>([
    ['p?: string,', { type: 'string' }],
    ['p?: "a" | "b",', { type: 'string', enum: ['a', 'b'] }],
    ['p?: "1" | "2",', { type: 'integer', enum: [1, 2] }],
    ['p?: boolean,', { type: 'boolean', enum: [true] }],
    [`p?: ${innerType},`, inner],
    [`p?: ${innerType}[],`, { type: 'array', items: inner }],
    ['p?: any[],', { type: 'array' }],
    ['p?: "a"[][],', { type: 'array', items: { type: 'array', items: { type: 'string', enum: ['a'] } } }],
    [`p?: [${innerType}, "a"],`, { type: 'array', prefixItems: [inner, { enum: ['a'] }] }],
    ['p?: {\n\n},', { type: 'object', additionalProperties: false }],
    ['p?: {\n  [key: string]: number,\n},', { type: 'object', additionalProperties: { type: 'number' } }],
    [`p?: ${innerType} | null,`, { anyOf: [inner, { type: 'null' }] }],
    [`p?: ${innerType} | null,`, { ...inner, type: ['object', 'null', 'object'] }],
    ['p?: "a" | null,', { oneOf: [{ enum: ['a'] }, { type: 'null' }] }],
    ['p?: string & any,', { allOf: [{ type: 'string' }, { format: 'date' }] }],
    ['p?: string | null,', { type: ['string', 'null'] }],
    ['p?: "a",', { const: 'a' }],
    ['p?: Point,', { $ref: '#/$defs/Point' }],
    ['p?: any,', true],
    ['p?: "1" | "null" | "{"a":1}",', { enum: [1, null, { a: 1 }] }],
    ['p?: {\n  q?: {\n    r?: string,\n},\n},', { properties: { q: { type: 'object', properties: { r: { type: 'string' } } } } }],
  ])('counts the property %j', (line, schema) => {
    expect(tools(withProperty(schema))).toBe(properties(line));
  });

  it('counts required properties, and definitions once each', () => {
    const given = { type: 'object', properties: { p: { type: 'string' }, q: { $ref: '#/$defs/Point' } }, required: ['p'] };
    expect(tools([{ name: 'f', parameters: { ...given, $defs: { Point: inner } } }])).toBe(
      properties('p: string,', 'q?: Point,', `Point: ${innerType},`),
    );
  });

  it('writes each schema once however often its types repeat', () => {
    const type = Array.from({ length: 20_000 }, (_, i) => ['string', 'array'][i % 2]);
    const nested = Array.from({ length: 15 }).reduce<object>((items) => ({ type, items, enum: ['a'] }), { type, enum: ['a'] });
    expect(tools(withProperty(nested))).toBe(properties(`p?: ${'"a" | '.repeat(16)}any[]${'[]'.repeat(15)},`));
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
