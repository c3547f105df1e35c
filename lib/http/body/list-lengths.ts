import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { atOnce, inTurns } from '../../common/next-turn.js';
import { boundOfField, type BodyBounds, type ResolvedBodyBounds } from './body-bounds.js';
import type { JsonBody } from './json-body.js';

/** Shorter fields take less than a millisecond to parse. */
const LONG_FIELD = 16 * 1024;
/** Bytes scanned in one step, which takes less than half a millisecond. */
const BYTES_PER_STEP = 64 * 1024;
/** Bytes up to the first entry of a list. */
const FIRST_ENTRY = 64;
const [QUOTE, BACKSLASH, COMMA] = Buffer.from('"\\,');
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('[]{}');

/**
 * Checks the lists and objects of a body before anything parses them: 8 MiB of short names take
 * 100 ms to parse, and their bound is 64.
 * @throws InvalidArgumentError (`TOO_MANY_ENTRIES`) as `checkBodyBounds`
 */
export function checkListLengths(json: JsonBody, bounds: ResolvedBodyBounds): void {
  if (json.areListsChecked) return;
  atOnce(check(json, bounds));
  json.areListsChecked = true;
}

/** The same in turns of the event loop. */
export async function checkListLengthsInTurns(json: JsonBody, bounds: ResolvedBodyBounds): Promise<void> {
  await inTurns(check(json, bounds));
  json.areListsChecked = true;
}

function* check({ bytes, scan }: JsonBody, bounds: ResolvedBodyBounds): Generator<undefined, void> {
  if (scan.fields.length > bounds.fields) throw tooMany('body', 'fields', bounds);
  for (const { name, valueStart, valueEnd } of scan.fields) {
    if (valueEnd - valueStart < LONG_FIELD) continue;
    const bound = boundOfField(name, listAt(bytes, valueStart));
    if (bound !== undefined && (yield* hasMore(bytes.subarray(valueStart, valueEnd), bounds[bound]))) throw tooMany(name, bound, bounds);
  }
}

/** The kind of a list's first entry, since `checkBodyBounds` distinguishes token ids from texts. */
function listAt(bytes: Buffer, start: number): 'numbers' | 'others' | undefined {
  if (bytes[start] !== OPEN_ARRAY) return undefined;
  return /^\[\s*[-\d]/.test(bytes.toString('latin1', start, start + FIRST_ENTRY)) ? 'numbers' : 'others';
}

/** Whether a list or an object has more entries than `most`. */
function* hasMore(value: Buffer, most: number): Generator<undefined, boolean> {
  if (value[0] !== OPEN_ARRAY && value[0] !== OPEN_OBJECT) return false;
  let depth = 0;
  let entries = 1;
  for (let at = 0, stepEnd = BYTES_PER_STEP; at < value.length; at++) {
    if (at >= stepEnd) {
      stepEnd = at + BYTES_PER_STEP;
      yield;
    }
    const byte = value[at];
    if (byte === QUOTE) {
      at++;
      while (at < value.length && value[at] !== QUOTE) at += value[at] === BACKSLASH ? 2 : 1;
    } else if (byte === COMMA) {
      if (depth === 1 && ++entries > most) return true;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
  }
  return false;
}

function tooMany(name: string, bound: keyof BodyBounds, bounds: ResolvedBodyBounds): InvalidArgumentError {
  const rule = `must have at most ${bounds[bound]} entries (llmClient.bounds.${bound})`;
  return new InvalidArgumentError(name, NO_VALUE, rule, 'TOO_MANY_ENTRIES');
}
