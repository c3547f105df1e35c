import type { EncodingName } from '../engine/engine.js';
import type { PackedTokenizer } from '../tokenizers/packed-layout.js';
import { SHORT_TEXT_UNITS, TextTurns } from '../text-steps.js';
import { atOnce, inTurns } from '../../common/next-turn.js';
import { AddedTokens, type FoundToken } from './added-tokens.js';

const CL100K = {
  '<|endoftext|>': 100257,
  '<|fim_prefix|>': 100258,
  '<|fim_middle|>': 100259,
  '<|fim_suffix|>': 100260,
  '<|endofprompt|>': 100276,
};
const O200K = { '<|endoftext|>': 199999, '<|endofprompt|>': 200018 };
const R50K = { '<|endoftext|>': 50256 };
const P50K_EDIT = { '<|endoftext|>': 50256, '<|fim_prefix|>': 50281, '<|fim_middle|>': 50282, '<|fim_suffix|>': 50283 };
const HARMONY = {
  '<|startoftext|>': 199998,
  '<|return|>': 200002,
  '<|constrain|>': 200003,
  '<|channel|>': 200005,
  '<|start|>': 200006,
  '<|end|>': 200007,
  '<|message|>': 200008,
  '<|call|>': 200012,
};

/**
 * The special tokens of each encoding, text to id, as tiktoken defines them.
 *
 * In o200k_harmony, `<|endofprompt|>` and `<|reserved_200018|>` share the id 200018. It decodes to
 * the former.
 */
export const SPECIAL_TOKENS: Readonly<Record<EncodingName, ReadonlyMap<string, number>>> = {
  cl100k_base: new Map(Object.entries(CL100K)),
  o200k_base: new Map(Object.entries(O200K)),
  o200k_harmony: harmony(),
  p50k_base: new Map(Object.entries(R50K)),
  p50k_edit: new Map(Object.entries(P50K_EDIT)),
  r50k_base: new Map(Object.entries(R50K)),
  gpt2: new Map(Object.entries(R50K)),
};

function harmony(): Map<string, number> {
  const tokens = new Map(Object.entries({ ...O200K, ...HARMONY }));
  const named = new Set(Object.values(HARMONY));
  for (let id = 200000; id <= 201087; id++) if (!named.has(id)) tokens.set(`<|reserved_${id}|>`, id);
  return tokens;
}

/** Special tokens allowed in a text: all of its encoding, or the listed ones. */
export type AllowedSpecial = 'all' | readonly string[];

/** A text in parts: strings are ordinary text (never empty), numbers are ids of special tokens. */
export type Segments = readonly (string | number)[];

/**
 * UTF-16 code units that are looked through in a step: some 0.3 ms where all are special tokens.
 */
const UNITS_PER_STEP = 1 << 14;
/** Short texts that are split in a step. */
const TEXTS_PER_STEP = 64;

/**
 * Splits `text` at the allowed special tokens, as tiktoken's `allowed_special` does. Names that the
 * encoding lacks are ignored.
 */
export function splitAtSpecials(text: string, specials: ReadonlyMap<string, number>, allowed: AllowedSpecial): Segments {
  return atOnce(splitting(text, new NamedTokens(specials, allowed)));
}

/** Splits the text at its special tokens; one segment if none are allowed. */
export function segmentsOf(text: string, encoding: EncodingName | PackedTokenizer, allowed: AllowedSpecial | undefined): Segments {
  return allowed === undefined ? [text] : atOnce(splitting(text, tokensOf(encoding, allowed)));
}

/** The same without blocking the event loop. */
export async function segmentsInTurns(
  text: string,
  encoding: EncodingName | PackedTokenizer,
  allowed: AllowedSpecial | undefined,
): Promise<Segments> {
  return allowed === undefined ? [text] : inTurns(splitting(text, tokensOf(encoding, allowed)));
}

type FindsTokens = Pick<AddedTokens, 'find'> & Partial<Pick<FileTokens, 'startOf' | 'prefixed'>>;

// A candidate never hides the start of another, because `<` is not part of a name.
const CANDIDATE = /<\|[a-z0-9_]{1,32}\|>/g;
const LONGEST_CANDIDATE = 36;

/** Finds the tokens of OpenAI's encodings; nothing has to be built for a short text. */
class NamedTokens implements FindsTokens {
  constructor(
    private readonly specials: ReadonlyMap<string, number>,
    private readonly allowed: AllowedSpecial,
  ) {}

