import type { EngineName } from '../../common/capability.js';
import { MissingPackageError } from '../../common/errors.js';
import { decodeTokens, unknownToken } from '../bpe/decode.js';
import { ENCODING_NAMES, isLongerThan, TokenCounterEngine } from './engine.js';
import type { EncodingName, JsonSlices, SliceCounts } from './engine.js';
import type { PackedTokenizer } from '../tokenizers/packed-layout.js';
import { PEER, PeerTokenizer, PORTION_UNITS } from '../tokenizers/peer-tokenizer.js';
import { SHORT_TEXT_UNITS, TextTurns } from '../text-steps.js';
import { SliceTexts } from './slice-texts.js';
import { encodeInSteps, encodeShortText, LONG_PIECE_UNITS } from '../bpe/encode.js';
import { openRanks } from '../bpe/ranks.js';
import type { RankFile } from '../bpe/ranks.js';
import { atOnce, nextTurn } from '../../common/next-turn.js';

/** UTF-16 code units per turn of the event loop: 0.25 ms of prose, 1.5 ms at worst. */
const UNITS_PER_TURN = 1024;

/** Handle of a tokenizer that is not prepared, because the native engine should count with it. */
const STAND_IN = ENCODING_NAMES.length;
const STAND_IN_ENCODING: EncodingName = 'cl100k_base';

/**
 * The TypeScript engine: ranks of the `tiktoken` package, own pre-tokenizer and merge. Gives the
 * results of tiktoken in linear time for every text; tiktoken's merge is quadratic in the length of
 * a piece. Tokenizers of files are encoded by the optional package `@huggingface/tokenizers`, which
 * is slower: long texts are estimated.
 */
export class TypeScriptTokenCounterEngine extends TokenCounterEngine {
  readonly engine: EngineName = 'typescript';
  /** By handle: the encodings, `null` for the fallback, then the tokenizers. */
  private readonly loaded: (RankFile | PeerTokenizer)[] = [];

  load(encoding: EncodingName | PackedTokenizer): number {
    if (typeof encoding !== 'string') return this.handleOf(encoding) ?? STAND_IN;
    const handle = ENCODING_NAMES.indexOf(encoding);
    this.loaded[handle] ??= openRanks(encoding);
    return handle;
  }

  async prepare(tokenizer: PackedTokenizer, file: string): Promise<boolean> {
    if (this.handleOf(tokenizer) !== undefined) return true;
    const opened = await PeerTokenizer.open(file, tokenizer);
    if (opened === undefined) return false;
    if (this.handleOf(tokenizer) === undefined) this.loaded[Math.max(this.loaded.length, STAND_IN + 1)] = opened;
    return true;
  }

  private handleOf({ key }: PackedTokenizer): number | undefined {
    const handle = this.loaded.findIndex((ranks) => ranks instanceof PeerTokenizer && ranks.packed.key === key);
    return handle < 0 ? undefined : handle;
  }

  count(text: string, encoding: number): number {
    const ranks = this.ranks(encoding);
    if (text.length <= LONG_PIECE_UNITS && !(ranks instanceof PeerTokenizer)) return encodeShortText(text, ranks).length;
    let count = 0;
    for (const tokens of this.countsOf(text, ranks)) count += tokens;
    return count;
  }

  exactUnits(encoding: number): number {
    if (encoding === STAND_IN) return 0;
    const ranks = this.ranks(encoding);
    return ranks instanceof PeerTokenizer ? ranks.mostExactUnits : Infinity;
  }

  countUpTo(text: string, encoding: number, limit: number): number {
    if (isLongerThan(text, limit, encoding)) return limit + 1;
    let count = 0;
    for (const tokens of this.countsOf(text, this.ranks(encoding), unitsFor(limit))) {
      count += tokens;
      if (count > limit) break;
    }
    return count;
  }

  async countUpToAsync(text: string, encoding: number, limit: number): Promise<number> {
    if (isLongerThan(text, limit, encoding)) return limit + 1;
    let count = 0;
    for (const tokens of this.countsOf(text, this.ranks(encoding), unitsFor(limit))) {
      count += tokens;
      if (count > limit) break;
      await nextTurn();
    }
    return count;
  }

  countBatch(texts: readonly string[], encoding: number): Uint32Array {
    return Uint32Array.from(texts, (text) => this.count(text, encoding));
  }

  async countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array> {
    const ranks = this.ranks(encoding);
    const counts = new Uint32Array(texts.length);
    let left = UNITS_PER_TURN;
    for (const [index, text] of texts.entries()) {
      if (left <= 0) {
        await nextTurn();
        left = UNITS_PER_TURN;
      }
      if (text.length <= LONG_PIECE_UNITS && !(ranks instanceof PeerTokenizer)) {
        counts[index] = encodeShortText(text, ranks).length;
        // Overhead of a text.
        left -= text.length + 16;
        continue;
      }
      left -= text.length + 16;
      for (const tokens of this.countsOf(text, ranks, UNITS_PER_TURN)) {
        counts[index] += tokens;
        if (text.length > LONG_PIECE_UNITS) await nextTurn();
      }
    }
    return counts;
  }

