import { characterLength, pairHash } from '../tokenizers/spanned-pairs.js';
import { isInsidePair, skipKnown, STRIDE_UNITS, widthBefore } from './character-classes.js';
import type { LongRuns } from './class-blocks.js';
import type { PieceEnd } from './pretokenizer.js';

/** Blocks in which each character may be in one token with that before it, and others. */
const JOINED = 1;
const CUT = 2;

/**
 * Where a text whose merges start from characters may be cut: between two that are neighbours in no
 * token. Pieces of prose are words. A character that is no token is a piece.
 */
export class Neighbours {
  /** Bit per code point: the character is a token. */
  private readonly known = new Uint8Array(0x110000 / 8);
  /** Neighbours within ASCII, which are most: `left * 128 + right`. */
  private readonly ascii = new Uint8Array(1 << 14);

  constructor(private readonly spanned: Uint8Array) {}

  /** Adds a token by its bytes. */
  add(bytes: Uint8Array): void {
    const lead = bytes[0];
    if (bytes.length === characterLength(lead)) {
      const point = bytes.length === 1 ? lead : pointOf(bytes);
      this.known[point >> 3] |= 1 << (point & 7);
    }
    for (let at = 1; at < bytes.length; at++) if ((bytes[at - 1] | bytes[at]) < 0x80) this.ascii[bytes[at - 1] * 128 + bytes[at]] = 1;
  }

  /** The end of the piece that starts at `at`. */
  readonly pieceEnd: PieceEnd = Object.assign(
    (text: string, at: number): number => {
      let left = text.codePointAt(at) as number;
      let end = at + (left > 0xffff ? 2 : 1);
      if (!this.isKnown(left)) return end;
      for (let stop = at + STRIDE_UNITS; end < text.length;) {
        if (end >= stop) {
          end = skipKnown(text, end, JOINED, this.spanned);
          if (end === text.length) break;
          left = text.codePointAt(end - widthBefore(text, end)) as number;
          stop = end + STRIDE_UNITS;
        }
        const right = text.codePointAt(end) as number;
        if (!this.isInside(left, right) || !this.isKnown(right)) break;
        left = right;
        end += right > 0xffff ? 2 : 1;
      }
      return end;
    },
    {
      longRuns: (): LongRuns => ({
        table: this.spanned,
        pure: [JOINED],
        maskOf: (text, from, to) => (this.isJoined(text, from, to) ? JOINED : CUT),
      }),
    },
  );

  /** Whether each character that starts in a part of a text is of one piece with that before it. */
  private isJoined(text: string, from: number, to: number): boolean {
    let at = isInsidePair(text, from) ? from + 1 : from;
    let left = at === 0 ? undefined : (text.codePointAt(at - widthBefore(text, at)) as number);
    while (at < to) {
      const right = text.codePointAt(at) as number;
      if (!this.isKnown(right) || (left !== undefined && (!this.isInside(left, right) || !this.isKnown(left)))) return false;
      left = right;
      at += right > 0xffff ? 2 : 1;
    }
    return true;
  }

  /** Whether some token has both as neighbours. */
  isInside(left: number, right: number): boolean {
    if ((left | right) < 0x80) return this.ascii[left * 128 + right] !== 0;
    const bit = pairHash(keyOf(left), keyOf(right));
    return ((this.spanned[bit >> 3] >> (bit & 7)) & 1) !== 0;
  }

  /** Of ASCII even what is no token is one piece. A lone surrogate becomes U+FFFD. */
  private isKnown(point: number): boolean {
    if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
    return point < 0x80 || ((this.known[point >> 3] >> (point & 7)) & 1) !== 0;
  }
}

/** The UTF-8 bytes of a character, the first one lowest. */
function keyOf(point: number): number {
  if (point < 0x80) return point;
  if (point < 0x800) return 0xc0 | (point >> 6) | (tail(point) << 8);
  if (point < 0x10000) {
    if (point >= 0xd800 && point < 0xe000) return keyOf(0xfffd);
    return 0xe0 | (point >> 12) | (tail(point >> 6) << 8) | (tail(point) << 16);
  }
  return 0xf0 | (point >> 18) | (tail(point >> 12) << 8) | (tail(point >> 6) << 16) | (tail(point) << 24);
}

function tail(bits: number): number {
  return 0x80 | (bits & 0x3f);
}

/** The character of two to four bytes. */
function pointOf(bytes: Uint8Array): number {
  let point = bytes[0] & (0xff >> (bytes.length + 1));
  for (let at = 1; at < bytes.length; at++) point = (point << 6) | (bytes[at] & 0x3f);
  return point;
}