  find(text: string, from: number, until: number): FoundToken | undefined {
    const { specials, allowed } = this;
    const window = text.slice(from, until + LONGEST_CANDIDATE - 1);
    CANDIDATE.lastIndex = 0;
    for (let match = CANDIDATE.exec(window); match !== null; match = CANDIDATE.exec(window)) {
      const [candidate] = match;
      const start = from + match.index;
      if (start >= until) return undefined;
      const id = specials.get(candidate);
      if (id !== undefined && (allowed === 'all' || allowed.includes(candidate))) return { id, start, end: start + candidate.length };
    }
    return undefined;
  }
}

// Whitespace and words as defined by Rust's regular expressions.
const WHITE_SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const WORD_AT_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]/u;
const WORD_AT_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]$/u;
const SPACE_SIGN = '\u2581';

/** Finds the special tokens of a tokenizer's file, by their bounds. */
class FileTokens {
  private readonly tokens: AddedTokens;

  constructor(
    private readonly packed: PackedTokenizer,
    allowed: AllowedSpecial,
  ) {
    const { specials } = packed;
    this.tokens = new AddedTokens(allowed === 'all' ? specials : [...specials].filter(([text]) => allowed.includes(text)));
  }

  find(text: string, from: number, until: number): FoundToken | undefined {
    const { bounds } = this.packed;
    let found = this.tokens.find(text, from, until);
    if (bounds.size === 0) return found;
    while (found !== undefined && bounds.get(found.id)?.singleWord === true && isInWord(text, found))
      found = this.tokens.find(text, found.end, until);
    if (found === undefined || bounds.get(found.id)?.rstrip !== true) return found;
    let { end } = found;
    while (end < text.length && WHITE_SPACE.test(text[end])) end++;
    return { ...found, end };
  }

  /** Start of a found token with the whitespace before it (`lstrip`), not before `from`. */
  startOf({ id, start }: FoundToken, text: string, from: number): number {
    if (this.packed.bounds.get(id)?.lstrip !== true) return start;
    let at = start;
    while (at > from && WHITE_SPACE.test(text[at - 1])) at--;
    return at;
  }

  /** The first part of a text with the space that the tokenizer puts in front. */
  prefixed(part: string): string {
    const { continued, plain } = this.packed;
    const isPrefixed = continued === undefined || part.startsWith(' ') || part.startsWith(SPACE_SIGN);
    return isPrefixed || [...plain.keys()].some((token) => part.startsWith(token)) ? part : ` ${part}`;
  }
}

function isInWord(text: string, { start, end }: FoundToken): boolean {
  return WORD_AT_END.test(text.slice(Math.max(0, start - 2), start)) || WORD_AT_START.test(text.slice(end, end + 2));
}

const allSpecials = new WeakMap<PackedTokenizer, FileTokens>();

function tokensOf(encoding: EncodingName | PackedTokenizer, allowed: AllowedSpecial): FindsTokens {
  if (typeof encoding === 'string') return new NamedTokens(SPECIAL_TOKENS[encoding], allowed);
  if (allowed !== 'all') return new FileTokens(encoding, allowed);
  let all = allSpecials.get(encoding);
  if (all === undefined) allSpecials.set(encoding, (all = new FileTokens(encoding, allowed)));
  return all;
}

function* splitting(text: string, tokens: FindsTokens): Generator<undefined, Segments> {
  const segments: (string | number)[] = [];
  const add = (part: string): void => void segments.push(segments.length === 0 ? (tokens.prefixed?.(part) ?? part) : part);
  let [start, at] = [0, 0];
  for (let until = UNITS_PER_STEP; at < text.length; until = at + UNITS_PER_STEP) {
    if (at > 0) yield undefined;
    for (let found = tokens.find(text, at, until); found !== undefined; found = tokens.find(text, at, until)) {
      const from = tokens.startOf?.(found, text, start) ?? found.start;
      if (from > start) add(text.slice(start, from));
      segments.push(found.id);
      start = at = found.end;
    }
    at = Math.max(at, until);
  }
  if (start < text.length) add(text.slice(start));
  return segments;
}

