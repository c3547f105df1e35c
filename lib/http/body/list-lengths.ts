import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { atOnce, inTurns } from '../../common/next-turn.js';
import { boundOfField, type BodyBounds, type ResolvedBodyBounds } from './body-bounds.js';
import type { ScannedField } from '../../json-body/engine/engine.js';
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

function* check(json: JsonBody, bounds: ResolvedBodyBounds): Generator<undefined, void> {
  const { bytes, scan } = json;
  if (scan.fields.length > bounds.fields) throw tooMany('body', 'fields', bounds);
  for (const field of scan.fields) {
    const { name, valueStart, valueEnd } = field;
    if (valueEnd - valueStart < LONG_FIELD) continue;
    const bound = boundOfField(name, listAt(bytes, valueStart));
    if (bound !== undefined && (yield* hasMore(json, field, bounds[bound]))) throw tooMany(name, bound, bounds);
  }
}

/** The kind of a list's first entry, since `checkBodyBounds` distinguishes token ids from texts. */
function listAt(bytes: Buffer, start: number): 'numbers' | 'others' | undefined {
  if (bytes[start] !== OPEN_ARRAY) return undefined;
  return /^\[\s*[-\d]/.test(bytes.toString('latin1', start, start + FIRST_ENTRY)) ? 'numbers' : 'others';
}

/** Whether a list or an object has more entries than `most`. Skips the long texts of the scan. */
function* hasMore({ bytes, scan }: JsonBody, field: ScannedField, most: number): Generator<undefined, boolean> {
  const { valueStart, valueEnd } = field;
  if (bytes[valueStart] !== OPEN_ARRAY && bytes[valueStart] !== OPEN_OBJECT) return false;
  const { texts } = scan;
  let text = field.firstText;
  let depth = 0;
  let entries = 1;
  for (let at = valueStart, stepEnd = at + BYTES_PER_STEP; at < valueEnd; at++) {
    if (at >= stepEnd) {
      stepEnd = at + BYTES_PER_STEP;
      yield;
    }
    const byte = bytes[at];
    if (byte === QUOTE) {
      at++;
      if (at === texts[2 * text]) {
        const end = texts[2 * text++ + 1];
        stepEnd += end - at;
        at = end;
      } else while (at < valueEnd && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
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
