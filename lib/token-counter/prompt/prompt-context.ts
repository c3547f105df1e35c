import { InvalidArgumentError } from '../../common/errors.js';
import type { ModelFacts } from '../models.js';

/** Inputs and running results of counting one prompt. */
export interface PromptContext {
  readonly model: ModelFacts;
  /** Counts ordinary text. */
  readonly count: (text: string) => number;
  /**
   * For limits: content that no rule knows is estimated by its length. Otherwise parts of unknown
   * type are rejected and unknown fields count 0.
   */
  readonly estimatesUnknown?: boolean;
  /** UTF-16 units of all strings counted by a rule, media included. */
  readUnits: number;
  /** Set when a part was estimated: an image of unknown size, audio, a binary document. */
  assumed: boolean;
}

/** Deeper structures are rejected: no provider accepts them, and they could exhaust the stack. */
const MAX_DEPTH = 32;

export function checkDepth(depth: number, path: string): void {
  if (depth > MAX_DEPTH)
    throw new InvalidArgumentError(path, undefined, `must not be nested deeper than ${MAX_DEPTH} levels`, 'NESTED_TOO_DEEP');
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tokens of `value` if it is a string; other values as `countUnread`. */
export function countText(value: unknown, context: PromptContext): number {
  return typeof value === 'string' ? context.count(value) : countUnread(value, context);
}

/** Tokens of a value that no rule counts: 0 or, for limits, an estimate by its length. */
export function countUnread(value: unknown, context: PromptContext): number {
  if (context.estimatesUnknown !== true || (typeof value !== 'string' && (typeof value !== 'object' || value === null))) return 0;
  const bytes = Buffer.byteLength(jsonOf(value, 'body') ?? '');
  context.assumed = true;
  context.readUnits += bytes;
  return Math.ceil(bytes * TOKENS_PER_BYTE);
}

/** Lower bound of the estimate for a byte of text. */
export const TOKENS_PER_BYTE = 1 / 4;

/** Tokens of a structure as JSON, of a string as it is; 0 for `undefined`. */
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
    // Cycles, BigInt, stack overflow.
    throw new InvalidArgumentError(path, value, `must be JSON (${(error as Error).message.split('\n', 1)[0]})`);
  }
}
