import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';

const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, QUOTE, BACKSLASH, COLON] = Buffer.from('{}[]"\\:');
const USAGE = Buffer.from('"usage"');
const TIER = Buffer.from('"service_tier"');
/** A longer object is not a usage. */
const LONGEST_USAGE = 4096;
/** `"usage"` keys that are read, from the end: each may cost `LONGEST_USAGE` bytes. */
const MOST_KEYS = 64;
/** Bytes that are scanned to compare the nesting of two keys, some 2.5 ns each. */
const MOST_WALKED = 4 * 1024 * 1024;
/** White space within an answer. */
const LONGEST_SPACE = 1024;
/** Bytes from a usage to the end of an answer in which no other one is looked for at once. */
const NEAR_END = 64 * 1024;
/** Bytes around a usage in which its `service_tier` is looked for: tools may be between them. */
const TIER_DISTANCE = 64 * 1024;
const MOST_TIER_KEYS = 8;
const TIER_VALUE = /^\s{0,8}:\s{0,8}"(\w{1,32})"/;
const LONGEST_TIER = 64;

/**
 * The last `"usage":{…}` in a whole answer, or in the end of a stream. The answer itself is not
 * parsed: within a JSON string the quotes of such a key would be escaped, so its bytes are enough
 * to find it.
 */
export function usageIn(bytes: Buffer): AnswerUsage | undefined {
  const found = lastUsageIn(bytes, usageFrom, LONGEST_USAGE);
  if (found === undefined) return undefined;
  const serviceTier = serviceTierNear(bytes, found.at);
  return serviceTier === undefined ? found.usage : { ...found.usage, serviceTier };
}

/**
 * The `service_tier` of the object whose `"usage"` key begins at `at`. A tier in an object next to
 * it, such as `metadata`, which repeats the client's data, does not count.
 */
function serviceTierNear(bytes: Buffer, at: number): string | undefined {
  const start = Math.max(0, at - TIER_DISTANCE);
  const near = bytes.subarray(start, at + TIER_DISTANCE);
  const usage = at - start;
  // Chat has it after the usage of a whole answer but before the usage of a stream; Responses
  // before it.
  for (let key = near.indexOf(TIER, usage), keys = 0; key >= 0 && keys < MOST_TIER_KEYS; keys++) {
    const tier = isSameObject(near, usage, key) ? tierAfter(near, key + TIER.length) : undefined;
    if (tier !== undefined) return tier;
    key = near.indexOf(TIER, key + TIER.length);
  }
  for (let key = near.subarray(0, usage).lastIndexOf(TIER), keys = 0; key >= 0 && keys < MOST_TIER_KEYS; keys++) {
    const tier = isSameObject(near, key, usage) ? tierAfter(near, key + TIER.length) : undefined;
    if (tier !== undefined) return tier;
    key = near.subarray(0, key).lastIndexOf(TIER);
  }
  return undefined;
}

function tierAfter(bytes: Buffer, from: number): string | undefined {
  return TIER_VALUE.exec(bytes.toString('latin1', from, from + LONGEST_TIER))?.[1];
}

/** Whether two keys, which begin at these places, are of one object. */
function isSameObject(bytes: Buffer, from: number, to: number): boolean {
  const { least, depth } = levels(bytes, from, to);
  return least === 0 && depth === 0;
}

/**
 * How deep the place `to` is below the place `from`, and the least of all levels between them, 0 or
 * less. Both are outside of strings.
 */
function levels(bytes: Buffer, from: number, to: number): { readonly least: number; readonly depth: number } {
  let [least, depth] = [0, 0];
  let inString = false;
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE || byte === CLOSE_LIST) least = Math.min(least, --depth);
  }
  return { least, depth };
}

/** A usage in an answer, and where its key begins. */
interface FoundUsage {
  readonly usage: AnswerUsage;
  readonly fields: unknown;
  readonly at: number;
}

/**
 * The last `"usage":{…}` that `read` takes for one; not one in an object beside a usage, as in
 * `metadata` that repeats what the client has sent. `undefined`, too, if it takes too long to
 * tell: a usage that the client has stated must not count. @param longest in bytes
 */
export function lastUsageIn(bytes: Buffer, read: (usage: unknown) => AnswerUsage | undefined, longest: number): FoundUsage | undefined {
  let at = bytes.lastIndexOf(USAGE);
  let found: FoundUsage | undefined;
  // Nesting of the usage found so far, relative to the key at `at`, and the lowest between them.
  let [depth, least] = [0, 0];
  let left = MOST_WALKED;
  for (let keys = 0; at >= 0 && keys < MOST_KEYS; keys++) {
    const isBelow = least === 0 && depth > 0;
    const fields = found === undefined || isBelow ? objectAfter(bytes, at + USAGE.length, longest) : undefined;
    const usage = fields === undefined ? undefined : read(fields);
    if (usage !== undefined) {
      found = { usage, fields, at };
      if (bytes.length - at < NEAR_END) {
        // If the answer ends with the object that has this usage, it is the answer's own.
        left -= bytes.length - at;
        if (levels(bytes, at, bytes.length).depth === -1) return found;
      }
      [depth, least] = [0, 0];
    }
    const before = at === 0 ? -1 : bytes.lastIndexOf(USAGE, at - 1);
    if (found !== undefined && before >= 0) {
      left -= at - before;
      if (left < 0) return undefined;
      const between = levels(bytes, before, at);
      least = Math.min(between.least, between.depth + least);
      depth += between.depth;
    }
    at = before;
  }
  return found;
}

/** The value of a key that ends at `from`; `undefined`: not an object, or a long one. */
export function objectAfter(bytes: Buffer, from: number, longest = LONGEST_USAGE): unknown {
  // Most answers have no whitespace here.
  const colon = bytes[from] === COLON ? from : afterSpace(bytes, from);
  const start = bytes[colon + 1] === OPEN ? colon + 1 : afterSpace(bytes, colon + 1);
  if (bytes[colon] !== COLON || bytes[start] !== OPEN) return undefined;
  const last = Math.min(bytes.length, start + longest);
  let depth = 0;
  let inString = false;
  let end = start;
  for (; end < last; end++) {
    const byte = bytes[end];
    if (inString) {
      if (byte === BACKSLASH) end++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) break;
  }
  if (end >= last) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', start, end + 1));
  } catch {
    return undefined;
  }
}

/** Offset of the first byte from `from` on that is not whitespace; at most `longest` later. */
export function afterSpace(answer: Buffer, from: number, longest = LONGEST_SPACE): number {
  const last = from + longest;
  let at = from;
  while (at < last && answer[at] <= 32) at++;
  return at;
}
