import { rangesOf } from './character-sets.js';
import { LATER_RANGES } from './later-characters.js';

/** No later character is below. */
const FIRST_LATER = 0x378;
/** By code point: a bit for each that `LATER_RANGES` has. */
let later: Uint32Array | undefined;

/**
 * `text.normalize(form)` with Unicode 9, as in Hugging Face's tokenizers: Node's tables are newer
 * and depend on its version. Characters that are not in Unicode 9 stay, and nothing composes or
 * moves across them; all others normalize alike in every later version.
 */
export function normalize(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): string {
  let normal = '';
  let from = 0;
  for (let at = 0; at < text.length;) {
    const point = text.codePointAt(at) as number;
    const next = at + (point > 0xffff ? 2 : 1);
    if (isLater(point)) {
      normal += text.slice(from, at).normalize(form) + text.slice(at, next);
      from = next;
    }
    at = next;
  }
  return from === 0 ? text.normalize(form) : normal + text.slice(from).normalize(form);
}

/** Whether a code point is not in Unicode 9, or one that no normalization changes. */
export function isLater(point: number): boolean {
  return point >= FIRST_LATER && ((laterPoints()[point >>> 5] >>> (point & 31)) & 1) !== 0;
}

function laterPoints(): Uint32Array {
  if (later !== undefined) return later;
  later = new Uint32Array(0x11_0000 / 32);
  for (const [first, end] of rangesOf(LATER_RANGES)) for (let point = first; point < end; point++) later[point >>> 5] |= 1 << (point & 31);
  return later;
}
