import { isUtf8 } from 'node:buffer';
import { LONGEST_TOKEN, writePacked, type LongMerge } from './packed-layout.js';
import { spannedPairs } from './spanned-pairs.js';
import { TokenizerError, type TokenizerModel } from './tokenizer-model.js';

/** Ids of both engines' tables. */
const MOST_IDS = 1 << 19;
/** Merging a token takes time by the square of its bytes; known files have at most 512. */
const MOST_BYTES = 4096;
const NO_RANK = Infinity;
/** Pairs of ids as one number. */
const PAIR = 1 << 20;

/** How a token is made: its two parts, and the rank of that merge. */
interface Made {
  readonly left: number;
  readonly right: number;
  readonly rank: number;
}

/**
 * Packs a tokenizer for both engines. They give each token one rank: that of the merge that makes
 * it of its own bytes. No other pair that makes it ever stands in a text, because until it is made
 * its bytes merge as they do alone. Tokens that merging their own bytes does not make are decoded
 * only.
 *
 * @throws TokenizerError for a vocabulary without all bytes or with too many tokens.
 */
export function packTokenizer(model: TokenizerModel): Buffer {
  checkBytes(model);
  checkSizes(model);
  const made = madeBy(model);
  const starts = startsOf(model);
  const ordered = [...made.keys()].sort((a, b) => rankOf(made, a) - rankOf(made, b));
  const inner = innerIds(model, starts, ordered);
  const size = inner.external?.length ?? Math.max(...model.byteIds, ordered.at(-1) ?? 0, ...inner.long.values()) + 1;
  if (size > MOST_IDS) throw new TokenizerError('model.vocab', size, `must have at most ${MOST_IDS} tokens`);
  const tokens: string[] = new Array<string>(size).fill('');
  for (let byte = 0; byte < 256; byte++) tokens[inner.of(model.byteIds[byte], byte)] = String.fromCharCode(byte);
  for (const [bytes, id] of inner.prefixes) tokens[id] = bytes;
  for (const [id, bytes] of starts) if (bytes.length > 1) tokens[inner.of(id)] = bytes;
  const long: LongMerge[] = [];
  for (const id of ordered) {
    const bytes = model.tokens.get(id) as string;
    if (bytes.length <= LONGEST_TOKEN) tokens[inner.of(id)] = bytes;
    else {
      const { left, right } = made.get(id) as Made;
      long.push({ left: inner.of(left), right: inner.of(right), made: inner.of(id), length: bytes.length });
    }
  }
  const derived = derivedOf(tokens, (id) => {
    const outer = inner.external === null ? id : inner.external[id];
    const parts = made.get(outer);
    return parts === undefined ? undefined : [inner.of(parts.left), inner.of(parts.right)];
  });
  const isCharacters = model.split === 'characters';
  return writePacked({
    model,
    tokens,
    derived,
    external: inner.external,
    long,
    spanned: spannedPairs(isCharacters ? wholeTokens(tokens) : tokens, isCharacters),
    decodeOnly: decodeOnly(model, made, starts),
  });
}

function checkBytes({ byteIds }: TokenizerModel): void {
  for (let byte = 0; byte < 256; byte++)
    if (!Number.isInteger(byteIds[byte])) throw new TokenizerError('model.vocab', byte, 'must have a token for each byte');
}

function checkSizes({ tokens }: TokenizerModel): void {
  if (tokens.size > MOST_IDS) throw new TokenizerError('model.vocab', tokens.size, `must have at most ${MOST_IDS} tokens`);
  for (const { length } of tokens.values())
    if (length > MOST_BYTES) throw new TokenizerError('model.vocab', length, `must have tokens of at most ${MOST_BYTES} bytes`);
}

/** What merging starts from: bytes, or characters with their bytes. */
function startsOf({ split, tokens, byteIds }: TokenizerModel): Map<number, string> {
  const starts = new Map<number, string>();
  for (const [byte, id] of byteIds.entries()) starts.set(id, String.fromCharCode(byte));
  if (split !== 'characters') return starts;
  for (const [id, bytes] of tokens) if (bytes.length > 1 && bytes.length === characterLength(bytes.charCodeAt(0))) starts.set(id, bytes);
  return starts;
}

function characterLength(lead: number): number {
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/** How each token that merges make is made. */
function madeBy(model: TokenizerModel): Map<number, Made> {
  const starts = new Map([...startsOf(model)].map(([id, bytes]) => [bytes, id]));
  const rankAndMade = pairRanks(model);
  const made = new Map<number, Made>();
  for (const [id, bytes] of model.tokens) {
    const parts = startParts(bytes, starts, model.split === 'characters');
    if (parts === undefined || parts.length < 2) continue;
    const last = mergeParts(parts, rankAndMade);
    if (last?.made === id) made.set(id, last);
  }
  return made;
}

function startParts(bytes: string, starts: ReadonlyMap<string, number>, isCharacters: boolean): number[] | undefined {
  const parts: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = isCharacters ? characterLength(bytes.charCodeAt(at)) : 1;
    const id = starts.get(bytes.slice(at, at + length));
    if (id === undefined) return undefined;
    parts.push(id);
    at += length;
  }
  return parts;
}

type PairRank = (left: number, right: number) => { readonly rank: number; readonly made: number } | undefined;

