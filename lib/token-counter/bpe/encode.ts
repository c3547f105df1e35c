import { useRuns } from './character-classes.js';
import { ClassBlocks } from './class-blocks.js';
import { mergeIncrementally } from './incremental-merge.js';
import { MAX_BLOCK_BYTES } from './merge.js';
import type { RankFile } from './ranks.js';
import { hashPrefixes } from './vocabulary.js';

/** A piece of more UTF-16 code units is merged by itself, with pauses. */
export const LONG_PIECE_UNITS = 128;

/** UTF-16 code units of a segment: short pieces that are encoded together. */
export const SEGMENT_UNITS = 16384;
/** A unit has at most three bytes; a segment ends with the first piece that fills it. */
const SEGMENT_BYTES = 3 * (SEGMENT_UNITS + LONG_PIECE_UNITS);
/** UTF-16 code units of a long piece that are converted to UTF-8 in one step. */
const UTF8_UNITS = 1 << 20;
/** Ids of a long piece that are emitted in one step. */
const IDS_PER_STEP = 1 << 16;

const utf8 = new TextEncoder();
const NO_IDS = new Uint32Array(0);
// Buffers for one segment. Encoding a segment is synchronous, so all calls share them.
const ends = new Int32Array(SEGMENT_UNITS + 1);
let bytes = new Uint8Array(0);
let prefixes = new Int32Array(0);
let ids = new Uint32Array(0);

/** Yields the token ids of `text` in steps of 1 to 2 ms; a step may be empty. */
export function* encodeInSteps(text: string, ranks: RankFile, segmentUnits = SEGMENT_UNITS): Generator<Uint32Array, void> {
  const { pieceEnd } = ranks;
  const blocks = ClassBlocks.of(text);
  let at = 0;
  while (at < text.length) {
    const looking = blocks?.looking(at);
    while (looking?.next().done === false) yield NO_IDS;
    useRuns(blocks);
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

/** The token ids of a text of at most `LONG_PIECE_UNITS` units. */
export function encodeShortText(text: string, ranks: RankFile): Uint32Array {
  let pieces = 0;
  for (let at = 0; at < text.length; ends[pieces++] = at) at = ranks.pieceEnd(text, at);
  return encodePieces(text, pieces, ranks);
}

/** The token ids of a text of `pieces` pieces, which end at `ends`. */
function encodePieces(text: string, pieces: number, ranks: RankFile): Uint32Array {
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
    const end = isAscii ? to : start + utf8Length(text, from, to);
    count = encodePiece(start, end, count, ranks);
    from = to;
    start = end;
  }
  return ids.slice(0, count);
}

/** Writes the ids of the piece `bytes[start..end]` to `ids` at `count`; returns their end. */
function encodePiece(start: number, end: number, count: number, ranks: RankFile): number {
  const { vocabulary, merge } = ranks;
  const whole = end - start === 1 ? vocabulary.single[bytes[start]] : vocabulary.find(bytes, prefixes, start, end);
  if (whole >= 0) {
    ids[count] = whole;
    return count + 1;
  }
  if (end - start <= MAX_BLOCK_BYTES) {
    merge.merge(bytes, prefixes, start, end);
    return merge.write(0, ids, count);
  }
  const merging = mergeIncrementally(bytes.subarray(start, end), ranks);
  let step = merging.next();
  while (!step.done) step = merging.next();
  ids.set(step.value, count);
  return count + step.value.length;
}

/** Length of `text[from..to]` in UTF-8; a lone surrogate counts as U+FFFD. */
function utf8Length(text: string, from: number, to: number): number {
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

function* encodeLongPiece(piece: string, ranks: RankFile): Generator<Uint32Array, void> {
  let length = 0;
  for (let at = 0, step: string; at < piece.length; at += step.length) {
    length += Buffer.byteLength((step = stepOf(piece, at)));
    if (piece.length > UTF8_UNITS) yield NO_IDS;
  }
  const pieceBytes = new Uint8Array(length);
  for (let at = 0, end = 0; at < piece.length;) {
    if (at > 0 || piece.length > UTF8_UNITS) yield NO_IDS;
    const { read, written } = utf8.encodeInto(stepOf(piece, at), pieceBytes.subarray(end));
    at += read;
    end += written;
  }
  const merging = mergeIncrementally(pieceBytes, ranks);
  let step = merging.next();
  for (; !step.done; step = merging.next()) yield NO_IDS;
  for (let at = 0; at < step.value.length; at += IDS_PER_STEP) yield step.value.subarray(at, at + IDS_PER_STEP);
}

/** The units from `at` on that the next step converts, without half a surrogate pair. */
function stepOf(piece: string, at: number): string {
  const end = at + UTF8_UNITS;
  const isCut = end < piece.length && (piece.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return piece.slice(at, isCut ? end - 1 : end);
}
