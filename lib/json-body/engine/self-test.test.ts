import { JSON_BODY_ENGINES } from './engine-provider.js';
import { isJsonFault, type JsonBodyEngine, type JsonFault, type JsonScan } from './engine.js';
import { selfTest } from './self-test.js';

const engine = JSON_BODY_ENGINES.typescript();
const SYNTAX: JsonFault = { kind: 'syntax' };

/** An engine whose results are changed. */
const broken = (change: (result: JsonScan | JsonFault, body: string) => JsonScan | JsonFault): JsonBodyEngine =>
  ({
    scan: (bytes: Buffer, bounds: never) => change(engine.scan(bytes, bounds), bytes.toString()),
  }) as unknown as JsonBodyEngine;
const scanned = engine.scan(Buffer.from('{}'), { maxDepth: 9, maxKeys: 9, maxContainers: 9, maxValues: 9 }) as JsonScan;
const ofScans = (change: (scan: JsonScan) => JsonScan | JsonFault) => broken((result) => (isJsonFault(result) ? result : change(result)));

it('accepts an engine that answers right', () => {
  expect(selfTest(broken((result) => result))).toBe(true);
});

it.each<[string, JsonBodyEngine]>([
  ['refuses a body', ofScans(() => SYNTAX)],
  ['accepts a doubled key', broken((result, body) => (body.includes('"a":1') ? scanned : result))],
  ['gives another reason for a doubled key', broken((result, body) => (body.includes('"a":1') ? SYNTAX : result))],
  ['accepts a truncated body', broken((result, body) => (isJsonFault(result) && !body.includes('"a":1') ? scanned : result))],
  [
    'gives another reason for a truncated body',
    broken((result, body) => (isJsonFault(result) && !body.includes('"a":1') ? { kind: 'duplicate', at: 0, key: 'a' } : result)),
  ],
  ['loses the outline', ofScans(({ fields }) => ({ ...scanned, fields, outline: undefined }))],
  [
    'misplaces a value',
    ofScans(({ fields, outline }) => ({ ...scanned, outline, fields: [fields[0], { ...fields[1], valueEnd: 1 }, fields[2]] })),
  ],
  [
    'misreads a name',
    ofScans(({ fields, outline }) => ({ ...scanned, outline, fields: [{ ...fields[0], name: 'x' }, ...fields.slice(1)] })),
  ],
])('rejects an engine that %s', (_, wrong) => {
  expect(selfTest(wrong)).toBe(false);
});
