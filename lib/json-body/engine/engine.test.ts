import { usuallyOrLong } from '../../../test/support/long.js';
import { accepted, jsonBodyEngines, restored } from '../../../test/support/json-body-engines.js';
import { INVALID_JSON, VALID_JSON } from '../../../test/support/json-texts.js';
import { RandomJson } from '../../../test/support/random-json.js';
import { DEFAULT_JSON_BOUNDS } from '../json-bounds.js';
import { decodeJsonText, markedIndex } from '../text-marks.js';
import { isJsonFault } from './engine.js';
import { selfTest } from './self-test.js';
import { faultOf } from '../../engine/engine-choice.js';

const NONE = { maxDepth: 9999, maxKeys: 1e9, maxContainers: 1e9, maxValues: 1e9 };
const BODIES = usuallyOrLong(400, 20_000);
const LONG_TEXT = 'x'.repeat(257);

const parse = (bytes: Buffer): unknown => JSON.parse(bytes.toString().replace(/^\ufeff/, ''));

describe.each(jsonBodyEngines().map((engine) => [engine.engine, engine] as const))('the scan of a JSON body, %s', (_, engine) => {
  const scan = (json: string | Buffer, bounds = DEFAULT_JSON_BOUNDS) => engine.scan(Buffer.from(json), bounds);

  const syntaxAt = (at: number) => (engine.engine === 'native' ? { kind: 'syntax', at } : { kind: 'syntax' });

  it('passes its self-test', () => expect(faultOf(selfTest, engine)).toBeUndefined());

  it.each(VALID_JSON)('accepts %j', (json) => {
    const bytes = Buffer.from(json);
    expect(restored(bytes, accepted(scan(bytes)))).toEqual(parse(bytes));
  });

  it.each(INVALID_JSON)('refuses %j; the native engine reports the first wrong byte', (json) => {
    const bytes = Buffer.from(json);
    const fault = scan(bytes);
    expect(() => parse(bytes)).toThrow(SyntaxError);
    if (!isJsonFault(fault) || fault.kind !== 'syntax') throw new Error(`not refused: ${JSON.stringify(fault)}`);
    if (engine.engine === 'typescript' || fault.at === undefined) return expect(fault).toEqual({ kind: 'syntax' });
    // What is before the wrong byte can be completed, and with it not.
    expect(fault.at).toBeLessThanOrEqual(bytes.length);
    const until = scan(bytes.subarray(0, fault.at));
    if (isJsonFault(until)) expect(until).toMatchObject({ kind: 'syntax', at: fault.at });
    const message = fault.at < bytes.length ? `unexpected character in JSON at byte ${fault.at}` : 'unexpected end of JSON';
    expect(fault.message).toBe(message);
  });

  it('gives the fields of the outermost object, with their places', () => {
    const json = Buffer.from(
      `\ufeff { "model" : "gpt-4o" ,"m\\u0065ssages":[{"content":"${LONG_TEXT}"},["${LONG_TEXT}"]],\n"n":1, "é": "${LONG_TEXT}" } `,
    );
    const { fields, isObject, texts, outline } = accepted(scan(json));
    expect(isObject).toBe(true);
    expect(fields.map(({ name }) => name)).toEqual(['model', 'messages', 'n', 'é']);
    expect(fields.map(({ keyStart, valueStart }) => json.toString('utf8', keyStart, valueStart))).toEqual([
      '"model" : ',
      '"m\\u0065ssages":',
      '"n":',
      '"é": ',
    ]);
    expect(fields.map(({ valueStart, valueEnd }) => JSON.parse(json.toString('utf8', valueStart, valueEnd)) as unknown)).toEqual([
      'gpt-4o',
      [{ content: LONG_TEXT }, [LONG_TEXT]],
      1,
      LONG_TEXT,
    ]);
    expect(fields.map(({ firstText, endText }) => [firstText, endText])).toEqual([
      [0, 0],
      [0, 2],
      [2, 2],
      [2, 3],
    ]);
    expect(texts).toHaveLength(6);
    expect(JSON.parse(outline!)).toEqual({ model: 'gpt-4o', messages: [{ content: '\uf8ff0' }, ['\uf8ff1']], n: 1, é: '\uf8ff2' });
  });

  it.each(['[1]', '"a"', '[{"a":1}]', '3', `"${LONG_TEXT}"`, `["${LONG_TEXT}"]`])('has no fields of %s', (json) => {
    const { fields, isObject } = accepted(scan(json));
    expect([fields, isObject]).toEqual([[], false]);
  });

  it.each([
    [false, '{"a":[0,-1,1.5,123456789012345,-0.5,0.1234567890123],"e":"1e5 -0 12345678901234567890"}'],
    [true, '9007199254740993'],
    [true, '{"a":[{"b":-12345678901234567}]}'],
    [true, '[1e400,2]'],
    [true, '1E5'],
    [true, '[-0]'],
    [true, '{"a":-0.0}'],
  ])('tells whether JavaScript may write one of the numbers as another: %s for %s', (hasOddNumbers, json) => {
    expect(accepted(scan(json)).hasOddNumbers).toBe(hasOddNumbers);
  });

  it('replaces texts of more than 256 bytes', () => {
    expect(accepted(scan(`["${'x'.repeat(256)}"]`)).outline).toBeUndefined();
    expect(accepted(scan(`["${'x'.repeat(257)}"]`)).outline).toBe('["\uf8ff0"]');
    expect(accepted(scan(`["${'é'.repeat(129)}"]`)).outline).toBe('["\uf8ff0"]');
    expect(accepted(scan(`{"${LONG_TEXT}":1}`)).outline).toBeUndefined();
  });

  it.each(['\uf8ff0', '\\uf8ff0', '\\uF8fF', '\uf8ff'])('takes no text of the client for a mark: %j', (text) => {
    const bytes = Buffer.from(`["${text}","a",{"${text}":"${text}"}]`);
    const found = accepted(scan(bytes));
    expect(found.texts).toHaveLength(4);
    expect(restored(bytes, found)).toEqual(parse(bytes));
    expect(accepted(scan(`["a${text}","\\\\uf8ff0","${text.slice(1)}"]`)).outline).toBeUndefined();
  });

  it.each([
    ['{"a":1,"a":2}', 7, 'a'],
    ['{"a":1,"b":{},"\\u0061":2}', 14, 'a'],
    ['{"":1,"":2}', 6, ''],
    ['[{"x":{"é":1,"\\u00E9":2}}]', 14, 'é'],
    ['{"\\ud83e\\udd80":1,"🦀":2}', 18, '🦀'],
    ['{"\\ud83e":1,"\\uD83E":2}', 12, '\ud83e'],
    ['{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0,"11":0,"12":0,"10":0}', 76, '10'],
    [`{"${'k'.repeat(500)}":1,"${'k'.repeat(500)}":2}`, 506, 'k'.repeat(64)],
  ])('refuses a key that stands twice: %s', (json, at, key) => {
    expect(scan(json)).toEqual({ kind: 'duplicate', at, key });
  });

  it('accepts a key that occurs in several objects, or differs in case', () => {
    const json = '{"a":{"a":{"a":1},"b":{"a":1}},"A":[{"a":1},{"a":2}],"a ":0,"\\ud83e":1,"\\udd80":2,"🦀":3}';
    expect(restored(Buffer.from(json), accepted(scan(json)))).toEqual(JSON.parse(json));
  });

  it.each(['{"__proto__":1}', '[{"a":{"\\u005f_proto__":null}}]', '{"\\u005F\\u005f\\u0070\\u0072\\u006F\\u0074\\u006f\\u005f_":{}}'])(
    'refuses the key __proto__: %s',
    (json) => {
      expect(scan(json)).toEqual({ kind: 'prototype', at: json.indexOf('__') < 3 ? 1 : json.indexOf('\\') - 1 });
    },
  );

  it('accepts __proto__ as a text, and keys like it', () => {
    accepted(scan('{"a":"__proto__","__proto_":1,"__proto___":2,"constructor":3,"\\\\u005f_proto__":4}'));
  });

  it('keeps the bounds, and names the field that exceeds one', () => {
    const depth = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    accepted(scan(depth(128)));
    expect(scan(depth(129))).toEqual({ kind: 'bound', bound: 'maxDepth', limit: 128 });
    expect(scan(`{"a":"b","tools":${depth(128)}}`)).toEqual({ kind: 'bound', bound: 'maxDepth', limit: 128, field: 'tools' });
    const twoKeys = { ...NONE, maxKeys: 2 };
    accepted(scan('{"a":{"x":1,"y":2},"b":[1,2,3]}', twoKeys));
    expect(scan('{"a":1,"t\\u006fols":[{"x":1,"y":2,"z":3}]}', twoKeys)).toEqual({
      kind: 'bound',
      bound: 'maxKeys',
      limit: 2,
      field: 'tools',
    });
    expect(scan('{"a":1,"b":2,"c":3}', twoKeys)).toEqual({ kind: 'bound', bound: 'maxKeys', limit: 2 });
    // What exceeds a bound is not read on: nothing may parse it.
    expect(scan('{"a":1,"b":2,"c":3,', twoKeys)).toEqual({ kind: 'bound', bound: 'maxKeys', limit: 2 });
    const name = scan(`{"${'x'.repeat(5000)}":{"x":1,"y":2,"z":3}}`, twoKeys);
    expect(name).toMatchObject({ kind: 'bound', field: 'x'.repeat(64) });
    accepted(scan('[[],{},[]]', { ...NONE, maxContainers: 4 }));
    expect(scan('[[],{},[]]', { ...NONE, maxContainers: 3 })).toEqual({ kind: 'bound', bound: 'maxContainers', limit: 3 });
    accepted(scan('[1,[2,3],{"a":4,"b":5}]', { ...NONE, maxValues: 8 }));
    expect(scan('[1,[2,3],{"a":4,"b":5}]', { ...NONE, maxValues: 7 })).toEqual({ kind: 'bound', bound: 'maxValues', limit: 7 });
    accepted(scan(depth(9999), NONE));
  });

  it('finds in random bodies what JSON.parse finds, and refuses each of their prefixes', () => {
    const random = new RandomJson(16);
    for (let i = 0; i < BODIES; i++) {
      const bytes = Buffer.from(random.body());
      const found = accepted(scan(bytes, NONE));
      const value = parse(bytes);
      expect(restored(bytes, found)).toEqual(value);
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      expect(found.isObject).toBe(isObject);
      const fields = found.fields.map(({ name, valueStart, valueEnd }) => [name, JSON.parse(bytes.toString('utf8', valueStart, valueEnd))]);
      expect(Object.fromEntries(fields)).toEqual(isObject ? value : {});
      for (const { firstText, endText, valueStart, valueEnd } of found.fields)
        for (const place of found.texts.subarray(2 * firstText, 2 * endText)) expect(place > valueStart && place < valueEnd).toBe(true);
      const end = Math.floor(((bytes.lastIndexOf('}') + 1) * (i % 100)) / 100);
      const prefix = scan(bytes.subarray(0, end), NONE);
      if (found.isObject) expect(prefix).toMatchObject({ kind: 'syntax' });
    }
  });

  it('gives the same off the calling thread', async () => {
    const random = new RandomJson(17);
    const bodies = Array.from({ length: 100 }, () => Buffer.from(random.body()));
    const large = Buffer.from(
      `{"a":[${bodies.filter((body) => body[0] !== 0xef).join()}],"b":${'1'.repeat(70_000)},"c":"${'\\n'.repeat(70_000)}"${' '.repeat(70_000)}}`,
    );
    for (const bytes of [...bodies, large, large.subarray(0, -1), Buffer.from('{"a":1,"a":2}')])
      expect(await engine.scanAsync(bytes, DEFAULT_JSON_BOUNDS)).toEqual(scan(bytes));
  });

  it('refuses every prefix of a body', () => {
    const bytes = Buffer.from(`{"model":"gpt-4o","n":-1.5e+3,"a":[true,null,{"é":"\\u0041\\n🦀"}],"x":"${LONG_TEXT}"}`);
    for (let end = 0; end < bytes.length; end++) expect(scan(bytes.subarray(0, end))).toMatchObject(syntaxAt(end));
    accepted(scan(bytes));
  });

  it('takes bytes that are not UTF-8 as JSON.parse of their text does', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"a":"'),
      Buffer.from([0xff, 0xc3, 0xf0, 0x9f]),
      Buffer.from(`","b":"${LONG_TEXT}`),
      Buffer.from([0xe2]),
      Buffer.from('"}'),
    ]);
    expect(restored(bytes, accepted(scan(bytes)))).toEqual(parse(bytes));
    expect(scan(Buffer.from([0x7b, 0xff, 0x7d]))).toMatchObject(syntaxAt(1));
  });

  it('scans a view into a larger buffer', () => {
    const view = Buffer.from('xxx{"a":1}yyy').subarray(3, 10);
    expect(accepted(engine.scan(view, DEFAULT_JSON_BOUNDS)).fields).toMatchObject([{ name: 'a', keyStart: 1, valueStart: 5, valueEnd: 6 }]);
  });
});

describe('marks', () => {
  it('decodes a text, and distinguishes marks from other texts', () => {
    expect(decodeJsonText(Buffer.from('"a\\u0041é"'), 1, 10)).toBe('aAé');
    expect([markedIndex('\uf8ff12'), markedIndex(''), markedIndex('a')]).toEqual([12, -1, -1]);
  });
});
