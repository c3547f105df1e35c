import { characterClasses } from './character-classes.js';
import { HAN_RANGES, PUNCTUATION_RANGES } from './unicode-sets.js';

let kimi: Uint8Array | undefined;
let deepseek: Uint8Array | undefined;

/** The bits of classes of Han in `kimiClasses`. */
export function ofHan(classes: number): number {
  return classes << HAN_CLASSES;
}

/** How many classes there are but Han's, at most. */
const HAN_CLASSES = 16;

/** The class of each code point, of its own for Han: letters, marks, numbers and others. */
export function kimiClasses(): Uint8Array {
  if (kimi === undefined) {
    kimi = characterClasses().slice();
    for (const [first, end] of rangesOf(HAN_RANGES)) for (let point = first; point < end; point++) kimi[point] += HAN_CLASSES;
  }
  return kimi;
}

// Classes of `deepseekClasses` beside letters, marks, numbers and white space; 0: in no pattern.
/** What the second pass takes, whatever else it is. */
export const EAST_ASIAN = 1 << 16;
export const ASCII_LETTER = 1 << 17;
/** P or S. */
export const SYMBOL = 1 << 18;
export const NO_CLASS = 1 << 0;

/** The class of each code point in DeepSeek's patterns. */
export function deepseekClasses(): Uint8Array {
  if (deepseek === undefined) {
    deepseek = characterClasses().slice();
    const fill = (bit: number, first: number, end: number): unknown => deepseek?.fill(Math.log2(bit), first, end);
    for (const [first, end] of rangesOf(PUNCTUATION_RANGES)) fill(SYMBOL, first, end);
    fill(SYMBOL, 0xd800, 0xe000);
    fill(EAST_ASIAN, 0x4e00, 0x9fa6);
    fill(EAST_ASIAN, 0x3040, 0x3100);
    fill(ASCII_LETTER, 0x41, 0x5b);
    fill(ASCII_LETTER, 0x61, 0x7b);
  }
  return deepseek;
}

/** The ranges of a generated table. */
export function* rangesOf(encoded: string): Generator<readonly [first: number, end: number]> {
  let next = 0;
  for (const range of encoded.slice(0, -1).split(',')) {
    const [gap, length] = range.split('.');
    const first = next + parseInt(gap, 36);
    next = first + parseInt(length, 36);
    yield [first, next];
  }
}
