import { FastLiteLLMError, describeValue } from '../../common/errors.js';

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
 * the same, and marks are parts of words. `o200k-digits`: without contractions. `characters`: none,
 * merges start from characters.
 */
export type SplitName = (typeof SPLITS)[number];

/**
 * Where a space is put in front: `always`; `where-missing`, unless the part between two added
 * tokens has one; `first`, the same at the start of the text only.
 */
export type PrefixSpace = (typeof PREFIX_SPACES)[number];
export const PREFIX_SPACES = ['none', 'always', 'where-missing', 'first'] as const;

/** A token that is found in the text before it is split. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A control token: ordinary text unless `allowedSpecial` names it. */
  readonly special: boolean;
  /** Found in the normalized text. */
  readonly normalized: boolean;
}

/** A tokenizer as its file describes it. */
export interface TokenizerModel {
  readonly split: SplitName;
  readonly normalizer: 'none' | 'nfc' | 'nfkc';
  /** U+2581 stands for a space in the vocabulary. */
  readonly spaces: boolean;
  readonly prefixSpace: PrefixSpace;
  /** Bytes of each token, as a binary string, by id; the added ones need not be there. */
  readonly tokens: ReadonlyMap<number, string>;
  /** The token of each byte. */
  readonly byteIds: readonly number[];
  /** Pairs of ids that merge, by rank, and what each makes; `null`: each token's rank is its id. */
  readonly merges: Merges | null;
  readonly added: readonly AddedToken[];
  /** The token that starts a prompt, or `null`. */
  readonly bos: number | null;
}

/** Merges by rank. */
export interface Merges {
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  readonly made: Uint32Array;
}

/**
 * A tokenizer's file is damaged, or of a kind that cannot be counted exactly. Code:
 * `UNSUPPORTED_TOKENIZER`.
 */
export class TokenizerError extends FastLiteLLMError {
  /** Where in the file: `model.type`. */
  readonly path: string;

  constructor(path: string, value: unknown, rule: string) {
    super('UNSUPPORTED_TOKENIZER', `${path}: ${rule}, got ${describeValue(value)}`);
    this.path = path;
  }
}
