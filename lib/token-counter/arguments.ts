import { isSharedArrayBuffer, isUint32Array } from 'node:util/types';
import { InvalidArgumentError } from '../common/errors.js';
import { checkInteger, checkObject, refuseArgument } from '../common/options.js';
import type { CountingModel } from './counting-model.js';
import type { ModelTable } from './model-table.js';
import type { AllowedSpecial } from './bpe/special-tokens.js';
import type { EncodingName } from './engine/engine.js';
import type { Tool, ToolChoice } from './prompt/tools.js';

/** Options for counting a text. The name of a model can be passed instead. */
export interface CountOptions {
  /** Model or encoding name. Default: the option `tokenCounter.defaultModel`. */
  readonly model?: string | null;
  /** Encoding to use instead of the model's. */
  readonly encoding?: EncodingName;
  /**
   * Special tokens to recognize; unknown names are ignored. Default: none; special tokens count as
   * ordinary text.
   */
  readonly allowedSpecial?: AllowedSpecial;
  /** For rollouts: the same id always gets the same engine. */
  readonly requestId?: string;
}

/** The model that receives the messages, and its tools. */
export interface CountMessagesOptions {
  /** Default: `tokenCounter.defaultModel`. */
  readonly model?: string | null;
  /** Tools in OpenAI's, Anthropic's or Gemini's shape. */
  readonly tools?: readonly Tool[] | null;
  /** `auto`, `none`, `required`, or an object that names a tool. */
  readonly toolChoice?: ToolChoice;
  /**
   * Whether to render the chat with the model's chat template, which is exact; with tools this is
   * the default. Requires a loaded tokenizer with its template, and `@huggingface/jinja`.
   */
  readonly template?: boolean;
  /** For rollouts: the same id always gets the same engine. */
  readonly requestId?: string;
}

/** Options for `trimMessages`. */
export interface TrimMessagesOptions {
  /** Default: `tokenCounter.defaultModel`. */
  readonly model?: string | null;
  /** Default: `trimRatio` of the model's input limit. */
  readonly maxTokens?: number;
  /** Share of the model's input limit that the messages can fill, from 0.001 to 1. Default 0.75. */
  readonly trimRatio?: number;
  /** For rollouts: the same id always gets the same engine. */
  readonly requestId?: string;
}

/** Checked `CountOptions`. */
export interface CountPlan {
  readonly model: CountingModel;
  readonly allowedSpecial?: AllowedSpecial;
  readonly requestId?: string;
}

/** Checked arguments of a question about a limit. */
export interface LimitPlan extends CountPlan {
  readonly most: number;
}

/** The engines count in 32 bits; no accepted text has more tokens. */
const MAX_LIMIT = 0x7fff_ffff;

export function planCount(options: string | CountOptions | null | undefined, models: ModelTable): CountPlan {
  if (typeof options === 'string' || options === undefined || options === null) return { model: models.get(options) };
  const { model, encoding, allowedSpecial, requestId } = checkObject('options', options, refuseArgument) as CountOptions;
  if (allowedSpecial !== undefined && allowedSpecial !== 'all' && !Array.isArray(allowedSpecial)) {
    throw new InvalidArgumentError('allowedSpecial', allowedSpecial, "must be 'all' or an array of special tokens");
  }
  return { model: encoding === undefined ? models.get(model) : models.byEncoding(encoding), allowedSpecial, requestId };
}

/** Options from an object or a model's name. */
export function optionsOf<O extends { readonly model?: string | null }>(options: O | string | null): O {
  return (typeof options === 'string' ? { model: options } : checkObject('options', options ?? {}, refuseArgument)) as O;
}

/** The error for a value that is not a string, or over `maxLength` units (`TEXT_TOO_LONG`). */
export function textError(path: string, text: unknown, maxLength: number): InvalidArgumentError {
  if (typeof text !== 'string') return new InvalidArgumentError(path, text, 'must be a string');
  return new InvalidArgumentError(
    path,
    text,
    `must have at most ${maxLength} UTF-16 code units (tokenCounter.maxTextLength)`,
    'TEXT_TOO_LONG',
  );
}

export function checkTexts(texts: readonly string[], maxLength: number): void {
  if (!Array.isArray(texts)) throw new InvalidArgumentError('texts', texts, 'must be an array of strings');
  for (let i = 0; i < texts.length; i++) {
    const text: unknown = texts[i];
    if (typeof text !== 'string' || text.length > maxLength) throw textError(`texts[${i}]`, text, maxLength);
  }
}

export function checkLimit(path: string, value: unknown): number {
  return Math.min(checkInteger(path, value, { min: 0 }, refuseArgument), MAX_LIMIT);
}

export function checkTokenIds(ids: readonly number[] | Uint32Array): Uint32Array {
  if (isUint32Array(ids)) {
    if (ids.length === 0 && hasLostItsBuffer(ids)) {
      throw new InvalidArgumentError('ids', ids, 'must have an ArrayBuffer that has not been transferred or shrunk');
    }
    // A copy: another thread may write to shared memory between check and use.
    return isSharedArrayBuffer(ids.buffer) ? new Uint32Array(ids) : ids;
  }
  if (!Array.isArray(ids)) throw new InvalidArgumentError('ids', ids, 'must be an array of token ids');
  return Uint32Array.from(ids, (id: unknown, index) => checkInteger(`ids[${index}]`, id, { min: 0, max: 0xffff_ffff }, refuseArgument));
}

/** Whether the buffer is detached or shorter than the array, whose length is 0 then. */
function hasLostItsBuffer(ids: Uint32Array): boolean {
  try {
    Uint32Array.prototype.at.call(ids, 0);
    return false;
  } catch {
    return true;
  }
}
