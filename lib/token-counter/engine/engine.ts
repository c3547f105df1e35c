import type { EngineName } from '../../common/capability.js';

/** The encodings both engines know, under tiktoken's names. */
export const ENCODING_NAMES = ['cl100k_base', 'o200k_base', 'o200k_harmony', 'p50k_base', 'p50k_edit', 'r50k_base', 'gpt2'] as const;
/** The name of an encoding, as in tiktoken. */
export type EncodingName = (typeof ENCODING_NAMES)[number];

/** Bytes of the longest token of any encoding: a text has at least a token for so many. */
export const MAX_TOKEN_BYTES = 128;

/** Whether a text has more than `limit` tokens by its length alone: a UTF-16 unit is at least a byte. */
export function isLongerThan(text: string, limit: number): boolean {
  return text.length > limit * MAX_TOKEN_BYTES;
}

/**
 * Counts and encodes text: contract and injection token in one. Twins give the same answers for every string.
 *
 * Arguments are already checked (the service does it once for both engines), text is counted as *ordinary* text: what looks
 * like a special token is not one. Lone surrogates count as U+FFFD. Nothing here reads a clock, an option or a logger.
 */
export abstract class TokenCounterEngine {
  abstract readonly engine: EngineName;

  /** Resolves a name to the handle the other methods take. The first call for a name loads its tables. */
  abstract load(encoding: EncodingName): number;

  /** Number of tokens of `text`. */
  abstract count(text: string, encoding: number): number;

  /** Like `count`, but may stop as soon as more than `limit` are known: any answer above `limit` only says "more than `limit`". */
  abstract countUpTo(text: string, encoding: number, limit: number): number;

  /** The same without holding up the calling thread longer than a few milliseconds at a time. */
  abstract countUpToAsync(text: string, encoding: number, limit: number): Promise<number>;

  /** Counts many texts at once, on all cores where the engine can; the calling thread waits. */
  abstract countBatch(texts: readonly string[], encoding: number): Uint32Array;

  /** Counts many texts without holding up the calling thread longer than a few milliseconds at a time. */
  abstract countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array>;

  /** The token ids of `text`. */
  abstract encode(text: string, encoding: number): Uint32Array;

  /** The bytes that `ids` stand for, special tokens included. Throws `InvalidArgumentError` (code `UNKNOWN_TOKEN`) on an id the encoding does not have. */
  abstract decode(ids: Uint32Array, encoding: number): Uint8Array;

  /**
   * Length, in UTF-16 units, of the longest prefix of `text` made of its first `maxTokens` tokens, less a character cut in half at its end.
   * The service makes sure that the prefix, counted by itself, has not more than `maxTokens`.
   */
  abstract prefixLength(text: string, encoding: number, maxTokens: number): number;
}
