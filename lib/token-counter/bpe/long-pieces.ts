import type { BlockMerge } from './block-merge.js';
import type { RankFile } from './ranks.js';
import { mergeInStretches } from './incremental-merge.js';
import { hashPrefixes } from './vocabulary.js';

/** UTF-16 units from which on a piece is merged by itself, with pauses. A shorter text has no such piece. */
export const LONG_PIECE_UNITS = 128;

/** Units of the longest segment. */
const SEGMENT_UNITS = 16384;
/** A unit is three bytes at the most; a segment ends with the first piece that fills it. */
const SEGMENT_BYTES = 3 * (SEGMENT_UNITS + LONG_PIECE_UNITS);
/** Units of a long piece that become UTF-8 in one step. */
const UTF8_UNITS = 1 << 20;
/** Longer ones are merged as long pieces are. */
const SHORT_PIECE_BYTES = 128;

const utf8 = new TextEncoder();
// What one segment needs: no two are encoded at a time.
const ends = new Int32Array(SEGMENT_UNITS + 1);
let bytes = new Uint8Array(0);
let prefixes = new Int32Array(0);
let ids = new Uint32Array(0);

/** The token ids of `text`, in parts: each step takes a millisecond or two, some bring no ids. Short pieces are encoded `segmentUnits` at a time. */
export function* encodeInSteps(text: string, ranks: RankFile, segmentUnits = SEGMENT_UNITS): Generator<Uint32Array, void> {
  const { pieceEnd } = ranks;
  let at = 0;
  while (at < text.length) {
    const start = at;
    let pieces = 0;
    let end = start;
    while (at < text.length && at - start < segmentUnits) {
      end = pieceEnd(text, at);
      if (end - at > LONG_PIECE_UNITS) break;
      ends[pieces++] = end - start;
      at = end;
    }
    if (pieces > 0) yield encodePieces(text.slice(start, at), pieces, ranks);
    if (end > at) {
      yield* encodeLongPiece(text.slice(at, end), ranks);
      at = end;
    }
  }
}

/** The token ids of a text of at most `LONG_PIECE_UNITS`. */
export function encodeShortText(text: string, ranks: RankFile): Uint32Array {
  let pieces = 0;
  for (let at = 0; at < text.length; ends[pieces++] = at) at = ranks.pieceEnd(text, at);
  return encodePieces(text, pieces, ranks);
}

/** The token ids of a text whose first `pieces` ends, all there are, stand in `ends`. */
function encodePieces(text: string, pieces: number, { vocabulary, merge }: RankFile): Uint32Array {
  if (text.length * 3 > bytes.length) {
    const room = text.length <= LONG_PIECE_UNITS ? 3 * LONG_PIECE_UNITS : SEGMENT_BYTES;
    bytes = new Uint8Array(room);
    prefixes = new Int32Array(room + 1);
    ids = new Uint32Array(room);
  }
  const { written } = utf8.encodeInto(text, bytes);
  hashPrefixes(bytes, prefixes, written);
  const isAscii = written === text.length;
  let count = 0;
  let start = 0;
  for (let piece = 0, from = 0; piece < pieces; piece++) {
    const to = ends[piece];
    const end = isAscii ? to : start + bytesOf(text, from, to);
    count = encodePiece(start, end, count, vocabulary, merge);
    from = to;
    start = end;
  }
  return ids.slice(0, count);
}

function encodePiece(start: number, end: number, count: number, vocabulary: RankFile['vocabulary'], merge: BlockMerge): number {
  const whole = end - start === 1 ? vocabulary.single[bytes[start]] : vocabulary.find(bytes, prefixes, start, end);
  if (whole >= 0) {
    ids[count] = whole;
    return count + 1;
  }
  if (end - start <= SHORT_PIECE_BYTES) {
    merge.merge(bytes, prefixes, start, end);
    return merge.write(0, ids, count);
  }
  const merging = mergeInStretches(bytes.subarray(start, end), vocabulary, merge);
  let step = merging.next();
  while (!step.done) step = merging.next();
  ids.set(step.value, count);
  return count + step.value.length;
}

/** Bytes of the characters from `from` to `to` in UTF-8; a lone surrogate is U+FFFD. */
function bytesOf(text: string, from: number, to: number): number {
  let length = 0;
  for (let at = from; at < to; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      length += 4;
      at += 1;
    } else length += 3;
  }
  return length;
}

const NO_IDS = new Uint32Array(0);

function* encodeLongPiece(piece: string, { vocabulary, merge }: RankFile): Generator<Uint32Array, void> {
  const pieceBytes = new Uint8Array(Buffer.byteLength(piece));
  for (let at = 0, end = 0; at < piece.length;) {
    if (at > 0 || piece.length > UTF8_UNITS) yield NO_IDS;
    const { read, written } = utf8.encodeInto(stepOf(piece, at), pieceBytes.subarray(end));
    at += read;
    end += written;
  }
  const merging = mergeInStretches(pieceBytes, vocabulary, merge);
  let step = merging.next();
  for (; !step.done; step = merging.next()) yield NO_IDS;
  yield step.value;
}

/** The next units to be encoded, without half a surrogate pair. */
function stepOf(piece: string, at: number): string {
  const end = at + UTF8_UNITS;
  const isCut = end < piece.length && (piece.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return piece.slice(at, isCut ? end - 1 : end);
}
