import { NATIVE_FROM } from '../../engine/size-thresholds.js';
import { loadedExports, type InstalledCopy } from './installed-copies.js';
import { LibraryTarget } from './library-target.js';
import { planEncode } from './special-arguments.js';
import { joinIds, ordinaryIds } from './token-ids.js';
import { ENCODING_NAMES, type EncodingName } from '../../token-counter/engine/engine.js';
import { knownEncoding, type KnownEncoding } from './vocabulary-fingerprint.js';

/** The parts of its `Tiktoken` that are used here. */
interface Tokenizer {
  readonly name: string | undefined;
  /** 0 once it was freed. */
  readonly __wbg_ptr: number;
}
type Encode = (this: Tokenizer, text: string, allowed?: unknown, disallowed?: unknown) => Uint32Array;
type EncodeOrdinary = (this: Tokenizer, text: string) => Uint32Array;
type Decode = (this: Tokenizer, tokens: unknown) => Uint8Array;
type Factory = (name: string, specials?: unknown) => Tokenizer;

const FACTORIES = ['get_encoding', 'encoding_for_model'];

/**
 * Shortest text for which a tokenizer made before the patch is asked for custom special tokens: the
 * question costs 0.1 ms.
 */
const MIN_ASKED = 2000;

const SENTINEL = '<|endoftext|>';
const SENTINEL_FOUND = `The text contains a special token that is not allowed: ${SENTINEL}`;

/**
 * tiktoken: `encode`, `encode_ordinary` and `decode` of every tokenizer of a named encoding.
 * `tiktoken/lite` is not patched: the vocabulary of its tokenizers cannot be read.
 */
export class TiktokenTarget extends LibraryTarget {
  readonly name = 'tiktoken';
  protected readonly versions = { from: '1.0.18', to: '1.0.22' };
  /** The class of all entry points, without the WASM module that they load. */
  protected readonly files = ['tiktoken_bg.cjs'];
  private readonly known = new WeakMap<Tokenizer, KnownEncoding | null>();
  /**
   * Whether a tokenizer was made with custom special tokens; unknown for those made before the
   * patch.
   */
  private readonly extended = new WeakMap<Tokenizer, boolean>();

  protected patch(exported: object, copy: InstalledCopy): void {
    const glue = exported as { Tiktoken: { prototype: object } };
    const { prototype } = glue.Tiktoken;
    this.replace<Encode>(prototype, 'encode', (original) => this.encode(original));
    this.replace<EncodeOrdinary>(prototype, 'encode_ordinary', (original) =>
      this.answering(original, (...call) => this.encodeOrdinary(...call)),
    );
    this.replace<Decode>(prototype, 'decode', (original) => this.answering(original, (...call) => this.decode(...call)));
    // Loaded entry points hold references to the functions.
    const entries = loadedExports(copy.folder).filter((entry) => (entry as { Tiktoken?: unknown }).Tiktoken === glue.Tiktoken);
    for (const holder of new Set([glue, ...entries]))
      for (const name of FACTORIES) this.replace<Factory>(holder, name, (original) => this.factory(original));
  }

  private factory(original: Factory): Factory {
    const watch = (tokenizer: Tokenizer, specials: unknown): Tokenizer => {
      this.extended.set(tokenizer, specials !== undefined && specials !== null);
      return tokenizer;
    };
    return (name, specials) => watch(original(name, specials), specials);
  }

  private encode(original: Encode): Encode {
    return this.answering(original, (tokenizer: Tokenizer, text: string, allowed?: unknown, disallowed?: unknown) => {
      const known = this.identify(tokenizer, text);
      const plan = known && planEncode(text, allowed, disallowed, known.specials);
      if (known === null || plan === null) return undefined;
      const takesNone = isEmpty(allowed) && isEmpty(disallowed);
      if (!takesNone && !this.hasNoOthers(tokenizer, text, original)) return undefined;
      const one = (part: string): Uint32Array | undefined => this.tokenizer?.encode(part, known.encoding);
      return typeof plan === 'string' ? one(plan) : joinIds(plan, one);
    });
  }

  private encodeOrdinary(tokenizer: Tokenizer, text: string): Uint32Array | undefined {
    const known = this.identify(tokenizer, text);
    return known ? this.tokenizer?.encode(text, known.encoding) : undefined;
  }

  private decode(tokenizer: Tokenizer, tokens: unknown): Uint8Array | undefined {
    const { length = 0 } = (tokens ?? {}) as { readonly length?: number };
    if (!(length >= NATIVE_FROM.tiktoken_decode)) return undefined;
    const known = this.identify(tokenizer, '');
    const ids = known && ordinaryIds(tokens, known.size);
    return known && ids ? this.tokenizer?.decode(ids, known.encoding) : undefined;
  }

  /**
   * The encoding of a tokenizer that was not freed; `null` while the native engine does not answer.
   */
  private identify(tokenizer: Tokenizer, text: unknown): KnownEncoding | null {
    if (this.tokenizer === null || typeof text !== 'string' || !tokenizer?.__wbg_ptr) return null;
    let known = this.known.get(tokenizer);
    if (known === undefined) this.known.set(tokenizer, (known = this.examine(tokenizer)));
    return known;
  }

  private examine({ name }: Tokenizer): KnownEncoding | null {
    if (!ENCODING_NAMES.includes(name as EncodingName)) return this.leave('custom vocabulary');
    return knownEncoding(name as EncodingName);
  }

  /** Whether `text` contains no custom special token of this tokenizer. */
  private hasNoOthers(tokenizer: Tokenizer, text: string, original: Encode): boolean {
    const extended = this.extended.get(tokenizer);
    if (extended !== undefined) return !extended;
    if (text.length < MIN_ASKED || text.includes(SENTINEL)) return false;
    try {
      // It rejects the first special token in the text: if that is the sentinel, there is no other.
      original.call(tokenizer, text + SENTINEL);
      return false;
    } catch (error) {
      return (error as Error | undefined)?.message === SENTINEL_FOUND;
    }
  }
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}
