import { LONGEST_SHOWN_KEY, type JsonBounds } from '../json-bounds.js';
import { asBuffer, decodeJsonText } from '../text-marks.js';
import { keyText } from './key-text.js';
import type { JsonFault, JsonScan, ScannedField } from './engine.js';

/** Numbers of a field: the quotes of its key, then as in `ScannedField` from `valueStart` on. */
export const FIELD_NUMBERS = 6;

/** What both engines find, as numbers: byte offsets and indices. */
export interface ScanNumbers {
  readonly isObject: boolean;
  readonly hasOddNumbers: boolean;
  /** The fields' numbers, from the index `from` on. */
  readonly fields: { readonly numbers: ArrayLike<number>; readonly from: number; readonly count: number };
  readonly texts: Uint32Array;
  readonly outline: string | undefined;
}

/** One literal: with rest and spread it took 2 % of a short request, together with its caller. */
export function scanOf(bytes: Buffer, { isObject, hasOddNumbers, fields: places, texts, outline }: ScanNumbers): JsonScan {
  const { numbers, from, count } = places;
  const fields: ScannedField[] = [];
  for (let at = from; at < from + count * FIELD_NUMBERS; at += FIELD_NUMBERS) {
    fields.push({
      name: unescapedKey(keyText(bytes, numbers[at] + 1, numbers[at + 1])),
      keyStart: numbers[at],
      valueStart: numbers[at + 2],
      valueEnd: numbers[at + 3],
      firstText: numbers[at + 4],
      endText: numbers[at + 5],
    });
  }
  return { fields, isObject, hasOddNumbers, outline, texts };
}

/** The key that stands in JSON as `raw`. */
export function unescapedKey(raw: string): string {
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

/** Refuses the byte at `at`, or the end. */
export function syntaxFault(bytes: Uint8Array, at: number): JsonFault {
  return { kind: 'syntax', at, message: at < bytes.length ? `unexpected character in JSON at byte ${at}` : 'unexpected end of JSON' };
}

/** `key`: the places of the quotes of the field that exceeds it; -1 outside of any. */
export function boundFault(
  bytes: Uint8Array,
  bounds: Required<JsonBounds>,
  bound: keyof JsonBounds,
  key: readonly [number, number],
): JsonFault {
  const limit = bounds[bound];
  return key[0] < 0 ? { kind: 'bound', bound, limit } : { kind: 'bound', bound, limit, field: shownKey(bytes, key) };
}

export function duplicateFault(bytes: Uint8Array, key: readonly [number, number]): JsonFault {
  return { kind: 'duplicate', at: key[0], key: shownKey(bytes, key) };
}

function shownKey(bytes: Uint8Array, [start, end]: readonly [number, number]): string {
  return decodeJsonText(asBuffer(bytes), start + 1, end).slice(0, LONGEST_SHOWN_KEY);
}
