import { FastLiteLLMError, gotValue } from '../../common/errors.js';
import type { TokenTable } from './token-table.js';

/** How a tokenizer splits a text before it merges; the place in this list is in packed files. */
export const SPLITS = [
  'gpt2',
  'cl100k',
  'o200k',
  'gpt2-digits',
  'cl100k-digits',
  'cl100k-marks',
  'o200k-digits',
  'kimi',
  'deepseek',
  'characters',
] as const;

/**
 * `gpt2`, `cl100k`, `o200k`: OpenAI's patterns. `-digits`: each digit is a piece. `cl100k-marks`:
 * the same, and marks are parts of words. `o200k-digits`: without contractions. `characters`: none;
 * merges start from characters.
 */
export type SplitName = (typeof SPLITS)[number];

/**
 * Where a space is put in front: `always`; `where-missing`, unless the part between two added
 * tokens has one; `first`, the same at the start of the text only.
 */
export type PrefixSpace = (typeof PREFIX_SPACES)[number];
export const PREFIX_SPACES = ['none', 'always', 'where-missing', 'first'] as const;

/** Conditions of an added token on the surrounding text. */
export interface TokenBounds {
  /** It takes the whitespace before it. */
  readonly lstrip: boolean;
  /** It takes the whitespace after it. */
  readonly rstrip: boolean;
  /** Does not match next to a letter, digit or mark. */
  readonly singleWord: boolean;
}

/** A token that is found in the text before it is split. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A control token: ordinary text unless `allowedSpecial` names it. */
  readonly special: boolean;
  /** Found in the normalized text. */
  readonly normalized: boolean;
  /** Of a special token that does not match everywhere as it is. */
  readonly bounds?: TokenBounds;
}

/** A tokenizer as its file describes it. */
export interface TokenizerModel {
  readonly split: SplitName;
  readonly normalizer: 'none' | 'nfc' | 'nfkc';
  /** The vocabulary writes a space as U+2581. */
  readonly spaces: boolean;
  readonly prefixSpace: PrefixSpace;
  /** The added ones need not be there. */
  readonly tokens: TokenTable;
  /** The token of each byte. */
  readonly byteIds: readonly number[];
  readonly merges: Merges;
  /** A piece that is a token as a whole is that token, even if merges do not make it. */
  readonly ignoresMerges: boolean;
  readonly added: readonly AddedToken[];
  /** The token that starts a prompt, or `null`. */
  readonly bos: number | null;
}

/** Pairs of ids that merge, what each makes, and its rank: the lowest merges first. */
export interface Merges {
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  readonly made: Uint32Array;
  readonly rank: Uint32Array;
}

/** Ids of a file are below this; no known vocabulary has a third as many. */
export const MOST_FILE_IDS = 1 << 20;

/** Whether a file may give a token this id. */
export function isFileId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MOST_FILE_IDS;
}

/**
 * A tokenizer's file is damaged, or uses features that cannot be counted exactly. Code:
 * `UNSUPPORTED_TOKENIZER`.
 */
export class TokenizerError extends FastLiteLLMError {
  /** Path in the file: `model.type`. */
  readonly path: string;

  constructor(path: string, value: unknown, rule: string) {
    super('UNSUPPORTED_TOKENIZER', `${path}: ${rule}${gotValue(value)}`);
    this.path = path;
  }
}
