import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';

const KEY = Buffer.from('"usage"');
const [OPEN, CLOSE, QUOTE, BACKSLASH, COLON, COMMA, ZERO, NINE] = Buffer.from('{}"\\:,09');
/** What an object of a few numbers takes; a longer one is no usage. */
const LONGEST = 4096;
/** Keys of the name that are looked at, from the end: an answer has one or two, and of thousands each would cost `LONGEST` bytes. */
const MOST_KEYS = 64;
/** Bytes at the end that are looked through here: mostly the usage is there, and a call of Node's search takes longer. */
const NEAR_END = 512;
/** OpenAI's names. */
const [PROMPT, COMPLETION, TOTAL] = ['prompt_tokens"', 'completion_tokens"', 'total_tokens"'].map((name) => Buffer.from(name));
/** A number of so many digits is within `LARGEST_AMOUNT`. */
const MOST_DIGITS = 9;

/**
 * The last `"usage":{…}` in an answer's bytes, whole or a stream's end. The answer itself is not parsed: within a string of JSON the quotes
 * of such a key would be escaped, so the bytes are enough to find it.
 */
export function scanUsage(bytes: Buffer): AnswerUsage | undefined {
  let at = lastKey(bytes);
  for (let keys = 0; at >= 0 && keys < MOST_KEYS; keys++) {
    const usage = usageAt(bytes, at + KEY.length);
    if (usage !== undefined) return usage;
    at = at === 0 ? -1 : bytes.lastIndexOf(KEY, at - 1);
  }
  return undefined;
}

function lastKey(bytes: Buffer): number {
  const last = bytes.length - KEY.length;
  const stop = Math.max(0, last - NEAR_END);
  for (let at = last; at >= stop; at--) if (bytes[at] === QUOTE && begins(bytes, at, KEY)) return at;
  return stop === 0 ? -1 : bytes.lastIndexOf(KEY, stop - 1);
}

function begins(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

function usageAt(bytes: Buffer, from: number): AnswerUsage | undefined {
  let at = skipSpace(bytes, from);
  if (bytes[at] !== COLON) return undefined;
  at = skipSpace(bytes, at + 1);
  if (bytes[at] !== OPEN) return undefined;
  const plain = plainUsage(bytes, at);
  if (plain !== undefined) return plain;
  const end = objectEnd(bytes, at);
  if (end < 0) return undefined;
  try {
    return usageFrom(JSON.parse(bytes.toString('utf8', at, end)));
  } catch {
    return undefined;
  }
}

/**
 * The usage as OpenAI and most others write it, nothing cached: its three numbers, others that are 0, and objects of details without a figure but 0. `undefined`
 * for all else, which is for a parser; it takes three times as long.
 */
function plainUsage(bytes: Buffer, from: number): AnswerUsage | undefined {
  const last = Math.min(bytes.length, from + LONGEST);
  let prompt: number | undefined;
  let completion: number | undefined;
  let total: number | undefined;
  for (let at = from; bytes[at] !== CLOSE;) {
    // Behind the brace, or a comma, a name.
    at = skipSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return undefined;
    const name = at + 1;
    at = name;
    while (at < last && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++;
    if (bytes[at] !== QUOTE) return undefined;
    const length = at + 1 - name;
    const isPrompt = length === PROMPT.length && begins(bytes, name, PROMPT);
    const isCompletion = length === COMPLETION.length && begins(bytes, name, COMPLETION);
    const isTotal = length === TOTAL.length && begins(bytes, name, TOTAL);
    at = skipSpace(bytes, at + 1);
    if (bytes[at] !== COLON) return undefined;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] === OPEN) {
      const end = isPrompt || isCompletion || isTotal ? -1 : objectEnd(bytes, at);
      for (; at < end; at++) if (bytes[at] > ZERO && bytes[at] <= NINE) return undefined;
      if (end < 0) return undefined;
    } else {
      const first = at;
      let value = 0;
      for (; bytes[at] >= ZERO && bytes[at] <= NINE; at++) value = value * 10 + bytes[at] - ZERO;
      const digits = at - first;
      if (digits === 0 || digits > MOST_DIGITS || (digits > 1 && bytes[first] === ZERO)) return undefined;
      if (isPrompt) prompt = value;
      else if (isCompletion) completion = value;
      else if (isTotal) total = value;
      else if (value > 0) return undefined;
    }
    at = skipSpace(bytes, at);
    if (at >= last || (bytes[at] !== COMMA && bytes[at] !== CLOSE)) return undefined;
  }
  if (prompt === undefined || completion === undefined || total === undefined) return undefined;
  return usageFrom({ prompt_tokens: prompt, completion_tokens: completion, total_tokens: total });
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 32 || (bytes[at] >= 9 && bytes[at] <= 13)) at++;
  return at;
}

/** Behind the brace that closes the object that opens at `from`; -1 where none does. */
function objectEnd(bytes: Buffer, from: number): number {
  const last = Math.min(bytes.length, from + LONGEST);
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
