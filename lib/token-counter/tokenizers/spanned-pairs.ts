/** Bits of a pair's hash, as in the addon's `pair_hash.rs`. */
const PAIR_HASH_BITS = 19;
const LINE_FACTOR = 0x85ebca77;
const BIT_FACTOR = 0x9e3779b1;
const LINE_BITS = 9;

/** Bytes of the bitmap. */
export const PAIR_BITMAP_BYTES = (1 << PAIR_HASH_BITS) / 8;

/** The bit of two adjacent characters, each as its UTF-8 bytes, the first one lowest. */
export function pairHash(left: number, right: number): number {
  const line = Math.imul(right, LINE_FACTOR) >>> (32 - (PAIR_HASH_BITS - LINE_BITS));
  return (line << LINE_BITS) | (Math.imul(left, BIT_FACTOR) >>> (32 - LINE_BITS));
}

/**
 * The pairs of adjacent characters that some token spans: texts may be cut at all others. Behind
 * ASCII nothing is cut, so those pairs are there only `withAscii`. `whole`: tokens that only whole
 * pieces are.
 */
export function spannedPairs(tokens: Iterable<Uint8Array>, withAscii: boolean, whole: Iterable<Uint8Array>): Buffer {
  const bitmap = Buffer.alloc(PAIR_BITMAP_BYTES);
  const partial = new Set<string>();
  const set = (left: number, right: number): void => {
    const bit = pairHash(left, right);
    bitmap[bit >> 3] |= 1 << (bit & 7);
  };
  for (const token of tokens) {
    let start = -1;
    for (let at = 0; at < token.length; at++) {
      const byte = token[at];
      if ((byte & 0xc0) === 0x80) continue;
      if (at > 0) {
        const isWhole = start >= 0 && characterLength(token[start]) === at - start;
        // The token contains only the last byte of the previous character.
        const left = isWhole ? keyOf(token, start, at) : 0x0100_0000 | token[at - 1];
        const end = at + characterLength(byte);
        if (isWhole && at - start === 1 && !withAscii) {
          // Never cut.
        } else if (end <= token.length) set(left, keyOf(token, at, end));
        else {
          const pair = `${left} ${token.length - at} ${keyOf(token, at, token.length)}`;
          if (!partial.has(pair)) for (const right of completions(token, at, end - token.length)) set(left, right);
          partial.add(pair);
        }
      }
      start = at;
    }
  }
  for (const token of whole) keepWhole(bitmap, token);
  return bitmap;
}

/** No part of a piece may be taken for a token that only whole pieces are: no cut at its ends. */
function keepWhole(bitmap: Buffer, token: Uint8Array): void {
  const first = keyOf(token, 0, characterLength(token[0]));
  for (let left = 0; left < 1 << LINE_BITS; left++) {
    const bit = (pairHash(0, first) & -(1 << LINE_BITS)) | left;
    bitmap[bit >> 3] |= 1 << (bit & 7);
  }
  let start = token.length - 1;
  while ((token[start] & 0xc0) === 0x80) start--;
  const column = pairHash(keyOf(token, start, token.length), 0) & ((1 << LINE_BITS) - 1);
  // After ASCII, nothing is cut.
  if (token[start] < 0x80) return;
  for (let line = 0; line < 1 << (PAIR_HASH_BITS - LINE_BITS); line++) {
    const bit = (line << LINE_BITS) | column;
    bitmap[bit >> 3] |= 1 << (bit & 7);
  }
}

/** Bytes of the character whose first byte in UTF-8 is `lead`. */
export function characterLength(lead: number): number {
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

function keyOf(bytes: Uint8Array, start: number, end: number): number {
  let key = 0;
  for (let at = end - 1; at >= start; at--) key = (key << 8) | bytes[at];
  return key;
}

/** All characters that begin with the bytes from `at` on, as keys. */
function* completions(token: Uint8Array, at: number, missing: number): Generator<number> {
  const known = token.length - at;
  const start = keyOf(token, at, token.length);
  for (let rest = 0; rest < 64 ** missing; rest++) {
    let key = start;
    for (let i = 0, left = rest; i < missing; i++, left >>= 6) key |= (0x80 | (left & 63)) << (8 * (known + i));
    yield key;
  }
}