function pairRanks({ merges, tokens }: TokenizerModel): PairRank {
  if (merges === null) {
    const ids = new Map([...tokens].map(([id, bytes]) => [bytes, id]));
    return (left, right) => {
      const id = ids.get(`${tokens.get(left)}${tokens.get(right)}`);
      return id === undefined ? undefined : { rank: id, made: id };
    };
  }
  const ranks = new Map<number, number>();
  for (let rank = merges.left.length - 1; rank >= 0; rank--) ranks.set(merges.left[rank] * PAIR + merges.right[rank], rank);
  return (left, right) => {
    const rank = ranks.get(left * PAIR + right);
    return rank === undefined ? undefined : { rank, made: merges.made[rank] };
  };
}

/**
 * Merges all parts, the lowest rank first; the last merge, or `undefined` if several parts stay.
 */
function mergeParts(parts: number[], pairRank: PairRank): (Made & { readonly made: number }) | undefined {
  const pairs = parts.slice(1).map((right, at) => pairRank(parts[at], right));
  let last: (Made & { readonly made: number }) | undefined = undefined;
  while (parts.length > 1) {
    let at = -1;
    let lowest = NO_RANK;
    for (let i = 0; i < pairs.length; i++) {
      const rank = pairs[i]?.rank ?? NO_RANK;
      if (rank < lowest) [at, lowest] = [i, rank];
    }
    const pair = pairs[at];
    if (pair === undefined) return undefined;
    last = { left: parts[at], right: parts[at + 1], rank: pair.rank, made: pair.made };
    parts.splice(at, 2, pair.made);
    pairs.splice(at, 1);
    if (at > 0) pairs[at - 1] = pairRank(parts[at - 1], pair.made);
    if (at < pairs.length) pairs[at] = pairRank(pair.made, parts[at + 1]);
  }
  return last;
}

function rankOf(made: ReadonlyMap<number, Made>, id: number): number {
  return (made.get(id) as Made).rank;
}

/** Ids of the engines' tables, which rise with the rank. */
interface InnerIds {
  /** `byte` distinguishes the bytes that share a token. */
  of(id: number, byte?: number): number;
  /** The file's id of each; `null` if these are the same. */
  readonly external: Uint32Array | null;
  /** Of the first bytes of characters, which no text is left with. */
  readonly prefixes: ReadonlyMap<string, number>;
  readonly long: ReadonlySet<number>;
}

const NO_ID = 0xffff_ffff;

function innerIds(model: TokenizerModel, starts: ReadonlyMap<number, string>, ordered: readonly number[]): InnerIds {
  const long = new Set(ordered.filter((id) => (model.tokens.get(id) as string).length > LONGEST_TOKEN));
  const isInOrder = model.split !== 'characters' && isAscending(ordered) && Math.max(...model.byteIds) < (ordered[0] ?? NO_ID);
  if (isInOrder) return { of: (id) => id, external: null, prefixes: new Map(), long };
  const external = [...model.byteIds];
  const prefixes = new Map<string, number>();
  const characters = [...starts].filter(([, bytes]) => bytes.length > 1);
  for (const length of [2, 3])
    for (const [, bytes] of characters) {
      const prefix = bytes.slice(0, length);
      if (bytes.length > length && !prefixes.has(prefix)) prefixes.set(prefix, external.push(NO_ID) - 1);
    }
  const inner = new Map<number, number>();
  for (const [id] of characters) inner.set(id, external.push(id) - 1);
  for (const id of ordered) inner.set(id, external.push(id) - 1);
  for (const [byte, id] of model.byteIds.entries()) if (!inner.has(id)) inner.set(id, byte);
  return { of: (id, byte) => byte ?? (inner.get(id) as number), external: Uint32Array.from(external), prefixes, long };
}

function isAscending(ids: readonly number[]): boolean {
  return ids.every((id, at) => at === 0 || id > ids[at - 1]);
}

/** For each token: the two that make it, and the longest other token that it begins with. */
function derivedOf(tokens: readonly string[], partsOf: (id: number) => readonly [number, number] | undefined): Uint32Array {
  const derived = new Uint32Array(tokens.length * 3);
  const ids = new Map<string, number>();
  tokens.forEach((bytes, id) => bytes !== '' && ids.set(bytes, id));
  tokens.forEach((bytes, id) => {
    let prefix = id;
    for (let length = bytes.length - 1; length > 0 && prefix === id; length--) prefix = ids.get(bytes.slice(0, length)) ?? id;
    // A character's last byte follows what comes before it.
    const parts =
      bytes.length < 2 ? [id, id] : (partsOf(id) ?? [ids.get(bytes.slice(0, -1)) as number, ids.get(bytes.slice(-1)) as number]);
    derived.set([parts[0], parts[1], prefix], id * 3);
  });
  return derived;
}

/** Tokens of whole characters. */
function wholeTokens(tokens: readonly string[]): string[] {
  return tokens.filter((bytes) => bytes !== '' && isUtf8(Buffer.from(bytes, 'latin1')));
}

/** Tokens that no text is encoded to, or whose bytes the tables do not hold. */
function decodeOnly(model: TokenizerModel, made: ReadonlyMap<number, Made>, starts: ReadonlyMap<number, string>): Map<number, string> {
  const added = new Set(model.added.map(({ id }) => id));
  const found = new Map<number, string>();
  for (const [id, bytes] of model.tokens) {
    const isHeld = starts.has(id) || (made.has(id) && bytes.length <= LONGEST_TOKEN);
    if (!isHeld && !added.has(id)) found.set(id, bytes);
  }
  return found;
}
