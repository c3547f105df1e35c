import { InvalidArgumentError } from '../../common/errors.js';
import type { ModelFacts } from '../models.js';

/** What the counting of one prompt needs, and what it finds out on the way. */
export interface PromptContext {
  readonly model: ModelFacts;
  /** Tokens of ordinary text. */
  readonly count: (text: string) => number;
  /** Whether what no rule knows is estimated by its length: for limits. Otherwise parts of an unknown type are refused, and unknown fields count as nothing. */
  readonly estimatesUnknown?: boolean;
  /** UTF-16 units of the strings that a rule has counted, media included. */
  readUnits: number;
  /** Set when a part had to be estimated: an image of unknown size, audio, a binary document. */
  assumed: boolean;
}

/** Deeper structures are refused: no provider takes them, and recursion must end before the stack does. */
const MAX_DEPTH = 32;

export function checkDepth(depth: number, path: string): void {
  if (depth > MAX_DEPTH)
    throw new InvalidArgumentError(path, undefined, `must not be nested deeper than ${MAX_DEPTH} levels`, 'NESTED_TOO_DEEP');
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tokens of `value` if it is a string; nothing else has text. */
export function countText(value: unknown, context: PromptContext): number {
  return typeof value === 'string' ? context.count(value) : countUnread(value, context);
}

/** What no rule counts: nothing or, for limits, an estimate by its length. */
export function countUnread(value: unknown, context: PromptContext): number {
  if (context.estimatesUnknown !== true || (typeof value !== 'string' && (typeof value !== 'object' || value === null))) return 0;
  const bytes = Buffer.byteLength(jsonOf(value, 'body') ?? '');
  context.assumed = true;
  context.readUnits += bytes;
  return Math.ceil(bytes * TOKENS_PER_BYTE);
}

/** What a byte of text that is not counted costs at least. */
export const TOKENS_PER_BYTE = 1 / 4;

/** Tokens of a structure as its JSON: how tool arguments travel. A string counts as it is, `undefined` as nothing. */
export function countJson(value: unknown, path: string, context: PromptContext): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'string') return context.count(value);
  const json = jsonOf(value, path);
  return json === undefined ? 0 : context.count(json);
}

function jsonOf(value: unknown, path: string): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // Cycles, BigInt, a depth that ends the stack.
    throw new InvalidArgumentError(path, value, `must be JSON (${(error as Error).message.split('\n', 1)[0]})`);
  }
}
