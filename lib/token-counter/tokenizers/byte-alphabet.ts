import type { Respell } from './token-table.js';

/** Characters that stand for bytes are below. */
const POINTS = 0x200;

/**
 * The byte of each character by which byte-level tokenizers write bytes: printable ones of Latin-1
 * stand for themselves, the others are U+0100 and up, in order. -1: the character stands for none.
 */
const BYTE_OF = new Int16Array(POINTS).fill(-1);
{
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    BYTE_OF[isPrintable ? byte : next++] = byte;
  }
}

/** A token whose characters stand for bytes. */
export const bytesOfCharacters: Respell = (texts, start, end, target, at) => {
  for (let from = start; from < end; from++) {
    const lead = texts[from];
    const point = lead < 0x80 ? lead : lead < 0xc8 ? ((lead & 0x1f) << 6) | (texts[++from] & 0x3f) : POINTS;
    const byte = BYTE_OF[point] ?? -1;
    if (byte < 0) return -1;
    target[at++] = byte;
  }
  return at;
};
