/** Which special tokens a text may contain: all of its encoding, or these. */
export type AllowedSpecial = 'all' | readonly string[];

// The shape of every special token there is; a candidate cannot hide the start of another, since `<` is not part of a name.
const CANDIDATE = /<\|[a-z0-9_]{1,32}\|>/g;

/**
 * Cuts `text` at the special tokens that are allowed: strings are ordinary text (never empty), numbers are ids. Counting or encoding the
 * strings and keeping the ids gives what tiktoken gives with `allowed_special`. Names that the encoding does not have are ignored, as there.
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

export function countSegments(segments: readonly (string | number)[], count: (text: string) => number): number {
  let tokens = 0;
  for (const segment of segments) tokens += typeof segment === 'number' ? 1 : count(segment);
  return tokens;
}

export function encodeSegments(segments: readonly (string | number)[], encode: (text: string) => Uint32Array): Uint32Array {
  const parts = segments.map((segment) => (typeof segment === 'number' ? Uint32Array.of(segment) : encode(segment)));
  const ids = new Uint32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
}
