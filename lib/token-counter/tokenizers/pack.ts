import { isAscii, isUtf8 } from 'node:buffer';
import { hashPrefixes, Vocabulary } from '../bpe/vocabulary.js';
import type { ChatTemplateSource } from './chat-template-file.js';
import { lastMerges } from './last-merges.js';
import { NumberedTokens } from './numbered-tokens.js';
import { LONGEST_TOKEN, writePacked, type LongMerge } from './packed-layout.js';
import { characterLength, spannedPairs } from './spanned-pairs.js';
import { MOST_FILE_IDS, TokenizerError, type TokenizerModel } from './tokenizer-model.js';

/** Ids of both engines' tables. */
const MOST_IDS = 1 << 19;
/** Merging a token takes time by the square of its bytes; known files have at most 512. */
const MOST_BYTES = 4096;
const NO_ID = 0xffff_ffff;

/**
 * Packs a tokenizer for both engines. They give each token one rank: that of the merge that makes
 * it of its own bytes. No other pair that makes it ever stands in a text, because until it is made
 * its bytes merge as they do alone. Tokens that merging their own bytes does not make are decoded
 * only, or are whole pieces where merges are ignored.
 *
 * @throws TokenizerError for a vocabulary without all bytes or with too many tokens.
 */
export function packTokenizer(model: TokenizerModel, chatTemplate?: ChatTemplateSource): Buffer {
  const { tokens, merges } = model;
  checkSizes(model);
  const last = lastMerges(model, checkIds(model) + 1);
  const made = byRank(model, last);
  const whole = wholePieces(model, last);
  const tables = model.split === 'characters' || !isInOrder(model, made) ? renumbered(model, made, whole) : asNumbered(model, made, whole);
  if (tables.size > MOST_IDS) throw new TokenizerError('model.vocab', tables.size, `must have at most ${MOST_IDS} tokens`);
  const long = Array.from(
    made.filter((index) => tokens.lengthOf(index) > LONGEST_TOKEN),
    (index): LongMerge => {
      const merge = last[tokens.ids[index]];
      const [left, right, id] = [merges.left[merge], merges.right[merge], merges.made[merge]].map((each) => tables.innerOf(each));
      return { left, right, made: id, length: tokens.lengthOf(index) };
    },
  );
  const isCharacters = model.split === 'characters';
  return writePacked({
    model,
    tokens: tables,
    derived: derivedOf(tables, (id) => {
      const merge = last[tables.external === null ? id : tables.external[id]] ?? -1;
      return merge < 0 ? undefined : [tables.innerOf(merges.left[merge]), tables.innerOf(merges.right[merge])];
    }),
    external: tables.external,
    long,
    spanned: spannedPairs(isCharacters ? wholeTokens(tables) : chain(tables.values(), whole.values()), isCharacters, whole.values()),
    decodeOnly: decodeOnly(model, last, whole),
    whole,
    chatTemplate,
  });
}

function checkSizes({ tokens }: TokenizerModel): void {
  const count = tokens.ids.length;
  if (count > MOST_IDS) throw new TokenizerError('model.vocab', count, `must have at most ${MOST_IDS} tokens`);
  for (let index = 0; index < count; index++)
    if (tokens.lengthOf(index) > MOST_BYTES)
      throw new TokenizerError('model.vocab', tokens.lengthOf(index), `must have tokens of at most ${MOST_BYTES} bytes`);
}

/** Returns the largest id. */
function checkIds({ byteIds, tokens }: TokenizerModel): number {
  for (let byte = 0; byte < 256; byte++)
    if (!Number.isInteger(byteIds[byte])) throw new TokenizerError('model.vocab', byte, 'must have a token for each byte');
  const largest = largestOf(tokens.ids);
  if (largest >= MOST_FILE_IDS) throw new TokenizerError('model.vocab', largest, `must have ids below ${MOST_FILE_IDS}`);
  return Math.max(largest, ...byteIds);
}

function largestOf(numbers: Uint32Array): number {
  let largest = 0;
  for (const number of numbers) if (number > largest) largest = number;
  return largest;
}

/** The tokens that merges make, by their ranks, which are all different: indexes into the table. */
function byRank({ merges, tokens: { ids } }: TokenizerModel, last: Int32Array): Int32Array {
  const found = new Int32Array(largestOf(merges.rank) + 1).fill(-1);
  for (let index = 0; index < ids.length; index++) if (last[ids[index]] >= 0) found[merges.rank[last[ids[index]]]] = index;
  return found.filter((index) => index >= 0);
}

/** Whether the ids of the file rise with the ranks, so that the tables can have the same. */
function isInOrder({ byteIds, tokens: { ids } }: TokenizerModel, made: Int32Array): boolean {
  if (made.length > 0 && Math.max(...byteIds) > ids[made[0]]) return false;
  return made.every((index, at) => at === 0 || ids[index] > ids[made[at - 1]]);
}

type Whole = ReadonlyMap<number, Uint8Array>;

/** Tokens that merges do not make, and that pieces are all the same, by their ids. */
function wholePieces({ tokens, added, ignoresMerges }: TokenizerModel, last: Int32Array): Whole {
  const found = new Map<number, Uint8Array>();
  if (!ignoresMerges) return found;
  const addedIds = new Set(added.map(({ id }) => id));
  for (const [index, id] of tokens.ids.entries()) {
    const length = tokens.lengthOf(index);
    const isUnmade = length > 1 && length <= LONGEST_TOKEN && last[id] < 0 && !addedIds.has(id);
    if (isUnmade && isUtf8(tokens.bytesOf(index))) found.set(id, tokens.bytesOf(index));
  }
  return found;
}

