import { definedFields, fieldsOf, isObject, listOf, objectIn, ownField, ownFields, trimmedText } from './objects.js';

it.each<[unknown, boolean]>([
  [{}, true],
  [[], false],
  [null, false],
  [undefined, false],
  ['a', false],
  [7, false],
])('isObject(%j) is %s', (value, expected) => {
  expect(isObject(value)).toBe(expected);
  expect(fieldsOf(value)).toEqual({});
  expect(fieldsOf(value) === value).toBe(expected);
});

it.each<[string, unknown]>([
  ['{"a":1}', { a: 1 }],
  ['[1]', undefined],
  ['null', undefined],
  ['7', undefined],
  ['{"a":', undefined],
  ['', undefined],
])('objectIn(%j) is %j', (json, expected) => {
  expect(objectIn(json)).toEqual(expected);
});

it('copies fields without what they inherit', () => {
  const fields = ownFields({ a: 1 });
  expect([fields.a, fields.toString, Object.getPrototypeOf(fields)]).toEqual([1, undefined, null]);
});

it('reads a field of options, but none of Object.prototype', () => {
  const polluted = Object.prototype as unknown as { fromOutside?: string };
  const options: { own?: string; fromOutside?: string } = { own: 'a' };
  polluted.fromOutside = 'stolen';
  try {
    expect([ownField(options, 'own'), ownField(options, 'fromOutside'), ownField({ fromOutside: 'b' }, 'fromOutside')]).toEqual([
      'a',
      undefined,
      'b',
    ]);
  } finally {
    delete polluted.fromOutside;
  }
});

it('keeps defined fields, also null, 0 and empty ones', () => {
  const fields = definedFields<object>({ a: undefined, b: null, c: 0, d: '', e: false });
  expect(Object.entries(fields)).toEqual(Object.entries({ b: null, c: 0, d: '', e: false }));
});

it('reads lists and texts from JSON', () => {
  const list = [1];
  expect([listOf(list) === list, listOf({ length: 1 }), listOf('a'), listOf(undefined)]).toEqual([true, [], [], []]);
  expect([' a\n', '', ' \t', 7, undefined].map(trimmedText)).toEqual(['a', undefined, undefined, undefined, undefined]);
});
