import fc from 'fast-check';
import { plainSchema } from './tool-schema.js';

type Fields = Record<string, unknown>;
const plain = (schema: Fields): unknown => plainSchema(schema, 'tools[0]');

describe('plainSchema', () => {
  it.each<[string, Fields, Fields]>([
    [
      'three fields at the root',
      { type: 'object', properties: { a: { type: 'string', title: 'A' } }, required: ['a'], additionalProperties: false, $schema: 's' },
      { type: 'object', properties: { a: { type: 'string', title: 'A' } }, required: ['a'] },
    ],
    ['properties where there are none', {}, { type: 'object', properties: {} }],
    [
      'what references refer to, with what stands beside them',
      {
        properties: { a: { $ref: '#/$defs/A', description: 'd' }, b: { items: [{ $ref: '#/definitions/B~1b' }] } },
        $defs: { A: { type: 'string' } },
        definitions: { 'B/b': { type: 'number' } },
      },
      { type: 'object', properties: { a: { type: 'string', description: 'd' }, b: { items: [{ type: 'number' }] } } },
    ],
    [
      'any object for one within itself',
      { properties: { a: { $ref: '#/$defs/A' } }, $defs: { A: { properties: { next: { $ref: '#/$defs/A' } } } } },
      { type: 'object', properties: { a: { properties: { next: { type: 'object' } } } } },
    ],
    [
      'the object behind a reference at the root',
      { $ref: '#/$defs/A', $defs: { A: { properties: { a: {} } } } },
      { type: 'object', properties: { a: {} } },
    ],
  ])('has %s', (_, schema, expected) => {
    expect(plain(schema)).toEqual(expected);
  });

  it.each<[string, Fields, RegExp]>([
    ['a reference to nothing', { properties: { a: { $ref: '#/$defs/A' } } }, /^tools\[0\]: must use \$ref only for its own definitions/],
    ['a reference to another document', { properties: { a: { $ref: 'https://h' } } }, /must use \$ref only/],
    ['a reference to the prototype', { properties: { a: { $ref: '#/__proto__' } } }, /must use \$ref only/],
    [
      'references that multiply',
      {
        properties: { a: { $ref: '#/$defs/0' } },
        $defs: Object.fromEntries(
          Array.from({ length: 21 }, (_, at) => [
            String(at),
            at === 20 ? {} : { a: { $ref: `#/$defs/${at + 1}` }, b: { $ref: `#/$defs/${at + 1}` } },
          ]),
        ),
      },
      /must not be nested deeper than 64 levels or have more than 20000 parts/,
    ],
    ['more levels', { properties: JSON.parse(`${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`) as Fields }, /64 levels/],
  ])('rejects %s', (_, schema, message) => {
    expect(() => plain(schema)).toThrow(message);
  });

  it('does not modify its argument, and keeps any name of a property', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), (properties) => {
        const schema = { properties };
        const before = JSON.stringify(schema);
        fc.pre(!before.includes('$ref'));
        expect(JSON.stringify(plain(schema))).toBe(JSON.stringify({ type: 'object', properties }));
        expect(JSON.stringify(schema)).toBe(before);
      }),
    );
    const own = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as Fields;
    expect(JSON.stringify(plain(own))).toContain('__proto__');
  });
});
