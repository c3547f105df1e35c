import { InvalidArgumentError } from '../../common/errors.js';
import { closedSchema } from './request.js';

const open = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } }, required: ['a'] };
const closed = { ...open, required: ['a', 'b'], additionalProperties: false };

describe('closedSchema', () => {
  it.each<[string, object, object]>([
    ['an object', open, closed],
    ['an object that allows more', { ...open, additionalProperties: true }, closed],
    ['an object without properties', { type: 'object' }, { type: 'object' }],
    ['no object', { type: 'string', enum: ['properties'] }, { type: 'string', enum: ['properties'] }],
    ['items', { type: 'array', items: open }, { type: 'array', items: closed }],
    ['alternatives', { anyOf: [open, { type: 'null' }] }, { anyOf: [closed, { type: 'null' }] }],
    ['definitions', { $ref: '#/$defs/a', $defs: { a: open } }, { $ref: '#/$defs/a', $defs: { a: closed } }],
    [
      'a property that is called as a keyword',
      { type: 'object', properties: { items: open, required: { const: 1 } } },
      {
        type: 'object',
        properties: { items: closed, required: { const: 1 } },
        required: ['items', 'required'],
        additionalProperties: false,
      },
    ],
    ['a default that looks like a schema', { type: 'object', default: open }, { type: 'object', default: open }],
  ])('closes %s', (_, schema, expected) => {
    expect(closedSchema('s', schema as Record<string, unknown>)).toEqual(expected);
  });

  it('keeps a property __proto__ as data', () => {
    const schema = JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"}}}') as Record<string, unknown>;
    expect(JSON.stringify(closedSchema('s', schema))).toBe(
      '{"type":"object","properties":{"__proto__":{"type":"string"}},"required":["__proto__"],"additionalProperties":false}',
    );
  });

  it('refuses a schema that is too deep', () => {
    let schema: Record<string, unknown> = { type: 'string' };
    for (let depth = 0; depth < 10_000; depth++) schema = { type: 'array', items: schema };
    expect(() => closedSchema('s', schema)).toThrow(InvalidArgumentError);
  });
});
