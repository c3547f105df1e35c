import { mayBeReordered, withOrderedMarks } from './ordered-marks.js';

/** Unicode's normalization forms that tokenizers use. */
export type Form = 'NFC' | 'NFKC';

/** UTF-16 units of a step: well below a millisecond. */
const STEP_UNITS = 1 << 14;
/** What form C may change, alone or with what is before it; all below is in that form. */
const MAY_COMPOSE = /[\u0300-\uffff]/;
const NOT_ASCII = /[^\0-\x7f]/;

/**
 * Normalizes a text in steps, each of which ends where no character changes another. Only a run of
 * combining marks has no such place.
 */
export function* normalizing(text: string, form: Form, stepUnits = STEP_UNITS): Generator<undefined, string> {
  const parts: string[] = [];
  let isSame = true;
  for (let at = 0; at < text.length;) {
    if (at > 0) yield undefined;
    let end = at;
    let part: string;
    do {
      end = cutFrom(text, end === at ? at + stepUnits : end + 1);
      part = normalized(text.slice(at, end), form);
    } while (end < text.length && !isCut(part, characterAt(text, end), form));
    isSame &&= end - at === part.length && text.startsWith(part, at);
    parts.push(part);
    at = end;
  }
  return isSame ? text : parts.join('');
}

function normalized(text: string, form: Form): string {
  return (form === 'NFC' ? MAY_COMPOSE : NOT_ASCII).test(text) ? withOrderedMarks(text).normalize(form) : text;
}

/** The first place from `at` on, between two characters, behind which no mark is. */
function cutFrom(text: string, at: number): number {
  for (; at < text.length; at++) {
    const isInside = (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
    if (!isInside && !mayBeReordered(characterAt(text, at))) return at;
  }
  return text.length;
}

/** Whether a character that is no mark leaves what is before it as it is: then so does the rest. */
function isCut(before: string, character: string, form: Form): boolean {
  const low = before.charCodeAt(before.length - 1);
  const last = before.slice((low & 0xfc00) === 0xdc00 ? -2 : -1);
  return `${last}${character}`.normalize(form) === last + character.normalize(form);
}

function characterAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at) as number);
}
