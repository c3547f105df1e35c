import type { EngineName } from '../../common/capability.js';
import type { PackedTokenizer } from '../tokenizers/packed-layout.js';

/** The encodings of both engines, under tiktoken's names. */
export const ENCODING_NAMES = ['cl100k_base', 'o200k_base', 'o200k_harmony', 'p50k_base', 'p50k_edit', 'r50k_base', 'gpt2'] as const;
/** The name of an encoding, as in tiktoken. */
export type EncodingName = (typeof ENCODING_NAMES)[number];

/** Bytes of the longest token of all encodings. */
export const MAX_TOKEN_BYTES = 128;

/**
 * Most UTF-16 code units of a text for one token of a loaded tokenizer, which may shorten a text.
 */
const MAX_TOKENIZER_UNITS = 4096;

/** True if the length proves more than `limit` tokens: a UTF-16 code unit has at least one byte. */
export function isLongerThan(text: string, limit: number, handle: number): boolean {
  return text.length > limit * (handle < ENCODING_NAMES.length ? MAX_TOKEN_BYTES : MAX_TOKENIZER_UNITS);
}

/** Texts that are the raw contents of JSON strings: `texts` has the start and the end of each. */
export interface JsonSlices {
  readonly bytes: Uint8Array;
  readonly texts: Uint32Array;
  /** Whether nothing else can change the bytes until they are counted: no copy is needed. */
  readonly isOwn: boolean;
}

/** Counts of the texts of a JSON body, one by one. */
export interface SliceCounts {
  readonly counts: Uint32Array;
  /** UTF-16 code units of each text. */
  readonly units: Uint32Array;
  /** Number of texts counted; the others are beyond the limit. */
  readonly counted: number;
}

/**
 * Counts and encodes text: contract and injection token. Both engines give the same results, but
 * for what `exactUnits` says of tokenizers of files.
 *
 * The service has checked the arguments. Special tokens count as ordinary text, lone surrogates as
 * U+FFFD. An engine reads no clock, option or logger.
 */
export abstract class TokenCounterEngine {
  abstract readonly engine: EngineName;

  /** Returns the handle of an encoding for the other methods. The first call loads its tables. */
  abstract load(encoding: EncodingName | PackedTokenizer): number;

  /**
   * Loads a tokenizer, packed from `file`. The native engine blocks the calling thread for at most
   * a millisecond at a time. Returns whether the engine counts with it exactly; otherwise
   * `cl100k_base` stands in.
   * @throws MissingPackageError
   */
  abstract prepare(tokenizer: PackedTokenizer, file: string): Promise<boolean>;

  /** UTF-16 code units of the longest text whose count is exact; longer ones are estimated. */
  abstract exactUnits(encoding: number): number;

  /** Number of tokens of `text`. */
  abstract count(text: string, encoding: number): number;

  /** Like `count`, but may stop above `limit`: then the result is some number above `limit`. */
  abstract countUpTo(text: string, encoding: number, limit: number): number;

  /** Like `countUpTo`, blocking the calling thread for at most a few milliseconds at a time. */
  abstract countUpToAsync(text: string, encoding: number, limit: number): Promise<number>;

  /** Counts many texts, on all cores if the engine can; blocks the calling thread. */
  abstract countBatch(texts: readonly string[], encoding: number): Uint32Array;

  /** Like `countBatch`, blocking the calling thread for at most a few milliseconds at a time. */
  abstract countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array>;

  /**
   * Counts texts that are the raw contents of JSON strings: `texts` has the start and the end of
   * each in `bytes`. May stop above `limit` tokens in total. Blocks the calling thread.
   */
  abstract countSlices(bytes: Uint8Array, texts: Uint32Array, encoding: number, limit: number): SliceCounts;

  /** Like `countSlices`, blocking the calling thread for at most a few milliseconds at a time. */
  abstract countSlicesAsync(slices: JsonSlices, encoding: number, limit: number): Promise<SliceCounts>;

  /** The token ids of `text`. */
  abstract encode(text: string, encoding: number): Uint32Array;

  /** The bytes of `ids`, with special tokens. Throws `UNKNOWN_TOKEN` for an unknown id. */
  abstract decode(ids: Uint32Array, encoding: number): Uint8Array;

  /**
   * UTF-16 code units of the first `maxTokens` tokens of `text`, without a partial character at the
   * end. The prefix alone may have more tokens, so the service counts it again.
   */
  abstract prefixLength(text: string, encoding: number, maxTokens: number): number;
}
