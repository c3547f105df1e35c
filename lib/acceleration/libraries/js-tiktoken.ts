import { NATIVE_FROM } from '../../engine/size-thresholds.js';
import { mayDiffer } from '../class-differences.js';
import { LibraryTarget } from './library-target.js';
import { planEncode } from './special-arguments.js';
import { joinIds, ordinaryIds, toArray } from './token-ids.js';
import { recognize, type VocabularyName, encodingWith, type KnownEncoding, GPT2, LOWER, UPPER, WORD } from './vocabulary-fingerprint.js';

/** The parts of its `Tiktoken` that are used here. */
interface Tokenizer {
  readonly patStr: string;
  readonly specialTokens: Readonly<Record<string, number>>;
  readonly rankMap: ReadonlyMap<string, number>;
  readonly textMap: ReadonlyMap<number, Uint8Array>;
  readonly textDecoder: { decode(bytes: Uint8Array): string };
}
type Encode = (this: Tokenizer, text: string, allowed?: unknown, disallowed?: unknown) => number[];
type Decode = (this: Tokenizer, tokens: unknown) => string;

const SUFFIX = `('s|'S|'t|'T|'re|'rE|'Re|'RE|'ve|'vE|'Ve|'VE|'m|'M|'ll|'lL|'Ll|'LL|'d|'D)`;
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** The patterns that split like the engine, except for texts that `mayDiffer` reports. */
const PATTERNS: Readonly<Record<VocabularyName, string>> = {
  cl100k_base: `${SUFFIX}|${WORD}\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`,
  o200k_base: `${WORD}[${UPPER}]*[${LOWER}]+${SUFFIX}?|${WORD}[${UPPER}]+[${LOWER}]*${SUFFIX}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`,
  p50k_base: GPT2,
  r50k_base: GPT2,
};

/**
 * js-tiktoken: `encode` and `decode` of every `Tiktoken`, also of those made before the patch, as
 * in LangChain.
 */
export class JsTiktokenTarget extends LibraryTarget {
  readonly name = 'js-tiktoken';
  protected readonly versions = { from: '1.0.12', to: '1.0.21' };
  /** The CommonJS bundles of `index` and `lite` have a class each; as ES modules they share one. */
  protected readonly files = ['dist/index.cjs', 'dist/lite.cjs', 'dist/lite.js'];
  protected override readonly through = ['@langchain/core', '@langchain/textsplitters', '@langchain/openai', 'langchain'];
  private readonly known = new WeakMap<Tokenizer, KnownEncoding | null>();

  protected patch(exported: object): void {
    const { prototype } = (exported as { Tiktoken: { prototype: object } }).Tiktoken;
    this.replace<Encode>(prototype, 'encode', (original) => this.answering(original, (...call) => this.encode(...call)));
    this.replace<Decode>(prototype, 'decode', (original) => this.answering(original, (...call) => this.decode(...call)));
  }

  private encode(tokenizer: Tokenizer, text: string, allowed?: unknown, disallowed?: unknown): number[] | undefined {
    const { tokenizer: standIn } = this;
    if (standIn === null || typeof text !== 'string') return undefined;
    const known = this.identify(tokenizer);
    if (known === null || mayDiffer(text)) return undefined;
    const plan = planEncode(text, allowed, disallowed, known.specials);
    if (plan === null) return undefined;
    const one = (part: string): Uint32Array | undefined => standIn.encode(part, known.encoding);
    const ids = typeof plan === 'string' ? one(plan) : joinIds(plan, one);
    return ids && toArray(ids);
  }

  private decode(tokenizer: Tokenizer, tokens: unknown): string | undefined {
    const { tokenizer: standIn } = this;
    if (standIn === null || !Array.isArray(tokens) || tokens.length < NATIVE_FROM.js_tiktoken_decode) return undefined;
    const known = this.identify(tokenizer);
    const ids = known && ordinaryIds(tokens, known.size);
    const bytes = known && ids && standIn.decode(ids, known.encoding);
    // The library's decoder drops a byte order mark.
    return bytes ? tokenizer.textDecoder.decode(bytes) : undefined;
  }

  private identify(tokenizer: Tokenizer): KnownEncoding | null {
    let known = this.known.get(tokenizer);
    if (known === undefined) this.known.set(tokenizer, (known = this.examine(tokenizer)));
    return known;
  }

  private examine({ patStr, specialTokens, rankMap, textMap }: Tokenizer): KnownEncoding | null {
    const vocabulary = rankMap.size === textMap.size ? recognize(textMap.size, (id) => textMap.get(id)) : undefined;
    if (vocabulary === undefined) return this.leave('custom vocabulary');
    if (patStr !== PATTERNS[vocabulary]) return this.leave('custom pattern');
    return encodingWith(vocabulary, Object.entries(specialTokens)) ?? this.leave('custom special tokens');
  }
}