  countSlices(bytes: Uint8Array, texts: Uint32Array, encoding: number, limit: number): SliceCounts {
    const slices = new SliceTexts(bytes, texts);
    for (const text of slices.upTo(limit)) slices.add(this.countUpTo(text, encoding, limit - slices.sum));
    return slices.result();
  }

  async countSlicesAsync({ bytes, texts }: JsonSlices, encoding: number, limit: number): Promise<SliceCounts> {
    const slices = new SliceTexts(bytes, texts);
    const shortUnits = this.ranks(encoding) instanceof PeerTokenizer ? PORTION_UNITS : SHORT_TEXT_UNITS;
    const turns = new TextTurns(shortUnits);
    for await (const text of slices.upToInTurns(limit)) {
      const left = limit - slices.sum;
      if (text.length > shortUnits) slices.add(await this.countUpToAsync(text, encoding, left));
      else {
        const turn = turns.roomFor(text);
        if (turn !== undefined) await turn;
        slices.add(this.countUpTo(text, encoding, left));
      }
    }
    return slices.result();
  }

  encode(text: string, encoding: number): Uint32Array {
    const ranks = this.ranksOfIds(encoding);
    if (text.length <= LONG_PIECE_UNITS && !(ranks instanceof PeerTokenizer)) return encodeShortText(text, ranks);
    return concat([...stepsOf(text, ranks)]);
  }

  decode(ids: Uint32Array, encoding: number): Uint8Array {
    const ranks = this.ranksOfIds(encoding);
    if (ranks instanceof PeerTokenizer) return ranks.decode(ids);
    return decodeTokens(ids, encoding, (ordinary, offset) => {
      const index = ordinary.findIndex((id) => !ranks.has(id));
      if (index >= 0) throw unknownToken(offset + index, ordinary[index], encoding);
      return ranks.vocabulary.decode(ordinary);
    });
  }

  prefixLength(text: string, encoding: number, maxTokens: number): number {
    const ranks = this.ranks(encoding);
    if (ranks instanceof PeerTokenizer && text.length > ranks.mostExactUnits) {
      const ratio = atOnce(ranks.ratioTo(this.standIn(), text));
      return this.prefixLength(text, this.load(STAND_IN_ENCODING), Math.floor(maxTokens / ratio));
    }
    const chunks: Uint32Array[] = [];
    let count = 0;
    for (const ids of stepsOf(text, ranks, unitsFor(maxTokens))) {
      chunks.push(ids);
      count += ids.length;
      if (count > maxTokens) break;
    }
    if (count <= maxTokens) return text.length;
    const first = concat(chunks).subarray(0, maxTokens);
    return unitsWithin(text, ranks instanceof PeerTokenizer ? ranks.decode(first).length : ranks.vocabulary.decodedLength(first));
  }

  /** Tokens of a text, step by step. */
  private *countsOf(text: string, ranks: RankFile | PeerTokenizer, segmentUnits?: number): Generator<number, void> {
    if (ranks instanceof PeerTokenizer && text.length > ranks.mostExactUnits) yield* ranks.estimateInSteps(text, this.standIn());
    else for (const ids of stepsOf(text, ranks, segmentUnits)) yield ids.length;
  }

  private ranksOfIds(encoding: number): RankFile | PeerTokenizer {
    if (encoding === STAND_IN) throw new MissingPackageError(PEER, 'encoding with an open model without the native engine');
    return this.ranks(encoding);
  }

  private ranks(encoding: number): RankFile | PeerTokenizer {
    return encoding === STAND_IN ? this.standIn() : (this.loaded[encoding] ??= openRanks(ENCODING_NAMES[encoding]));
  }

  private standIn(): RankFile {
    return this.loaded[this.load(STAND_IN_ENCODING)] as RankFile;
  }
}

/** Segment size for a count up to `tokens`: in common text a token has four units. */
function unitsFor(tokens: number): number {
  return Math.min(UNITS_PER_TURN, Math.max(LONG_PIECE_UNITS, tokens * 4));
}

function stepsOf(text: string, ranks: RankFile | PeerTokenizer, segmentUnits?: number): Generator<Uint32Array, void> {
  return ranks instanceof PeerTokenizer ? ranks.encodeInSteps(text) : encodeInSteps(text, ranks, segmentUnits);
}

function concat(chunks: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/**
 * UTF-16 code units of the whole characters among the first `bytes` bytes that `text` has in UTF-8.
 */
function unitsWithin(text: string, bytes: number): number {
  let at = 0;
  while (at < text.length) {
    const point = text.codePointAt(at) as number;
    bytes -= point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes < 0) break;
    at += point > 0xffff ? 2 : 1;
  }
  return at;
}
