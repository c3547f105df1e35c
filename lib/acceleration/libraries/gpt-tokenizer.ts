import { mayDiffer } from '../class-differences.js';
import { loadedExports, type InstalledCopy } from './installed-copies.js';
import { LibraryTarget } from './library-target.js';
import { SPECIAL_START } from './special-arguments.js';
import { toArray } from './token-ids.js';
import { recognize, type VocabularyName, GPT2, LOWER, UPPER, WORD } from './vocabulary-fingerprint.js';

/** The parts of its `BytePairEncodingCore` that are used here. */
interface Core {
  readonly mergeableBytePairRankCount: number;
  readonly bytePairRankDecoder: readonly (string | readonly number[] | undefined)[];
  readonly tokenSplitRegex: RegExp;
  readonly specialTokensEncoder: ReadonlyMap<string, number>;
}
interface Api {
  readonly bytePairEncodingCoreProcessor: Core;
}
type AllowedSpecial = ReadonlySet<string> | undefined;
type EncodeNative = (this: Core, text: string, allowed?: AllowedSpecial) => number[];
type CountNative = (this: Core, text: string, allowed?: AllowedSpecial) => number;
type IsWithinTokenLimit = (this: Api, input: unknown, limit: number, options?: unknown) => number | false;

const SUFFIX = "'(?:[sS]|[dD]|[mM]|[tT]|[lL][lL]|[vV][eE]|[rR][eE])";

/**
 * Characters for each token of a limit that are counted first: mostly they exceed the limit
 * already.
 */
const ENOUGH_PER_TOKEN = 8;
const LONGEST_WORD = 64;
/**
 * Beyond so many characters for each token of a limit the library is faster, because it stops at
 * the limit.
 */
const MOST_PER_TOKEN = 64;

/**
 * The patterns that split like the engine, except for texts that `mayDiffer` and `endsDifferently`
 * report.
 */