/** UTF-16 code units of a special token that starts at `at`. */
export function specialUnits(id: number, text: string, at: number, encoding: EncodingName | PackedTokenizer): number {
  if (typeof encoding === 'string') return text.indexOf('|>', at) + 2 - at;
  const { lstrip, rstrip } = encoding.bounds.get(id) ?? {};
  let end = at;
  while (lstrip && WHITE_SPACE.test(text[end] ?? '')) end++;
  end += Buffer.from(encoding.outside.get(id) ?? []).toString().length;
  while (rstrip && WHITE_SPACE.test(text[end] ?? '')) end++;
  return end - at;
}

export function countSegments(segments: Segments, count: (text: string) => number): number {
  let tokens = 0;
  for (const segment of segments) tokens += typeof segment === 'number' ? 1 : count(segment);
  return tokens;
}

/** Counts up to `limit`; `limit + 1` means more. `countUpTo` gets the tokens left. */
export function countSegmentsUpTo(segments: Segments, limit: number, countUpTo: (text: string, left: number) => number): number {
  let tokens = 0;
  for (const segment of segments) {
    tokens += typeof segment === 'number' ? 1 : countUpTo(segment, limit - tokens);
    if (tokens > limit) return limit + 1;
  }
  return tokens;
}

/** How a part of a text is counted up to the tokens that are left. */
export interface PartCounts {
  readonly now: (text: string, left: number) => number;
  /** Without blocking the event loop. */
  readonly inTurns: (text: string, left: number) => Promise<number>;
}

/**
 * `countSegmentsUpTo` without blocking the event loop. Short segments are counted at once, some in
 * each turn: handing over thousands of them takes far longer than counting.
 */
export async function countSegmentsUpToAsync(segments: Segments, limit: number, count: PartCounts): Promise<number> {
  const turns = new TextTurns();
  let tokens = 0;
  for (const segment of segments) {
    if (typeof segment === 'number') tokens++;
    else if (segment.length > SHORT_TEXT_UNITS) tokens += await count.inTurns(segment, limit - tokens);
    else {
      const turn = turns.roomFor(segment);
      if (turn !== undefined) await turn;
      tokens += count.now(segment, limit - tokens);
    }
    if (tokens > limit) return limit + 1;
  }
  return tokens;
}

/** Ordinary texts for an engine's batch; `total` sums their counts by original text. */
export interface SplitTexts {
  readonly texts: readonly string[];
  readonly total: (counts: Uint32Array) => Uint32Array;
}

/** Splits the texts of a batch, as `segmentsOf` does each. */
export function splitTexts(
  texts: readonly string[],
  encoding: EncodingName | PackedTokenizer,
  allowed: AllowedSpecial | undefined,
): SplitTexts {
  return allowed === undefined ? unsplit(texts) : atOnce(splittingTexts(texts, tokensOf(encoding, allowed)));
}

/** The same without blocking the event loop. */
export async function splitTextsInTurns(
  texts: readonly string[],
  encoding: EncodingName | PackedTokenizer,
  allowed: AllowedSpecial | undefined,
): Promise<SplitTexts> {
  return allowed === undefined ? unsplit(texts) : inTurns(splittingTexts(texts, tokensOf(encoding, allowed)));
}

function unsplit(texts: readonly string[]): SplitTexts {
  return { texts, total: (counts) => counts };
}

function* splittingTexts(texts: readonly string[], tokens: FindsTokens): Generator<undefined, SplitTexts> {
  const ordinary: string[] = [];
  const owners: number[] = [];
  const specials = new Uint32Array(texts.length);
  for (const [index, text] of texts.entries()) {
    if (index % TEXTS_PER_STEP === 0) yield undefined;
    for (const segment of yield* splitting(text, tokens)) {
      if (typeof segment === 'number') specials[index]++;
      else owners[ordinary.push(segment) - 1] = index;
    }
  }
  const total = (counts: Uint32Array): Uint32Array => {
    const sums = specials.slice();
    for (const [at, count] of counts.entries()) sums[owners[at]] += count;
    return sums;
  };
  return { texts: ordinary, total };
}

export function encodeSegments(segments: Segments, encode: (text: string) => Uint32Array): Uint32Array {
  if (segments.length === 1 && typeof segments[0] === 'string') return encode(segments[0]);
  const parts = segments.map((segment) => (typeof segment === 'number' ? Uint32Array.of(segment) : encode(segment)));
  const ids = new Uint32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
}
