import { characterClasses, LETTER_CLASSES } from './character-classes.js';
import { HAN_RANGES, PUNCTUATION_RANGES } from './unicode-sets.js';

/** A bit for each code point. */
function decodeSet(encoded: string): Uint8Array {
  const bits = new Uint8Array(0x110000 / 8);
  let next = 0;
  for (const range of encoded.slice(0, -1).split(',')) {
    const [gap, length] = range.split('.');
    const first = next + parseInt(gap, 36);
    next = first + parseInt(length, 36);
    for (let point = first; point < next; point++) bits[point >> 3] |= 1 << (point & 7);
  }
  return bits;
}

let han: Uint8Array | undefined;
let punctuation: Uint8Array | undefined;
let withoutHan: Uint8Array | undefined;

/** `\p{Han}` */
export function isHan(point: number): boolean {
  han ??= decodeSet(HAN_RANGES);
  return ((han[point >> 3] >> (point & 7)) & 1) !== 0;
}

/** `[\p{P}\p{S}]` */
export function isPunctuation(point: number): boolean {
  punctuation ??= decodeSet(PUNCTUATION_RANGES);
  return ((punctuation[point >> 3] >> (point & 7)) & 1) !== 0;
}

/** The class of each code point; Han letters and marks have one of their own. */
export function classesWithoutHan(): Uint8Array {
  if (withoutHan === undefined) {
    withoutHan = characterClasses().slice();
    for (let point = 0; point < withoutHan.length; point++)
      if ((LETTER_CLASSES >> withoutHan[point]) & 1 && isHan(point)) withoutHan[point] = HAN_CLASS;
  }
  return withoutHan;
}

/** Not the number of any class. */
const HAN_CLASS = 7;

/** Where the run of characters that belong ends; `at` if there is none. */
export function skipWhile(text: string, at: number, belongs: (point: number) => boolean): number {
  while (at < text.length) {
    const point = text.codePointAt(at) as number;
    if (!belongs(point)) break;
    at += point > 0xffff ? 2 : 1;
  }
  return at;
}
