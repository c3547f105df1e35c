import type { PackedTokenizer } from '../tokenizers/packed-layout.js';
import type { SplitName } from '../tokenizers/tokenizer-model.js';
import { atOnce } from '../../common/next-turn.js';
import { AddedTokens, type FoundToken } from './added-tokens.js';
import { characterClasses, MARK, SPACE } from './character-classes.js';
import { deepseekPieceEnd } from './deepseek.js';
import { encodeInSteps, encodeShortText, LONG_PIECE_UNITS, SEGMENT_UNITS } from './encode.js';
import { BlockMerge } from './merge.js';
import { Neighbours } from './neighbours.js';
import { normalizing } from './normalizing.js';
import type { Form } from './ordered-marks.js';
import {
  cl100kDigitsPieceEnd,
  cl100kMarksPieceEnd,
  cl100kPieceEnd,
  gpt2DigitsPieceEnd,
  gpt2PieceEnd,
  kimiPieceEnd,
  o200kDigitsPieceEnd,
  o200kPieceEnd,
  type PieceEnd,
} from './pretokenizer.js';
import type { Ranks } from './ranks.js';
import { Vocabulary } from './vocabulary.js';
import { WholePieces } from './whole-pieces.js';

const PIECE_ENDS: Readonly<Record<Exclude<SplitName, 'characters'>, PieceEnd>> = {
  gpt2: gpt2PieceEnd,
  cl100k: cl100kPieceEnd,
  o200k: o200kPieceEnd,
  'gpt2-digits': gpt2DigitsPieceEnd,
  'cl100k-digits': cl100kDigitsPieceEnd,
  'cl100k-marks': cl100kMarksPieceEnd,
  'o200k-digits': o200kDigitsPieceEnd,
  kimi: kimiPieceEnd,
  deepseek: deepseekPieceEnd,
};

/** UTF-16 units of a portion, and units that are searched or changed in a step. */
const PORTION_UNITS = 1 << 16;
/** Stands for a space where merges start from characters. */
const SPACE_SIGN = '\u2581';
const NO_IDS = new Uint32Array(0);
const FORMS: Readonly<Record<string, Form | undefined>> = { nfc: 'NFC', nfkc: 'NFKC' };
/** Tokens of a step: some 50 us. */
const TOKENS_PER_STEP = 512;
const IDS_PER_STEP = 4096;
const NONE = 0xffff_ffff;

/** A part of a text: an added token, or what is split and merged; `undefined` for a pause. */
type Part =
  undefined | { readonly id: number; readonly original: string } | { readonly id: null; readonly text: string; readonly original: string };

interface Tables {
  readonly vocabulary: Vocabulary;
  readonly neighbours: Neighbours | undefined;
  readonly added: AddedTokens | undefined;
  readonly addedNormalized: AddedTokens | undefined;
  readonly inner: Uint32Array | undefined;
  readonly whole: WholePieces | undefined;
}

/** A tokenizer of a file, for the TypeScript engine. */
export class TokenizerRanks implements Ranks {
  readonly vocabulary: Vocabulary;
  readonly pieceEnd: PieceEnd;
  readonly merge: BlockMerge;
  readonly bytesAlone: boolean;
  readonly whole: WholePieces | undefined;
  private readonly added: AddedTokens | undefined;
  private readonly addedNormalized: AddedTokens | undefined;
  private readonly neighbours: Neighbours | undefined;
  /** The tables' id plus one of each id of the file; 0 for one that they lack. */
  private readonly inner: Uint32Array | undefined;
  private readonly isCutAtSpaces: boolean;
  private readonly form: Form | undefined;

  private constructor(
    readonly packed: PackedTokenizer,
    { vocabulary, neighbours, added, addedNormalized, inner, whole }: Tables,
  ) {
    this.vocabulary = vocabulary;
    this.merge = new BlockMerge(vocabulary);
    this.bytesAlone = packed.split === 'characters';
    this.form = FORMS[packed.normalizer];
    this.neighbours = neighbours;
    this.pieceEnd = neighbours === undefined ? PIECE_ENDS[packed.split as keyof typeof PIECE_ENDS] : neighbours.pieceEnd;
    this.added = added;
    this.addedNormalized = addedNormalized;
    this.inner = inner;
    this.whole = whole;
    const endsAtSpaces = ![...packed.plain.keys()].some((text) => text.trimStart().includes(' '));
    this.isCutAtSpaces = endsAtSpaces && packed.prefixSpace === 'none';
  }

  /** Reads the vocabulary in steps: a tenth of a second in all. */
  static *opening(packed: PackedTokenizer): Generator<undefined, TokenizerRanks> {
    const vocabulary = yield* Vocabulary.building(sizeOf(packed), tokensIn(packed));
    const neighbours = packed.split === 'characters' ? yield* neighboursOf(packed) : undefined;
    const isNormalized = ([text]: readonly [string, number]): boolean => packed.plainNormalized.has(text);
    const added = yield* AddedTokens.building([...packed.plain].filter((token) => !isNormalized(token)));
    const addedNormalized = yield* AddedTokens.building([...packed.plain].filter(isNormalized));
    const inner = packed.external === null ? undefined : yield* innerIds(packed.external);
    const innerOf = (id: number): number => (inner === undefined ? id : inner[id] - 1);
    const whole = packed.whole.size === 0 ? undefined : new WholePieces(Array.from(packed.whole, ([id, bytes]) => [innerOf(id), bytes]));
    return new TokenizerRanks(packed, { vocabulary, neighbours, added, addedNormalized, inner, whole });
  }

