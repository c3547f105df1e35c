import { decodeJsonText, markedIndex } from './text-marks.js';
import { textIn } from './engine/engine.js';

it.each<[string, number[], string]>([
  ['nothing', [], ''],
  ['a byte order mark', [0xef, 0xbb, 0xbf, 0x7b], '{'],
  ['two marks', [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf], '\ufeff'],
  ['another first byte', [0x22, 0xbb, 0xbf], '"\ufffd\ufffd'],
  ['another second byte', [0xef, 0xbc, 0xbf], '\uff3f'],
  ['another third byte', [0xef, 0xbb, 0xbe], '\ufefe'],
])('reads a text that begins with %s', (_, bytes, text) => {
  expect(textIn(Buffer.from(bytes))).toBe(text);
});

it('reads marks and texts', () => {
  expect(['\uf8ff12', '\uf8ff0', '', 'a1', 'x\uf8ff'].map(markedIndex)).toEqual([12, 0, -1, -1, -1]);
  expect(decodeJsonText(Buffer.from('"a\\u0041\\n"'), 1, 10)).toBe('aA\n');
  expect(decodeJsonText(Buffer.from('"é"'), 1, 3)).toBe('é');
});
