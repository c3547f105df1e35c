import { InvalidArgumentError } from '../../common/errors.js';
import { SPECIAL_TOKENS } from './special-tokens.js';
import { ENCODING_NAMES } from '../engine/engine.js';
import type { PackedTokenizer } from '../tokenizers/packed-layout.js';

/** Special tokens by id, one map per encoding handle. An id decodes to its first text. */
const SPECIAL_BYTES: readonly ReadonlyMap<number, Uint8Array>[] = ENCODING_NAMES.map((name) => {
  const bytes = new Map<number, Uint8Array>();
  for (const [text, id] of SPECIAL_TOKENS[name]) if (!bytes.has(id)) bytes.set(id, new TextEncoder().encode(text));
  return bytes;
});

/** The smallest id of a special token: smaller ids need no look-up. */
const FIRST_SPECIAL: readonly number[] = SPECIAL_BYTES.map((bytes) => Math.min(...bytes.keys()));

/**
 * Decodes special tokens from the table and the ids between them with `decodeOrdinary`, which gets
 * their offset in `ids` and throws `unknownToken` for an id that the encoding lacks.
 */
export function decodeTokens(
  ids: Uint32Array,
  encoding: number,
  decodeOrdinary: (ordinary: Uint32Array, offset: number) => Uint8Array,
): Uint8Array {
  const special = SPECIAL_BYTES[encoding];
  const first = FIRST_SPECIAL[encoding];
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let index = 0; index < ids.length; index++) {
    const bytes = ids[index] < first ? undefined : special.get(ids[index]);
    if (bytes === undefined) continue;
    if (index > start) parts.push(decodeOrdinary(ids.subarray(start, index), start));
    parts.push(bytes);
    start = index + 1;
  }
  if (start === 0) return decodeOrdinary(ids, 0);
  if (start < ids.length) parts.push(decodeOrdinary(ids.subarray(start), start));
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * Decodes the ids that a tokenizer's tables do not hold from its list, and those between them with
 * `decodeOrdinary`, which returns the index of an id that is not a token.
 */
export function decodeTokenizer(
  ids: Uint32Array,
  { outside, heldOutside, name }: PackedTokenizer,
  decodeOrdinary: (ordinary: Uint32Array) => Uint8Array | number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  const ordinary = (start: number, end: number): void => {
    if (start === end) return;
    const bytes = decodeOrdinary(ids.subarray(start, end));
    if (typeof bytes !== 'number') parts.push(bytes);
    else throw new InvalidArgumentError(`ids[${start + bytes}]`, ids[start + bytes], `must be a token of ${name}`, 'UNKNOWN_TOKEN');
  };
  let start = 0;
  for (let index = 0; index < ids.length; index++) {
    const bytes = heldOutside.has(ids[index]) ? undefined : outside.get(ids[index]);
    if (bytes === undefined) continue;
    ordinary(start, index);
    parts.push(bytes);
    start = index + 1;
  }
  ordinary(start, ids.length);
  return new Uint8Array(Buffer.concat(parts));
}

/** The error for an id that the encoding lacks. */
export function unknownToken(index: number, id: number, encoding: number): InvalidArgumentError {
  return new InvalidArgumentError(`ids[${index}]`, id, `must be a token of ${ENCODING_NAMES[encoding]}`, 'UNKNOWN_TOKEN');
}