function* chain<T>(...all: readonly Iterable<T>[]): Generator<T> {
  for (const each of all) yield* each;
}

/** The bytes of the tokens, and after them each byte: where it starts. */
function sourceOf({ tokens: { bytes } }: TokenizerModel): readonly [source: Uint8Array, bytesAt: number] {
  return [Buffer.concat([bytes, Uint8Array.from({ length: 256 }, (_, byte) => byte)]), bytes.length];
}

function asNumbered(model: TokenizerModel, made: Int32Array, whole: Whole): NumberedTokens {
  const { tokens, byteIds } = model;
  const [source, bytesAt] = sourceOf(model);
  const tables = new NumberedTokens(
    Math.max(...byteIds, ...whole.keys(), made.length > 0 ? tokens.ids[made[made.length - 1]] : 0) + 1,
    source,
    null,
    null,
  );
  for (let byte = 0; byte < 256; byte++) tables.set(byteIds[byte], bytesAt + byte, 1);
  for (const index of made)
    if (tokens.lengthOf(index) <= LONGEST_TOKEN) tables.set(tokens.ids[index], tokens.startOf(index), tokens.lengthOf(index));
  return tables;
}

/**
 * The bytes, then the first bytes of characters, which no text is left with, the characters, and
 * what merges make.
 */
function renumbered(model: TokenizerModel, made: Int32Array, whole: Whole): NumberedTokens {
  const { tokens, byteIds } = model;
  const [source, bytesAt] = sourceOf(model);
  const characters = charactersOf(model);
  const prefixes = prefixesOf(model, characters);
  const external = new Uint32Array(256 + prefixes.length + characters.length + made.length + whole.size);
  const inner = new Int32Array(MOST_FILE_IDS).fill(-1);
  const tables = new NumberedTokens(external.length, source, external, inner);
  let id = 0;
  for (; id < 256; id++) {
    external[id] = byteIds[id];
    tables.set(id, bytesAt + id, 1);
  }
  for (const { start, length } of prefixes) {
    external[id] = NO_ID;
    tables.set(id++, start, length);
  }
  for (const indexes of [characters, made]) {
    for (const index of indexes) {
      external[id] = tokens.ids[index];
      inner[tokens.ids[index]] = id;
      if (tokens.lengthOf(index) <= LONGEST_TOKEN) tables.set(id, tokens.startOf(index), tokens.lengthOf(index));
      id++;
    }
  }
  for (const outer of whole.keys()) external[id++] = outer;
  for (const [byte, outer] of byteIds.entries()) if (inner[outer] < 0) inner[outer] = byte;
  return tables;
}

/** Characters of several bytes that merging starts from: indexes into the table. */
function charactersOf({ split, tokens }: TokenizerModel): number[] {
  const found: number[] = [];
  if (split !== 'characters') return found;
  for (let index = 0; index < tokens.ids.length; index++) {
    const length = tokens.lengthOf(index);
    if (length > 1 && length === characterLength(tokens.bytes[tokens.startOf(index)])) found.push(index);
  }
  return found;
}

/** Each beginning of two or three bytes once. */
function prefixesOf({ tokens }: TokenizerModel, characters: readonly number[]): { readonly start: number; readonly length: number }[] {
  const found = new Map<number, { start: number; length: number }>();
  for (const length of [2, 3])
    for (const index of characters) {
      if (tokens.lengthOf(index) <= length) continue;
      const start = tokens.startOf(index);
      const key = tokens.bytes.subarray(start, start + length).reduce((sum, byte) => sum * 256 + byte, 0);
      if (!found.has(key)) found.set(key, { start, length });
    }
  return [...found.values()];
}

/** For each token: the two that make it, and the longest other token that it begins with. */
function derivedOf(tables: NumberedTokens, partsOf: (id: number) => readonly [number, number] | undefined): Uint32Array {
  const { size, source, starts, lengths } = tables;
  const vocabulary = Vocabulary.build(size, tables.entries());
  const hashes = new Int32Array(source.length + 1);
  hashPrefixes(source, hashes, source.length);
  const derived = new Uint32Array(size * 3);
  for (let id = 0; id < size; id++) {
    const start = starts[id];
    const end = start + lengths[id];
    let prefix = -1;
    for (let to = end - 1; to > start && prefix < 0; to--) prefix = vocabulary.find(source, hashes, start, to);
    const parts = prefix < 0 ? [id, id] : partsOf(id);
    // A character's last byte depends on the bytes before it.
    derived[id * 3] = parts?.[0] ?? vocabulary.find(source, hashes, start, end - 1);
    derived[id * 3 + 1] = parts?.[1] ?? vocabulary.find(source, hashes, end - 1, end);
    derived[id * 3 + 2] = prefix < 0 ? id : prefix;
  }
  return derived;
}

/** Tokens of whole characters. */
function* wholeTokens(tables: NumberedTokens): Generator<Uint8Array> {
  for (const bytes of tables.values()) if (isAscii(bytes) || isUtf8(bytes)) yield bytes;
}

/** Tokens that no text is encoded to, or whose bytes the tables do not hold. */
function decodeOnly(model: TokenizerModel, last: Int32Array, whole: Whole): Map<number, Uint8Array> {
  const { added, byteIds, tokens } = model;
  const held = new Set([
    ...byteIds,
    ...charactersOf(model).map((index) => tokens.ids[index]),
    ...added.map(({ id }) => id),
    ...whole.keys(),
  ]);
  const found = new Map<number, Uint8Array>();
  for (const [index, id] of tokens.ids.entries()) {
    const isMade = last[id] >= 0 && tokens.lengthOf(index) <= LONGEST_TOKEN;
    if (!isMade && !held.has(id)) found.set(id, tokens.bytesOf(index));
  }
  return found;
}
