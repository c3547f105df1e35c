import type { EngineName } from '../../common/capability.js';
import type { JsonBounds } from '../json-bounds.js';

/** A field of the outermost object. Places are byte offsets. */
export interface ScannedField {
  /** Unescaped. */
  readonly name: string;
  /** Place of the key's opening quote. */
  readonly keyStart: number;
  readonly valueStart: number;
  /** Offset after the value. */
  readonly valueEnd: number;
  /** The long texts in the value: `texts` from this index to before `endText`. */
  readonly firstText: number;
  readonly endText: number;
}

/** Result of scanning a valid JSON text. */
export interface JsonScan {
  /** Fields of the outermost object, in order; none for another value. No name stands twice. */
  readonly fields: readonly ScannedField[];
  /** Whether the outermost value is an object. */
  readonly isObject: boolean;
  /**
   * Whether JavaScript may write one of its numbers as another: an integer of more than 15 digits,
   * one beyond all doubles, -0. Also true for some others.
   */
  readonly hasOddNumbers: boolean;
  /**
   * The JSON with a mark instead of each long text (`text-marks.ts`); `undefined` if there is no
   * long text, so the bytes themselves are to be parsed.
   */
  readonly outline: string | undefined;
  /** Start and end of each long text: the bytes between its quotes. */
  readonly texts: Uint32Array;
}

/**
 * Why a JSON text is refused. `at` is a byte offset: the length of a text that ends too soon. Only
 * the native engine has the place of a syntax fault.
 */
export type JsonFault =
  | { readonly kind: 'syntax'; readonly at?: number; readonly message?: string }
  /** `field`: the field of the outermost object that exceeds the bound, if one does. */
  | { readonly kind: 'bound'; readonly bound: keyof JsonBounds; readonly limit: number; readonly field?: string }
  | { readonly kind: 'duplicate'; readonly at: number; readonly key: string }
  | { readonly kind: 'prototype'; readonly at: number };

/** Whether a scan has refused the text. */
export function isJsonFault(result: JsonScan | JsonFault): result is JsonFault {
  return 'kind' in result;
}

/**
 * Scans JSON bodies: contract and injection token. Both engines give the same results, but for the
 * place of a syntax fault.
 *
 * A scan accepts what `JSON.parse` accepts, after a byte order mark, except: an object at any depth
 * with the same key twice, a key `__proto__`, and a text beyond the bounds. The bytes are UTF-8.
 * Time and memory are linear in their length. An engine reads no clock, option or logger.
 */
export abstract class JsonBodyEngine {
  abstract readonly engine: EngineName;

  /** Scans a text; blocks the calling thread. */
  abstract scan(bytes: Buffer, bounds: Required<JsonBounds>): JsonScan | JsonFault;

  /**
   * Like `scan`. The native engine blocks the calling thread for at most a few milliseconds at a
   * time. The bytes must not change until it resolves.
   * @param isOwn whether nothing else can change them: no copy is needed
   */
  abstract scanAsync(bytes: Buffer, bounds: Required<JsonBounds>, isOwn?: boolean): Promise<JsonScan | JsonFault>;
}

/** JSON as text, without a byte order mark. */
export function textIn(bytes: Buffer): string {
  return bytes.toString('utf8', bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
}
