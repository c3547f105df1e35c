import { splitAtSpecials, type AllowedSpecial } from '../../token-counter/bpe/special-tokens.js';

/** Prefix of every special token of OpenAI's encodings. */
export const SPECIAL_START = '<|';

const ASCII = /^[\0-\x7f]+$/;

/**
 * Plans tiktoken's `encode(text, allowed, disallowed)`: the text, or its segments with the ids of
 * special tokens between them. `null` if the library has to answer: it throws, or the arguments are
 * undocumented.
 */
export function planEncode(
  text: string,
  allowed: unknown,
  disallowed: unknown,
  specials: ReadonlyMap<string, number>,
): string | readonly (string | number)[] | null {
  if (allowed !== undefined && !isChoice(allowed)) return null;
  if (disallowed !== undefined && !isChoice(disallowed)) return null;
  const isList = disallowed !== undefined && disallowed !== 'all';
  if (isList && disallowed.some((name) => !ASCII.test(name) || text.includes(name))) return null;
  if (!text.includes(SPECIAL_START)) return text;
  const segments = splitAtSpecials(text, specials, allowed ?? []);
  // By default, special tokens that are not allowed cause an error.
  if (!isList && idsIn(segments) !== idsIn(splitAtSpecials(text, specials, 'all'))) return null;
  return segments;
}

function isChoice(value: unknown): value is AllowedSpecial {
  return value === 'all' || (Array.isArray(value) && value.every((name) => typeof name === 'string'));
}

function idsIn(segments: readonly (string | number)[]): number {
  return segments.reduce<number>((ids, segment) => ids + Number(typeof segment === 'number'), 0);
}
