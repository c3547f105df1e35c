import { LARGEST_AMOUNT } from '../rate-limit/rate-limit.arguments.js';

/** Tokens of one call, as its provider reported them. */
export interface AnswerUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
}

const KEY = Buffer.from('"usage"');
const [OPEN, CLOSE, QUOTE, BACKSLASH, COLON] = Buffer.from('{}"\\:');
/** What an object of a few numbers takes; a longer one is no usage. */
const LONGEST = 4096;

/**
 * The last `"usage":{…}` in an answer's bytes, whole or a stream's end. The answer itself is not parsed: within a string of JSON the quotes
 * of such a key would be escaped, so the bytes are enough to find it.
 */
export function scanUsage(bytes: Buffer): AnswerUsage | undefined {
  for (let at = bytes.lastIndexOf(KEY); at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf(KEY, at - 1)) {
    const usage = usageAt(bytes, at + KEY.length);
    if (usage !== undefined) return usage;
  }
  return undefined;
}

/** OpenAI's names and those of its Responses and Anthropic's; `undefined` for what is no usage. */
export function usageFrom(value: unknown): AnswerUsage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const promptTokens = amount(fields.prompt_tokens) ?? amount(fields.input_tokens) ?? amount(fields.inputTokens);
  const completionTokens = amount(fields.completion_tokens) ?? amount(fields.output_tokens) ?? amount(fields.outputTokens);
  const totalTokens = amount(fields.total_tokens) ?? amount(fields.totalTokens);
  if (promptTokens === undefined && completionTokens === undefined && totalTokens === undefined) return undefined;
  const prompt = promptTokens ?? 0;
  const completion = completionTokens ?? (totalTokens === undefined ? 0 : Math.max(0, totalTokens - prompt));
  return { promptTokens: prompt, completionTokens: completion, totalTokens: totalTokens ?? prompt + completion };
}

/** What is more than any call can use would spoil all sums for good. */
function amount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= LARGEST_AMOUNT ? value : undefined;
}

function usageAt(bytes: Buffer, from: number): AnswerUsage | undefined {
  let at = skipSpace(bytes, from);
  if (bytes[at] !== COLON) return undefined;
  at = skipSpace(bytes, at + 1);
  const end = bytes[at] === OPEN ? objectEnd(bytes, at) : -1;
  if (end < 0) return undefined;
  try {
    return usageFrom(JSON.parse(bytes.toString('utf8', at, end)));
  } catch {
    return undefined;
  }
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
