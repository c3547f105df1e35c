import { usageFrom, type AnswerUsage } from '../../../http/answer-usage.js';
import type { AnswerFault } from '../protocol.js';
import { hasError } from './errors.js';

const [OPEN, CLOSE, QUOTE, BACKSLASH, COLON] = Buffer.from('{}"\\:');
const ERROR = Buffer.from('"error"');
const USAGE = Buffer.from('"usage"');
/** A longer object is no usage. */
const LONGEST_USAGE = 4096;
/** `"usage"` keys that are read, from the end: each may cost `LONGEST_USAGE` bytes. */
const MOST_KEYS = 64;

/** Some providers answer an error with 200. The answer is not parsed: it may be long. */
export function faultIn(answer: Buffer): AnswerFault | undefined {
  if (!looksWhole(answer)) return 'malformed';
  if (!mayBeginWithError(answer)) return undefined;
  const text = answer.toString('utf8');
  return hasError(text) ? { error: text } : undefined;
}

/** Has the braces of an object, with white space around it: some providers send empty lines. */
export function looksWhole(answer: Buffer): boolean {
  let end = answer.length - 1;
  while (answer[end] <= 32) end--;
  return answer[behindSpace(answer)] === OPEN && answer[end] === CLOSE;
}

/** An error in the place of an answer is its only field, or its first. */
function mayBeginWithError(answer: Buffer): boolean {
  const name = behindSpace(answer, behindSpace(answer) + 1);
  return answer.subarray(name, name + ERROR.length).equals(ERROR);
}

function behindSpace(answer: Buffer, from = 0): number {
  let at = from;
  while (answer[at] <= 32) at++;
  return at;
}

/**
 * The last `"usage":{…}` in a whole answer, or in the end of a stream. The answer itself is not
 * parsed: within a JSON string the quotes of such a key would be escaped, so its bytes are enough
 * to find it.
 */
export function usageIn(bytes: Buffer): AnswerUsage | undefined {
  return lastUsageIn(bytes, usageFrom, LONGEST_USAGE);
}

/** The last `"usage":{…}` that `read` takes for one. @param longest in bytes */
export function lastUsageIn(bytes: Buffer, read: (usage: unknown) => AnswerUsage | undefined, longest: number): AnswerUsage | undefined {
  let at = bytes.lastIndexOf(USAGE);
  for (let keys = 0; at >= 0 && keys < MOST_KEYS; keys++) {
    const usage = read(objectBehind(bytes, at + USAGE.length, longest));
    if (usage !== undefined) return usage;
    at = at === 0 ? -1 : bytes.lastIndexOf(USAGE, at - 1);
  }
  return undefined;
}

/** The object behind a key that ends at `from`; `undefined`: none, or a long one. */
export function objectBehind(bytes: Buffer, from: number, longest = LONGEST_USAGE): unknown {
  const colon = behindSpace(bytes, from);
  if (bytes[colon] !== COLON) return undefined;
  const start = behindSpace(bytes, colon + 1);
  const end = bytes[start] === OPEN ? objectEnd(bytes, start, longest) : -1;
  if (end < 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', start, end));
  } catch {
    return undefined;
  }
}

/** Behind the brace that closes the object that opens at `from`; -1 where none does. */
function objectEnd(bytes: Buffer, from: number, longest: number): number {
  const last = Math.min(bytes.length, from + longest);
  let depth = 0;
  let inString = false;
  for (let at = from; at < last; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return at + 1;
  }
  return -1;
}
