import { BEDROCK } from './bedrock/bedrock.js';
import { plainSchema } from './bedrock/tool-schema.js';
import { googleSchema } from './gemini/schema.js';
import { toolsOf } from './gemini/tools.js';
import { SchemaBudget } from './schema-budget.js';

const GOOGLE = (schema: object, budget?: SchemaBudget): object =>
  googleSchema(schema, 'tools[0]', { integerEnums: true, ordered: true }, budget);
const WRITERS = {
  Gemini: GOOGLE,
  Bedrock: (schema: object, budget?: SchemaBudget): object => plainSchema({ ...schema }, 'tools[0]', budget),
};
const many = (count: number, each: object): object => Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, each]));
const E = { $ref: '#/$defs/E' };

describe.each(Object.entries(WRITERS))('schemas for %s', (_, write) => {
  it.each<[string, object]>([
    ['lists of values', { type: 'string', enum: Array.from({ length: 10_000 }, (_each, at) => `v${at}`) }],
    ['descriptions', { type: 'string', description: 'd'.repeat(100_000) }],
    ['defaults', { type: 'string', default: Array.from({ length: 20_000 }, () => [1]) }],
  ])('are refused where references multiply %s', (_what, definition) => {
    const schema = { type: 'object', properties: many(5000, E), $defs: { E: definition } };
    expect(() => write(schema)).toThrow(/tools\[0\]: must (?:have at most|not be nested deeper)/);
  });

  it('are rejected if a reference of many steps is followed repeatedly', () => {
    const long = { $ref: `#/$defs/E${'/x'.repeat(50_000)}` };
    const $defs = { E: { x: {} }, F: { anyOf: [long] } };
    expect(() => write({ properties: many(5000, { $ref: '#/$defs/F' }), $defs })).toThrow(/tools\[0\]: must/);
  });

  it('share one budget', () => {
    const budget = new SchemaBudget();
    const each = { properties: many(4000, E), $defs: { E: { type: 'string' } } };
    const all = (): void => {
      for (let at = 0; at < 30; at++) write(each, budget);
    };
    expect(() => write(each, budget)).not.toThrow();
    expect(all).toThrow('must have at most 100000 parts across all schemas');
  });
});

describe('tools', () => {
  const parameters = { type: 'object', properties: many(5000, E), $defs: { E: { type: 'string' } } };
  const tools = Array.from({ length: 100 }, (_, at) => {
    return { type: 'function', function: { name: `t${at}`, parameters } };
  });
  const sent = { model: 'm', provider: 'p', params: {}, request: { body: {}, stream: false }, headers: [] };

  it('of a request to Gemini have one budget', () => {
    const target = { sent, model: { isThree: false }, isVertex: false };
    expect(() => toolsOf({ tools }, undefined, target as never)).toThrow('parts across all schemas');
  });

  it('of a request to Bedrock have one budget', () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'a' }], tools };
    const request = { ...sent, model: 'amazon.nova-pro-v1:0', body, request: { ...sent.request, body } };
    expect(() => BEDROCK.call('chat', request as never)).toThrow('parts across all schemas');
  });
});

it('refuses more types than JSON schema has', () => {
  const type = Array.from({ length: 8 }, (_, at) => `t${at}`);
  expect(() => GOOGLE({ type })).toThrow('must have at most 7 types in one schema');
});
