import { isSharedArrayBuffer, isUint32Array } from 'node:util/types';
import { InvalidArgumentError } from '../common/errors.js';
import { checkInteger, checkObject, refuseArgument } from '../common/options.js';
import type { CountingModel } from './counting-model.js';
import type { ModelTable } from './model-table.js';
import type { AllowedSpecial } from './bpe/special-text.js';
import type { EncodingName } from './engine/engine.js';
import type { Tool, ToolChoice } from './prompt/tools.js';

/** How a text is counted. In place of the object a model's name will do. */
export interface CountOptions {
  /** Default: the option `tokenCounter.defaultModel`. An encoding's name is taken too. */
  readonly model?: string | null;
  /** Instead of a model. */
  readonly encoding?: EncodingName;
  /** Default none: what looks like a special token is text. Names that the encoding does not have are ignored. */
  readonly allowedSpecial?: AllowedSpecial;
  /** For rollouts: the same id is always answered by the same engine. */
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
  /** The id by which a rollout chooses the engine. */
  readonly requestId?: string;
}

/** How many tokens the messages may have. */
export interface TrimMessagesOptions {
  /** Default: `tokenCounter.defaultModel`. */
  readonly model?: string | null;
  /** Default: `trimRatio` of the model's input limit. */
  readonly maxTokens?: number;
  /** Share of the model's input limit that the messages may fill, from 0.001 to 1. Default 0.75. */
  readonly trimRatio?: number;
  /** The id by which a rollout chooses the engine. */
  readonly requestId?: string;
}

/** `CountOptions`, checked, with the model found. */
export interface CountPlan {
  readonly model: CountingModel;
  readonly allowedSpecial?: AllowedSpecial;
  readonly requestId?: string;
}

/** The same of a question about a limit. */
export interface LimitPlan {
  readonly most: number;
  readonly model: CountingModel;
  /** The text where no special token is allowed in it, otherwise what it was split into. */
  readonly segments: readonly (string | number)[];
  readonly requestId?: string;
}

/** The engines count in 32 bits; no text they take has more tokens than this. */
const MAX_LIMIT = 0x7fff_ffff;

export function planCount(options: string | CountOptions | null | undefined, models: ModelTable): CountPlan {
  if (typeof options === 'string' || options === undefined || options === null) return { model: models.get(options) };
  const { model, encoding, allowedSpecial, requestId } = checkObject('options', options, refuseArgument) as CountOptions;
  if (allowedSpecial !== undefined && allowedSpecial !== 'all' && !Array.isArray(allowedSpecial)) {
    throw new InvalidArgumentError('allowedSpecial', allowedSpecial, "must be 'all' or an array of special tokens");
  }
  return { model: encoding === undefined ? models.get(model) : models.byEncoding(encoding), allowedSpecial, requestId };
}

/** A model's name is options enough. */
export function optionsOf<O extends { readonly model?: string | null }>(options: O | string | null): O {
  return (typeof options === 'string' ? { model: options } : checkObject('options', options ?? {}, refuseArgument)) as O;
}

/** What is wrong with a text: no string, or longer than `maxLength` UTF-16 units (`TEXT_TOO_LONG`). */
export function textError(path: string, text: unknown, maxLength: number): InvalidArgumentError {
  if (typeof text !== 'string') return new InvalidArgumentError(path, text, 'must be a string');
  return new InvalidArgumentError(
    path,
    text,
    `must not be longer than ${maxLength} UTF-16 units (tokenCounter.maxTextLength)`,
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
      throw new InvalidArgumentError('ids', ids, 'must have its ArrayBuffer: this one was transferred or has shrunk');
    }
    // Another thread may write to shared memory between the check of an id and its use.
    return isSharedArrayBuffer(ids.buffer) ? new Uint32Array(ids) : ids;
  }
  if (!Array.isArray(ids)) throw new InvalidArgumentError('ids', ids, 'must be an array of token ids');
  return Uint32Array.from(ids, (id: unknown, index) => checkInteger(`ids[${index}]`, id, { min: 0, max: 0xffff_ffff }, refuseArgument));
}

/** Whether the array's buffer is detached or ends before the array does: its length is 0 then, as that of an empty one. */
function hasLostItsBuffer(ids: Uint32Array): boolean {
  try {
    Uint32Array.prototype.at.call(ids, 0);
    return false;
  } catch {
    return true;
  }
}
