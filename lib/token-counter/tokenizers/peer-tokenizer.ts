import { MissingPackageError } from '../../common/errors.js';
import { readRegularFile } from '../../common/regular-file.js';
import { decodeTokenizer } from '../bpe/decode.js';
import { encodeInSteps } from '../bpe/encode.js';
import type { RankFile } from '../bpe/ranks.js';
import type { PackedTokenizer } from './packed-layout.js';
import type { SplitName } from './tokenizer-model.js';

/** The optional package that counts open models without the addon. */
export const PEER = '@huggingface/tokenizers';

/**
 * UTF-16 code units that the package encodes at once: 1 ms of prose, 10 ms of random characters.
 * Longer texts are cut at spaces, which changes nothing with byte-level tokenizers. A cut elsewhere
 * can change some tokens.
 */
export const PORTION_UNITS = 1 << 10;

/**
 * UTF-16 code units of the longest text that is counted exactly. The package spends 1 us on a unit
 * of prose and up to 20 us on a unit of random characters, ten times as much as this project's
 * engine: a megabyte would take up to half a minute.
 */
const MOST_EXACT_UNITS = 1 << 14;
/** Samples of a longer text, evenly spaced, and the units of each. */
const SAMPLES = 8;
const SAMPLE_UNITS = 512;
const BLANK = 0x20;
/** Command-R's: 7 of 600 random texts have another number of tokens in the package. */
const DIFFERENT_SPLITS: ReadonlySet<SplitName> = new Set(['gpt2-digits']);

interface HuggingFaceTokenizer {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: readonly number[] };
}

interface AddedToken {
  readonly special?: boolean;
}

interface TokenizerFile {
  readonly model?: { readonly type?: string };
  readonly added_tokens?: readonly AddedToken[];
}

/**
 * A tokenizer from a file, encoded with `@huggingface/tokenizers` and decoded with the packed
 * tables.
 */
export class PeerTokenizer {
  readonly mostExactUnits = MOST_EXACT_UNITS;
  private starts: Uint32Array | undefined = undefined;

  private constructor(
    readonly packed: PackedTokenizer,
    private readonly tokenizer: HuggingFaceTokenizer,
  ) {}

  /**
   * Opens a `tokenizer.json`, which blocks for 0.2 to 0.8 s. Returns `undefined` for other files,
   * and for tokenizers whose ids differ in the package.
   * @throws MissingPackageError
   */
  static async open(file: string, packed: PackedTokenizer): Promise<PeerTokenizer | undefined> {
    if (DIFFERENT_SPLITS.has(packed.split) || packed.prefixSpace !== 'none' || packed.normalizer === 'nfkc') return undefined;
    if (!file.endsWith('.json')) return undefined;
    const { model, added_tokens = [], ...rest } = JSON.parse((await readRegularFile(file)).toString()) as TokenizerFile;
    if (model === undefined) return undefined;
    // Special tokens in a text are ordinary text.
    const ordinary = { ...rest, model: { type: 'BPE', ...model }, added_tokens: added_tokens.filter(({ special }) => special !== true) };
    return new PeerTokenizer(packed, new (openPeer())(ordinary, {}));
  }

  encode(text: string): Uint32Array {
    // Lone surrogates become U+FFFD.
    return Uint32Array.from(this.tokenizer.encode(Buffer.from(text).toString(), { add_special_tokens: false }).ids);
  }

  /** The ids of a text in steps. */
  *encodeInSteps(text: string): Generator<Uint32Array, void> {
    for (let at = 0, end: number; at < text.length; at = end) {
      end = portionEnd(text, at);
      yield this.encode(text.slice(at, end));
    }
  }

  /**
   * Counts a text of more than `mostExactUnits` in steps, in time that depends on its length alone:
   * its tokens in another encoding, scaled by `ratioTo`.
   */
  *estimateInSteps(text: string, ranks: RankFile): Generator<number, void> {
    const ratio = yield* this.ratioTo(ranks, text);
    let [total, estimated] = [0, 0];
    for (const ids of encodeInSteps(text, ranks, PORTION_UNITS)) {
      total += ids.length;
      const before = estimated;
      yield (estimated = Math.round(total * ratio)) - before;
    }
  }

  /** Its tokens for one of another encoding in samples of a long text, after steps of 0 tokens. */
  *ratioTo(ranks: RankFile, text: string): Generator<number, number> {
    let [own, others] = [0, 0];
    for (let sample = 0; sample < SAMPLES; sample++) {
      const at = Math.floor(((text.length - SAMPLE_UNITS) * sample) / (SAMPLES - 1));
      const sampled = text.slice(at, at + SAMPLE_UNITS);
      own += this.encode(sampled).length;
      for (const ids of encodeInSteps(sampled, ranks)) others += ids.length;
      yield 0;
    }
    return own / others;
  }

  decode(ids: Uint32Array): Uint8Array {
    return decodeTokenizer(ids, this.packed, (ordinary) => {
      const unknown = ordinary.findIndex((id) => this.bytesOf(id) === undefined);
      return unknown < 0 ? Buffer.concat(Array.from(ordinary, (id) => this.bytesOf(id) as Uint8Array)) : unknown;
    });
  }

  private bytesOf(outer: number): Uint8Array | undefined {
    const { external, lengths, tokenBytes } = this.packed;
    const id = external === null ? outer : external.indexOf(outer);
    if (id < 0 || id >= lengths.length || lengths[id] === 0) return undefined;
    const start = (this.starts ??= startsOf(lengths))[id];
    return tokenBytes.subarray(start, start + lengths[id]);
  }
}

function openPeer(): new (tokenizer: object, config: object) => HuggingFaceTokenizer {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with open models and without the addon need it
    return (require('@huggingface/tokenizers') as { Tokenizer: new (tokenizer: object, config: object) => HuggingFaceTokenizer }).Tokenizer;
  } catch (error) {
    throw new MissingPackageError(PEER, 'counting open models without the native engine', { cause: error });
  }
}

function portionEnd(text: string, at: number): number {
  const last = at + PORTION_UNITS;
  if (last >= text.length) return text.length;
  for (let end = last; end > at + PORTION_UNITS / 2; end--)
    if (text.charCodeAt(end) === BLANK && text.slice(end - 1, end).trim() !== '') return end;
  // Does not split a surrogate pair.
  return (text.charCodeAt(last) & 0xfc00) === 0xdc00 ? last - 1 : last;
}

function startsOf(lengths: Uint8Array): Uint32Array {
  const starts = new Uint32Array(lengths.length);
  for (let id = 1; id < lengths.length; id++) starts[id] = starts[id - 1] + lengths[id - 1];
  return starts;
}
