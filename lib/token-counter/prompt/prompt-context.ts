import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import type { ContentSample } from '../estimates/content-class.js';
import type { ModelFacts } from '../models.js';
import type { PromptReads } from './prompt-reads.js';

/** Long texts of a body: the raw contents of JSON strings. Strings of the body stand for them. */
export interface LongTexts {
  readonly bytes: Uint8Array;
  /** Whether nothing else can change the bytes. */
  readonly isOwn: boolean;
  /** Start and end of each text. */
  readonly places: Uint32Array;
  /** The index of the text that a string of the body stands for, or -1. */
  indexOf(text: string): number;
  textAt(index: number): string;
}

/** Counts these values in a context. */
export interface LongTextCounter {
  /** The text that a string of the body stands for. */
  textOf(text: string): string;
  /** Tokens of a string of the body if it stands for a long text. */
  count(text: string): number | undefined;
}

/** Inputs and running results of counting one prompt. */
export interface PromptContext {
  readonly model: ModelFacts;
  /** Counts ordinary text. */
  readonly count: (text: string) => number;
  /** Tokens of the chat as the model's template renders it; `undefined` if it cannot. */
  readonly rendered?: (messages: readonly object[], tools: readonly unknown[] | null | undefined) => number | undefined;
  /** Of a body whose long texts are bytes. */
  readonly long?: LongTextCounter;
  /**
   * For limits: records the parts that rules have counted, so that `PromptRest` counts everything
   * else. Without it, parts of unknown type are rejected, and unknown fields count 0.
   */
  readonly reads?: PromptReads;
  /** Set when a part was estimated: an image of unknown size, audio, a binary document. */
  assumed: boolean;
  /** Tokens of images, audio, videos and documents. */
  mediaTokens: number;
  /** Of texts, for models whose tokenizer is not known. */
  readonly sample?: ContentSample;
}

/** Deeper structures are rejected: no provider accepts them, and they could exhaust the stack. */
const MAX_DEPTH = 32;

export function checkDepth(depth: number, path: string): void {
  if (depth > MAX_DEPTH)
    throw new InvalidArgumentError(path, NO_VALUE, `must not be nested deeper than ${MAX_DEPTH} levels`, 'NESTED_TOO_DEEP');
}

/** Tokens of a string of the body. */
export function countString(text: string, context: PromptContext): number {
  context.reads?.text(text);
  return countUnnoted(text, context);
}

/** The same without a note for `PromptRest`. */
export function countUnnoted(text: string, context: PromptContext): number {
  return context.long?.count(text) ?? context.count(text);
}

/** A string of the body as text. */
export function textOf(text: string, { long }: PromptContext): string {
  return long === undefined ? text : long.textOf(text);
}

/** Tokens of `value` if it is a string. */
export function countText(value: unknown, context: PromptContext): number {
  return typeof value === 'string' ? countString(value, context) : 0;
}

/** Lower bound of the estimate for a byte of text. */
export const TOKENS_PER_BYTE = 1 / 4;

/** Tokens of a structure as JSON, of a string as it is; 0 for `undefined`. */
export function countJson(value: unknown, path: string, context: PromptContext): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'string') return countString(value, context);
  const json = jsonOf(value, path, context);
  if (typeof value === 'object') context.reads?.note('whole', value);
  return json === undefined ? 0 : context.count(json);
}

/** A structure as JSON; `undefined` for other values. @throws InvalidArgumentError for cycles */
export function jsonOf(value: unknown, path: string, { long }: PromptContext): string | undefined {
  try {
    if (long === undefined) return JSON.stringify(value);
    return JSON.stringify(value, (_, each: unknown) => (typeof each === 'string' ? long.textOf(each) : each));
  } catch (error) {
    // Cycles, BigInt, stack overflow.
    throw new InvalidArgumentError(path, value, `must be valid JSON (${(error as Error).message.split('\n', 1)[0]})`);
  }
}
