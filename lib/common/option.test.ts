import { boolean, integer, readVariables, string } from './option.js';

const FIELDS = { most: integer({ min: 1, env: 'MOST' }), isOn: boolean({ env: 'ON' }), name: string({ env: 'NAME' }), other: integer() };

it.each<[Record<string, string>, object]>([
  [{}, {}],
  [{ MOST: '5' }, { most: 5 }],
  [{ MOST: ' 12\n' }, { most: 12 }],
  [{ ON: 'Enabled ' }, { isOn: true }],
  [{ ON: 'false' }, { isOn: false }],
  [{ NAME: '7', OTHER: '7' }, { name: '7' }],
])('reads the variables %j', (env, expected) => {
  expect(readVariables(FIELDS, env)).toEqual(expected);
});

it.each<[Record<string, string>, string]>([
  [{ MOST: '0' }, 'MOST'],
  [{ MOST: '-5' }, 'MOST'],
  [{ MOST: '5x' }, 'MOST'],
  [{ MOST: '' }, 'MOST'],
  [{ ON: 'yes' }, 'ON'],
  [{ NAME: '' }, 'NAME'],
])('rejects the variables %j', (env, name) => {
  expect(() => readVariables(FIELDS, env)).toThrow(expect.objectContaining({ message: expect.stringContaining(name) }));
});