const PATTERNS: Readonly<Record<VocabularyName, string>> = {
  cl100k_base: `${SUFFIX}|${WORD}\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s`,
  o200k_base: `${WORD}[${UPPER}]*[${LOWER}]+(?:${SUFFIX})?|${WORD}[${UPPER}]+[${LOWER}]*(?:${SUFFIX})?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  p50k_base: GPT2,
  r50k_base: GPT2,
};

/**
 * gpt-tokenizer: `encode`, `countTokens` and `isWithinTokenLimit` of every encoding and model. The
 * first two are patched in its core, so that functions imported before the patch are faster too.
 */
export class GptTokenizerTarget extends LibraryTarget {
  readonly name = 'gpt-tokenizer';
  protected readonly versions = { from: '3.0.1', to: '4.0.0' };
  protected readonly files = ['cjs', 'esm'].flatMap((format) => [`${format}/BytePairEncodingCore.js`, `${format}/GptEncoding.js`]);
  private readonly vocabularies = new WeakMap<object, VocabularyName | 'none'>();
  private readonly known = new WeakMap<Core, VocabularyName | null>();

  protected patch(exported: object, copy: InstalledCopy): void {
    const { BytePairEncodingCore: core, GptEncoding: api } = exported as Readonly<Record<string, (new () => Api) | undefined>>;
    if (core !== undefined) {
      this.replace<EncodeNative>(core.prototype as object, 'encodeNative', (original) =>
        this.answering(original, (...call) => this.encode(...call)),
      );
      this.replace<CountNative>(core.prototype as object, 'countNative', (original) =>
        this.answering(original, (...call) => this.count(...call)),
      );
    } else if (api !== undefined) {
      this.patchLoaded(copy, api);
      this.replace<IsWithinTokenLimit>(api.prototype as object, 'isWithinTokenLimit', (original) => this.limit(original));
    }
  }

  /** Loaded modules export functions bound to the original method. */
  private patchLoaded({ folder }: InstalledCopy, api: new () => Api): void {
    for (const exported of loadedExports(folder) as { default?: unknown; isWithinTokenLimit?: unknown }[]) {
      const { default: instance, isWithinTokenLimit } = exported;
      if (!(instance instanceof api) || typeof isWithinTokenLimit !== 'function') continue;
      // Exports of ES modules cannot be replaced.
      const holders = [exported, instance].filter((holder) => Object.getOwnPropertyDescriptor(holder, 'isWithinTokenLimit')?.configurable);
      for (const holder of holders)
        this.replace<IsWithinTokenLimit>(holder, 'isWithinTokenLimit', (original) => this.limit(original).bind(instance));
    }
  }

  private encode(core: Core, text: string, allowed?: AllowedSpecial): number[] | undefined {
    const encoding = this.encodingFor(core, text, allowed);
    const ids = encoding && this.tokenizer?.encode(text, encoding);
    return ids && toArray(ids);
  }

  private count(core: Core, text: string, allowed?: AllowedSpecial): number | undefined {
    const encoding = this.encodingFor(core, text, allowed);
    return encoding && this.tokenizer?.count(text, encoding);
  }

  private limit(original: IsWithinTokenLimit): IsWithinTokenLimit {
    return this.answering(original, (api: Api, input: unknown, limit: number, options?: unknown) => {
      const count = this.countWithin(api, input, limit, options);
      return count !== undefined && count > limit ? false : count;
    });
  }

  /** The count up to `limit`, any larger number above it. */
  private countWithin({ bytePairEncodingCoreProcessor: core }: Api, input: unknown, limit: number, options: unknown): number | undefined {
    const isPlain = typeof input === 'string' && !options && Number.isInteger(limit) && limit >= 0;
    if (!isPlain || this.tokenizer === null || input.includes(SPECIAL_START)) return undefined;
    const count = (text: string): number | undefined => {
      const encoding = this.encodingFor(core, text, undefined);
      return encoding && this.tokenizer?.countUpTo(text, encoding, limit);
    };
    const head = firstWords(input, (limit + 1) * ENOUGH_PER_TOKEN);
    const ofHead = head === '' ? 0 : (count(head) ?? 0);
    if (ofHead > limit) return ofHead;
    return input.length <= (limit + 1) * MOST_PER_TOKEN ? count(input) : undefined;
  }

  /**
   * The encoding that gives the library's result for this text. The library finds special tokens in
   * its own way.
   */
  private encodingFor(core: Core, text: string, allowed: AllowedSpecial): VocabularyName | undefined {
    if (this.tokenizer === null || typeof text !== 'string') return undefined;
    if (allowed !== undefined && allowed.size > 0 && text.includes(SPECIAL_START)) return undefined;
    let known = this.known.get(core);
    if (known === undefined) this.known.set(core, (known = this.examine(core)));
    if (known === null || mayDiffer(text) || (known === 'cl100k_base' && endsDifferently(text))) return undefined;
    return known;
  }

  private examine(core: Core): VocabularyName | null {
    const {
      bytePairRankDecoder: tokens,
      mergeableBytePairRankCount: count,
      tokenSplitRegex: pattern,
      specialTokensEncoder: specials,
    } = core;
    const token = (id: number): Uint8Array | string | undefined => {
      const found = tokens[id];
      return typeof found === 'object' ? Uint8Array.from(found) : found;
    };
    // The library's modules share their vocabularies.
    let vocabulary = this.vocabularies.get(tokens);
    if (vocabulary === undefined) this.vocabularies.set(tokens, (vocabulary = recognize(count, token) ?? 'none'));
    if (vocabulary === 'none') return this.leave('custom vocabulary');
    if (pattern.source !== PATTERNS[vocabulary] || pattern.flags !== 'gu') return this.leave('custom pattern');
    if (![...specials.keys()].every((name) => name.startsWith(SPECIAL_START))) return this.leave('custom special tokens');
    return vocabulary;
  }
}

/**
 * The start of a text of more than twice `length` characters, up to a space after a letter: all
 * patterns split there, so its tokens are the first of the text. Empty without such a place near
 * `length`.
 */
function firstWords(text: string, length: number): string {
  if (text.length <= 2 * length) return '';
  for (let at = length; at > Math.max(0, length - LONGEST_WORD); at--)
    if (text.charCodeAt(at) === 0x20 && isLetter(text.charCodeAt(at - 1))) return text.slice(0, at);
  return '';
}

function isLetter(unit: number): boolean {
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/**
 * Whether the whitespace at the end contains a line end but does not end in one: the library's
 * cl100k_base makes one piece of it, tiktoken two.
 */
function endsDifferently(text: string): boolean {
  let at = text.length - 1;
  if (at < 0 || isLineEnd(text.charCodeAt(at))) return false;
  for (; at >= 0; at--) {
    const unit = text.charCodeAt(at);
    if (isLineEnd(unit)) return true;
    if (unit > 0x20 && !/\s/.test(text[at])) return false;
    if (unit < 0x20 && unit !== 9 && unit !== 11 && unit !== 12) return false;
  }
  return false;
}

function isLineEnd(unit: number): boolean {
  return unit === 10 || unit === 13;
}