  /** The ids of a text in steps of 1 to 2 ms; a step may be empty. */
  *encodeInSteps(text: string, segmentUnits = SEGMENT_UNITS): Generator<Uint32Array, void> {
    // Short parts go together: Gemma's line feeds and tabs are added tokens, each a part.
    let ids: number[] = [];
    let units = 0;
    for (const part of this.parts(text)) {
      if (part === undefined) yield NO_IDS;
      else if (part.id !== null) ids.push(part.id);
      else if (part.text.length <= LONG_PIECE_UNITS) for (const id of this.outer(encodeShortText(part.text, this))) ids.push(id);
      else {
        yield Uint32Array.from(ids);
        ids = [];
        for (const long of encodeInSteps(part.text, this, segmentUnits)) yield this.outer(long);
      }
      units += part?.original.length ?? 0;
      if (units < segmentUnits) continue;
      yield Uint32Array.from(ids);
      ids = [];
      units = 0;
    }
    yield Uint32Array.from(ids);
  }

  /** Length in UTF-16 units of the first tokens of `text`, without a character cut in half. */
  prefixLength(text: string, maxTokens: number, segmentUnits: number): number {
    let left = maxTokens;
    let units = 0;
    for (const part of this.parts(text)) {
      if (part === undefined) continue;
      if (part.id !== null) {
        if (left-- <= 0) return units;
        units += part.original.length;
        continue;
      }
      let bytes = 0;
      for (const ids of encodeInSteps(part.text, this, segmentUnits)) {
        const fitting = ids.subarray(0, left);
        bytes += this.vocabulary.decodedLength(fitting) + (this.whole?.decodedLength(fitting) ?? 0);
        left -= fitting.length;
        if (fitting.length < ids.length) return units + this.originalUnits(part.original, bytes);
      }
      units += part.original.length;
    }
    return units;
  }

  /** The bytes of `ids`, none of which is an added token; the index of an unknown one. */
  decode(ids: Uint32Array): Uint8Array | number {
    const inner = this.inner === undefined ? ids : ids.map((id) => (this.inner?.[id] ?? 0) - 1);
    const unknown = inner.findIndex((id) => id >= this.packed.lengths.length || this.packed.lengths[id] === 0);
    return unknown < 0 ? this.vocabulary.decode(inner) : unknown;
  }

  /** The file's ids of the tables' ids. */
  private outer(ids: Uint32Array): Uint32Array {
    const { external } = this.packed;
    return external === null ? ids : ids.map((id) => external[id]);
  }

  private *parts(text: string): Generator<Part> {
    let isFirst = true;
    for (let at = 0; at < text.length;) {
      const end = yield* this.portionEnd(text, at);
      yield* this.partsOf(text.slice(at, end), isFirst);
      isFirst = false;
      at = end;
    }
  }

  /** Texts of megabytes are cut where it makes no difference, if there is such a place. */
  private *portionEnd(text: string, at: number): Generator<undefined, number> {
    if (!this.isCutAtSpaces || text.length - at <= PORTION_UNITS) return text.length;
    const classes = characterClasses();
    for (let end = at + PORTION_UNITS; end < text.length; end++) {
      if ((end - at) % PORTION_UNITS === 0) yield undefined;
      if (text.charCodeAt(end) !== 0x20) continue;
      const left = text.charCodeAt(end - 1);
      const isSurrogate = (left & 0xf800) === 0xd800;
      if (isSurrogate || (SPACE >> classes[left]) & 1 || this.neighbours?.isInside(left, 0x20) === true) continue;
      return end;
    }
    return text.length;
  }

  private *partsOf(text: string, isFirst: boolean): Generator<Part> {
    let at = 0;
    let found = yield* finding(this.added, text, 0);
    for (; found !== undefined; found = yield* finding(this.added, text, at)) {
      yield* this.between(text.slice(at, found.start), isFirst && at === 0);
      yield { id: found.id, original: text.slice(found.start, found.end) };
      at = found.end;
    }
    yield* this.between(at === 0 ? text : text.slice(at), isFirst && at === 0);
  }

  /** What is between two added tokens. */
  private *between(original: string, isFirst: boolean): Generator<Part> {
    if (original === '') return;
    const changed = this.prefixed(this.mayChange(original) ? yield* this.changing(original) : original, isFirst);
    if (this.addedNormalized === undefined) {
      yield { id: null, text: changed, original };
      return;
    }
    let at = 0;
    let found = yield* finding(this.addedNormalized, changed, 0);
    for (; found !== undefined; found = yield* finding(this.addedNormalized, changed, at)) {
      const text = changed.slice(at, found.start);
      if (text !== '') yield { id: null, text, original: text };
      yield { id: found.id, original: changed.slice(found.start, found.end) };
      at = found.end;
    }
    if (at === 0) yield { id: null, text: changed, original };
    else if (at < changed.length) yield { id: null, text: changed.slice(at), original: changed.slice(at) };
  }

