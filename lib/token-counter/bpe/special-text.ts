import { SPECIAL_TOKENS } from './special-tokens.js';
import type { EncodingName } from '../engine/engine.js';

/** Special tokens that a text may contain: all of its encoding, or these. */
export type AllowedSpecial = 'all' | readonly string[];

// The shape of every special token. A candidate cannot hide the start of another: `<` is not part of a name.
const CANDIDATE = /<\|[a-z0-9_]{1,32}\|>/g;

/**
 * Splits `text` at the allowed special tokens: strings are ordinary text (never empty), numbers are token ids. The
 * result is that of tiktoken's `allowed_special`; names unknown to the encoding are ignored, as there.
 */
export function splitAtSpecials(text: string, specials: ReadonlyMap<string, number>, allowed: AllowedSpecial): (string | number)[] {
  const segments: (string | number)[] = [];
  let start = 0;
  for (const { 0: candidate, index } of text.matchAll(CANDIDATE)) {
    const id = specials.get(candidate);
    if (id === undefined || (allowed !== 'all' && !allowed.includes(candidate))) continue;
    if (index > start) segments.push(text.slice(start, index));
    segments.push(id);
    start = index + candidate.length;
  }
  if (start < text.length) segments.push(text.slice(start));
  return segments;
}

/** The text, split at its special tokens if any are allowed. */
export function segmentsOf(text: string, encoding: EncodingName, allowed: AllowedSpecial | undefined): (string | number)[] {
  return allowed === undefined ? [text] : splitAtSpecials(text, SPECIAL_TOKENS[encoding], allowed);
}

export function countSegments(segments: readonly (string | number)[], count: (text: string) => number): number {
  let tokens = 0;
  for (const segment of segments) tokens += typeof segment === 'number' ? 1 : count(segment);
  return tokens;
}

/** Counts up to `limit`; `limit + 1` means "more than `limit`". `countUpTo` counts one text up to the tokens left. */
export function countSegmentsUpTo(
  segments: readonly (string | number)[],
  limit: number,
  countUpTo: (text: string, left: number) => number,
): number {
  let tokens = 0;
  for (const segment of segments) {
    tokens += typeof segment === 'number' ? 1 : countUpTo(segment, limit - tokens);
    if (tokens > limit) return limit + 1;
  }
  return tokens;
}

/** `countSegmentsUpTo` with an asynchronous count. */
export async function countSegmentsUpToAsync(
  segments: readonly (string | number)[],
  limit: number,
  countUpTo: (text: string, left: number) => Promise<number>,
): Promise<number> {
  let tokens = 0;
  for (const segment of segments) {
    tokens += typeof segment === 'number' ? 1 : await countUpTo(segment, limit - tokens);
    if (tokens > limit) return limit + 1;
  }
  return tokens;
}

/** Texts split into ordinary ones for an engine's batch; `total` sums their counts by original text. */
export interface SplitTexts {
  readonly texts: readonly string[];
  readonly total: (counts: Uint32Array) => Uint32Array;
}

export function splitTexts(texts: readonly string[], encoding: EncodingName, allowed: AllowedSpecial | undefined): SplitTexts {
  if (allowed === undefined) return { texts, total: (counts) => counts };
  const ordinary: string[] = [];
  const owners: number[] = [];
  const specials = new Uint32Array(texts.length);
  for (const [index, text] of texts.entries()) {
    for (const segment of segmentsOf(text, encoding, allowed)) {
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

export function encodeSegments(segments: readonly (string | number)[], encode: (text: string) => Uint32Array): Uint32Array {
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

export function averageLength(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0) / Math.max(1, texts.length);
}
