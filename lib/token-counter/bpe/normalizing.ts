import { normalize } from './normalize.js';
import { marksOf, normalizingMarks, type Form } from './ordered-marks.js';

/** UTF-16 units of a step: well below a millisecond. */
const STEP_UNITS = 1 << 14;
/** Parts of the result that are compared with the text in a step. */
const PARTS_PER_STEP = 64;
/** Marks of a longer run are put in order by themselves. */
const LONG_RUN = 64;
/** What form C may change, alone or with what is before it; all below is in that form. */
const MAY_COMPOSE = /[\u0300-\uffff]/;
const NOT_ASCII = /[^\0-\x7f]/;

/** Normalizes a text in steps, each of which ends where no character changes another. */
export function* normalizing(text: string, form: Form, stepUnits = STEP_UNITS): Generator<undefined, string> {
  const parts: string[] = [];
  let compared = 0;
  let same: number | undefined = 0;
  for (let at = 0; at < text.length;) {
    if (at > 0) yield undefined;
    let { end, run } = marksFrom(text, at, at + stepUnits, form);
    if (run === undefined) {
      let part = normalized(text.slice(at, end), form);
      while (end < text.length && !isCut(part, characterAt(text, end), form)) {
        ({ end, run } = marksFrom(text, end, end + 1, form));
        if (run !== undefined) break;
        part = normalized(text.slice(at, end), form);
      }
      if (run === undefined) parts.push(part);
    }
    at = run === undefined ? end : yield* normalizingMarks(text, { start: run, head: text.slice(at, run), form }, parts);
    for (; compared < parts.length && same !== undefined; compared++) {
      if (compared % PARTS_PER_STEP === 0) yield undefined;
      same = text.startsWith(parts[compared], same) ? same + parts[compared].length : undefined;
    }
  }
  return same === text.length ? text : parts.join('');
}

function normalized(text: string, form: Form): string {
  return (form === 'NFC' ? MAY_COMPOSE : NOT_ASCII).test(text) ? normalize(text, form) : text;
}

/**
 * The first place that is not before `least`, between two characters, behind which no mark is; the
 * start of a long run of marks if there is one before that.
 */
function marksFrom(text: string, at: number, least: number, form: Form): { end: number; run?: number } {
  const marks = marksOf(form);
  let run = at;
  while (at < text.length) {
    const point = text.codePointAt(at) as number;
    const next = at + (point > 0xffff ? 2 : 1);
    if (!marks.isMark(point)) {
      if (at >= least) return { end: at };
      run = next;
    } else if (next - run >= LONG_RUN) return { end: next, run };
    at = next;
  }
  return { end: at };
}

/** Whether a character that is no mark leaves what is before it as it is: then so does the rest. */
function isCut(before: string, character: string, form: Form): boolean {
  const low = before.charCodeAt(before.length - 1);
  const last = before.slice((low & 0xfc00) === 0xdc00 ? -2 : -1);
  return normalize(`${last}${character}`, form) === last + normalize(character, form);
}

function characterAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at) as number);
}