  private mayChange(text: string): boolean {
    return this.form !== undefined || (this.packed.spaces && text.includes(SPACE_SIGN));
  }

  private *changing(text: string): Generator<undefined, string> {
    const { form } = this;
    const normalized = form === undefined ? text : yield* normalizing(text, form);
    return this.packed.spaces ? yield* withSpaces(normalized) : normalized;
  }

  private changed(text: string): string {
    return atOnce(this.changing(text));
  }

  private prefixed(text: string, isFirst: boolean): string {
    const { prefixSpace } = this.packed;
    const isMissing = !text.startsWith(' ');
    if (prefixSpace === 'always' || (isMissing && (prefixSpace === 'where-missing' || (prefixSpace === 'first' && isFirst))))
      return ` ${text}`;
    return text;
  }

  /**
   * UTF-16 units of the whole characters of `original` whose changed form has at most `bytes`
   * bytes.
   */
  private originalUnits(original: string, bytes: number): number {
    const changed = this.changed(original);
    const prefixed = this.prefixed(changed, true);
    let left = bytes - (prefixed.length - changed.length);
    let units = 0;
    for (const group of groupsOf(original, changed !== original && this.packed.normalizer !== 'none')) {
      left -= Buffer.byteLength(this.changed(group));
      if (left < 0) break;
      units += group.length;
    }
    return units;
  }
}

/** A space in place of each U+2581, in steps: megabytes of them take a second. */
function* withSpaces(text: string): Generator<undefined, string> {
  if (!text.includes(SPACE_SIGN)) return text;
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += PORTION_UNITS) {
    if (at > 0) yield undefined;
    parts.push(text.slice(at, at + PORTION_UNITS).replaceAll(SPACE_SIGN, ' '));
  }
  return parts.join('');
}

/** The next of the tokens from `from` on, in steps. */
function* finding(tokens: AddedTokens | undefined, text: string, from: number): Generator<undefined, FoundToken | undefined> {
  if (tokens === undefined) return undefined;
  for (let start = from; ; start += PORTION_UNITS) {
    const found = tokens.find(text, start, start + PORTION_UNITS);
    if (found !== undefined || start + PORTION_UNITS >= text.length) return found;
    yield undefined;
  }
}

/** Each character with the marks, and Hangul vowels and finals, that may compose with it. */
function* groupsOf(text: string, mayCompose: boolean): Generator<string> {
  let group = '';
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    const goesOn = (point >= 0x1160 && point <= 0x11ff) || ((MARK >> characterClasses()[point]) & 1) !== 0;
    if (group !== '' && !(mayCompose && goesOn)) {
      yield group;
      group = '';
    }
    group += character;
  }
  if (group !== '') yield group;
}

function* innerIds(external: Uint32Array): Generator<undefined, Uint32Array> {
  let inner: Uint32Array = new Uint32Array(external.length);
  for (let id = 0; id < external.length; id++) {
    if (id % IDS_PER_STEP === 0) yield undefined;
    const outer = external[id];
    if (outer === NONE) continue;
    if (outer >= inner.length) inner = grown(inner, outer + 1);
    inner[outer] = id + 1;
  }
  return inner;
}

function grown(ids: Uint32Array, length: number): Uint32Array {
  const all = new Uint32Array(Math.max(length, Math.ceil(ids.length * 1.5)));
  all.set(ids);
  return all;
}

/** One more than the largest id. */
function sizeOf({ lengths, longMerges }: PackedTokenizer): number {
  let size = lengths.length;
  for (let at = 2; at < longMerges.length; at += 4) size = Math.max(size, longMerges[at] + 1);
  return size;
}

/** All tokens by ascending id in the tables. */
function* tokensIn(packed: PackedTokenizer): Generator<readonly [id: number, bytes: Uint8Array]> {
  const { lengths, tokenBytes, longMerges, external, outside } = packed;
  const longer = new Set(Array.from({ length: longMerges.length / 4 }, (_, index) => longMerges[index * 4 + 2]));
  let at = 0;
  for (let id = 0; id < lengths.length; id++) {
    if (lengths[id] > 0) yield [id, tokenBytes.subarray(at, (at += lengths[id]))];
    else if (longer.has(id)) yield [id, outside.get(external === null ? id : external[id]) as Uint8Array];
  }
}

function* neighboursOf(packed: PackedTokenizer): Generator<undefined, Neighbours> {
  const neighbours = new Neighbours(packed.spanned);
  let left = TOKENS_PER_STEP;
  for (const [, bytes] of tokensIn(packed)) {
    neighbours.add(bytes);
    if (--left > 0) continue;
    left = TOKENS_PER_STEP;
    yield undefined;
  }
  return neighbours;
}
