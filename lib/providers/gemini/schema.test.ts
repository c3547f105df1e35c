import fc from 'fast-check';
import { googleSchema } from './schema.js';

type Fields = Readonly<Record<string, unknown>>;

const written = (schema: unknown, rules = { integerEnums: false, ordered: false }): Fields => googleSchema(schema, 'p', rules);
const object = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more });

describe("a JSON schema in Google's subset", () => {
  it.each<[string, object, object]>([
    [
      'what Google knows',
      { type: 'string', title: 't', description: 'd', minLength: 1, pattern: 'a', default: 'x' },
      { type: 'string', title: 't', description: 'd', minLength: 1, pattern: 'a', default: 'x' },
    ],
    [
      'not what it does not',
      { type: 'string', $schema: 's', strict: true, additionalProperties: false, $id: 'i', examples: [], format: 'email' },
      { type: 'string' },
    ],
    ['known formats', { type: 'string', format: 'date-time' }, { type: 'string', format: 'date-time' }],
    ['objects', object({ a: { type: 'number' } }, { required: ['a', 'b'] }), object({ a: { type: 'number' } }, { required: ['a'] })],
    ['objects without properties', object({}, { required: [] }), { type: 'object' }],
    ['nothing', {}, { type: 'object' }],
    ['lists', { type: 'array', items: { type: 'integer', minimum: 1 } }, { type: 'array', items: { type: 'integer', minimum: 1 } }],
    ['lists of anything', { type: 'array' }, { type: 'array', items: { type: 'object' } }],
    [
      'tuples',
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] },
      { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
    ],
    [
      'null as a type',
      { type: ['string', 'null'], description: 'd', enum: ['a', null] },
      { anyOf: [{ type: 'string', enum: ['a'], nullable: true, description: 'd' }] },
    ],
    [
      'null as a choice',
      { anyOf: [object({ a: {} }), { type: 'null' }], default: null },
      { anyOf: [{ ...object({ a: { type: 'object' } }), nullable: true }] },
    ],
    [
      'several types',
      { type: ['array', 'number'], items: { type: 'string' }, minimum: 1 },
      {
        anyOf: [
          { type: 'array', items: { type: 'string' } },
          { type: 'number', minimum: 1 },
        ],
      },
    ],
    ['a list of one type', { type: ['string'] }, { type: 'string' }],
    ['oneOf', { oneOf: [{ type: 'string' }, { type: 'number' }] }, { anyOf: [{ type: 'string' }, { type: 'number' }] }],
    ['choices beside properties', object({ a: { type: 'string' } }, { anyOf: [{ required: ['a'] }] }), object({ a: { type: 'string' } })],
    [
      'allOf',
      {
        allOf: [{ $ref: '#/$defs/A' }, object({ b: { type: 'number' } }, { required: ['b'] })],
        description: 'd',
        $defs: { A: object({ a: { type: 'string' } }, { required: ['a'] }) },
      },
      object({ a: { type: 'string' }, b: { type: 'number' } }, { required: ['a', 'b'], description: 'd' }),
    ],
    ['const', { const: 'a' }, { type: 'string', enum: ['a'] }],
    ['values but for empty ones', { enum: ['a', '', 5, null] }, { type: 'string', enum: ['a'], nullable: true }],
    ['no values of numbers', { type: 'integer', enum: [1, 2] }, { type: 'integer' }],
    [
      'references',
      object({ a: { $ref: '#/$defs/A', description: 'd' } }, { $defs: { A: { type: 'string' } } }),
      object({ a: { type: 'string', description: 'd' } }),
    ],
    [
      'references with escapes',
      object({ a: { $ref: '#/definitions/A~1B' } }, { definitions: { 'A/B': { type: 'string' } } }),
      object({ a: { type: 'string' } }),
    ],
    [
      'references to references',
      object({ a: { $ref: '#/$defs/A' } }, { $defs: { A: { $ref: '#/$defs/B' }, B: { type: 'string' } } }),
      object({ a: { type: 'string' } }),
    ],
    [
      'a schema within itself',
      { $ref: '#/$defs/N', $defs: { N: object({ next: { $ref: '#/$defs/N', description: 'd' }, v: { type: 'string' } }) } },
      object({ next: { type: 'object', description: 'd' }, v: { type: 'string' } }),
    ],
    ['the root within itself', object({ me: { $ref: '#' } }), object({ me: object({ me: { type: 'object' } }) })],
  ])('has %s', (_, schema, expected) => expect(written(schema)).toEqual(expected));

  it('keeps whole numbers as values where the model takes them, and all of them fit', () => {
    const rules = { integerEnums: true, ordered: false };
    expect(written({ type: 'integer', enum: [1, 2] }, rules)).toEqual({ type: 'integer', enum: ['1', '2'] });
    expect(written({ type: 'integer', enum: Array.from({ length: 800 }, (_, at) => at) }, rules)).toEqual({ type: 'integer' });
  });

  it('has the order of properties where it counts', () => {
    expect(written(object({ b: {}, a: {} }), { integerEnums: false, ordered: true }).propertyOrdering).toEqual(['b', 'a']);
  });

  it.each<[string, unknown, RegExp]>([
    ['a text', 'string', /^p: must be a JSON schema/],
    ['an unknown reference', { $ref: '#/$defs/A' }, /^p: must use \$ref only/],
    ['a reference to another server', { $ref: 'https://h/schema' }, /^p: must use \$ref only/],
    ['a reference to the prototype', { $ref: '#/__proto__/constructor' }, /^p: must use \$ref only/],
    ['allOf within itself', { $ref: '#/$defs/A', $defs: { A: { allOf: [{ $ref: '#/$defs/A' }] } } }, /^p: must not be nested deeper/],
  ])('rejects %s', (_, schema, message) => expect(() => written(schema)).toThrow(message));

  it('rejects a schema that nests too deep', () => {
    let deep: object = { type: 'string' };
    for (let depth = 0; depth < 10_000; depth++) deep = object({ a: deep });
    expect(() => written(deep)).toThrow(/must not be nested deeper than 64 levels/);
  });

  it('rejects references that multiply', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`L${at}`, object({ a: { $ref: `#/$defs/L${at + 1}` }, b: { $ref: `#/$defs/L${at + 1}` } })]),
    );
    expect(() => written({ $ref: '#/$defs/L0', $defs: { ...$defs, L20: { type: 'string' } } })).toThrow(/must have at most 20000 parts/);
  });

  it('keeps properties called __proto__', () => {
    const schema: unknown = JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"}}}');
    expect(JSON.stringify(written(schema))).toBe('{"type":"object","properties":{"__proto__":{"type":"string"}}}');
  });

  it('answers or rejects any JSON, and does not change it', () => {
    const keys = fc.constantFrom('type', 'properties', 'items', 'anyOf', 'allOf', '$ref', 'enum', '$defs', 'a');
    const values = fc.letrec((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('string', 'object', 'array', '#', '#/$defs/a', null, 5, true),
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(keys, tie('json'), { maxKeys: 4 }),
      ),
    })).json;
    fc.assert(
      fc.property(fc.dictionary(keys, values), (schema) => {
        const before = JSON.stringify(schema);
        try {
          JSON.stringify(written(schema));
        } catch (error) {
          expect((error as { code?: unknown }).code).toBe('INVALID_ARGUMENT');
        }
        expect(JSON.stringify(schema)).toBe(before);
      }),
    );
  });
});
