import type { EngineName } from '../../common/capability.js';
import { inTurns, nextTurn } from '../../common/next-turn.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { decodeTokenizer, decodeTokens, unknownToken } from '../bpe/decode.js';
import type { PackedTokenizer } from '../tokenizers/packed-layout.js';
import { ENCODING_NAMES, isLongerThan, TokenCounterEngine } from './engine.js';
import type { EncodingName, JsonSlices, SliceCounts } from './engine.js';

/**
 * UTF-16 code units of one call of the addon: in a synchronous batch, and in an asynchronous one.
 */
const UNITS_PER_CALL = 1 << 20;
const UNITS_PER_STEP = 1 << 18;
/** Steps of a batch in flight at the same time. */
const STEPS_IN_FLIGHT = 16;
/** Shorter texts are joined, up to about `JOINED_UNITS`, because passing a string costs more. */
const JOIN_BELOW = 256;
const JOINED_UNITS = 1 << 12;
/** Longer texts are passed in portions of so many units, 0.1 ms each. */
const UNITS_PER_PORTION = 1 << 16;
/** Sizes of the reused buffers: ids of `encode`, bytes of `decode`. */
const SCRATCH_IDS = 1 << 14;
const SCRATCH_BYTES = 1 << 16;
/** Of a packed tokenizer, copied in some 0.3 ms. */
const BYTES_PER_PART = 1 << 19;
/** The addon takes 32-bit limits; no text has that many tokens. */
const LARGEST_LIMIT = 0xffffffff;

/** The native engine: passes calls to the addon and converts arguments and results. */
export class NativeTokenCounterEngine extends TokenCounterEngine {
  readonly engine: EngineName = 'native';
  private scratch: Uint32Array | undefined = undefined;
  private scratchBytes: Uint8Array | undefined = undefined;
  /** By handle. */
  private readonly tokenizers = new Map<number, PackedTokenizer>();

  constructor(private readonly binding: NativeBinding) {
    super();
  }

  load(encoding: EncodingName | PackedTokenizer): number {
    if (typeof encoding === 'string') return this.binding.loadEncoding(encoding);
    const found = this.binding.findTokenizer(encoding.key);
    return this.keep(encoding, found >= 0 ? found : this.binding.loadTokenizer(encoding.key, encoding.data));
  }

  async prepare(tokenizer: PackedTokenizer): Promise<boolean> {
    const { key, data } = tokenizer;
    if (this.binding.findTokenizer(key) >= 0) return true;
    const bytes = new this.binding.PackedTokenizerBytes(data.length);
    await inTurns(partsOf(data, (part) => bytes.push(part)));
    await bytes.loadAsync(key);
    return true;
  }

  private keep(tokenizer: PackedTokenizer, handle: number): number {
    this.tokenizers.set(handle, tokenizer);
    return handle;
  }

  exactUnits(): number {
    return Infinity;
  }

  count(text: string, encoding: number): number {
    return this.binding.countTokens(text, encoding);
  }

  countUpTo(text: string, encoding: number, limit: number): number {
    if (isLongerThan(text, limit, encoding)) return limit + 1;
    if (text.length <= UNITS_PER_PORTION) return this.binding.countTokensUpTo(text, encoding, Math.min(limit, LARGEST_LIMIT));
    const counting = new this.binding.LongCount(encoding, Math.min(limit, LARGEST_LIMIT));
    let count = 0;
    for (const { portion, isLast } of portions(text)) if ((count = counting.push(portion, isLast)) > limit) break;
    return count;
  }

  async countUpToAsync(text: string, encoding: number, limit: number): Promise<number> {
    if (isLongerThan(text, limit, encoding)) return limit + 1;
    const counting = new this.binding.LongCount(encoding, Math.min(limit, LARGEST_LIMIT));
    let count = 0;
    for (const { portion, isLast } of portions(text)) if ((count = await counting.pushAsync(portion, isLast)) > limit) break;
    return count;
  }

  countBatch(texts: readonly string[], encoding: number): Uint32Array {
    const counts = new Uint32Array(texts.length);
    for (const { first, strings, lengths } of steps(texts, UNITS_PER_CALL))
      counts.set(this.binding.countTokensBatch(strings, lengths, encoding), first);
    return counts;
  }

  async countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array> {
    const counts = new Uint32Array(texts.length);
    const inFlight: Promise<void>[] = [];
    for (const { first, strings, lengths } of steps(texts, UNITS_PER_STEP)) {
      if (inFlight.length > 0) await nextTurn();
      if (inFlight.length >= STEPS_IN_FLIGHT) await inFlight.shift();
      // One call would copy megabytes, which holds up the event loop for tens of milliseconds.
      if (strings.length === 1 && strings[0].length > UNITS_PER_STEP) {
        counts[first] = await this.countUpToAsync(strings[0], encoding, LARGEST_LIMIT);
        continue;
      }
      const counted = this.binding.countTokensBatchAsync(strings, lengths, encoding).then((found) => counts.set(found, first));
      // The first failure rejects the batch; later ones must not be unhandled rejections.
      counted.catch(() => undefined);
      inFlight.push(counted);
    }
    await Promise.all(inFlight);
    return counts;
  }

  countSlices(bytes: Uint8Array, texts: Uint32Array, encoding: number, limit: number): SliceCounts {
    const numbers = new Uint32Array(texts.length);
    return countsOf(numbers, this.binding.countSlices(bytes, texts, encoding, Math.min(limit, LARGEST_LIMIT), numbers));
  }

  async countSlicesAsync(slices: JsonSlices, encoding: number, limit: number): Promise<SliceCounts> {
    const numbers = new Uint32Array(slices.texts.length);
    const counted = this.binding.countSlicesAsync(slices, encoding, Math.min(limit, LARGEST_LIMIT), numbers);
    if (typeof counted === 'number') return countsOf(numbers, counted);
    const found = await counted;
    const half = found.length / 2;
    numbers.set(found.subarray(0, half));
    numbers.set(found.subarray(half), numbers.length / 2);
    return countsOf(numbers, half);
  }

  encode(text: string, encoding: number): Uint32Array {
    const ids = text.length <= SCRATCH_IDS ? (this.scratch ??= new Uint32Array(SCRATCH_IDS)) : new Uint32Array(text.length);
    const count = this.binding.encode(text, encoding, ids);
    if (count <= ids.length) return ids.slice(0, count);
    // Rare characters have up to three tokens per unit.
    const all = new Uint32Array(count);
    this.binding.encode(text, encoding, all);
    return all;
  }

  decode(ids: Uint32Array, encoding: number): Uint8Array {
    const tokenizer = encoding < ENCODING_NAMES.length ? undefined : this.tokenizers.get(encoding);
    if (tokenizer !== undefined) {
      return decodeTokenizer(ids, tokenizer, (ordinary) => {
        const unknown = ordinary.findIndex((id) => !this.has(id, encoding));
        return unknown < 0 ? this.bytesOf(ordinary, encoding) : unknown;
      });
    }
    return decodeTokens(ids, encoding, (ordinary, offset) => {
      try {
        return this.bytesOf(ordinary, encoding);
      } catch (error) {
        const index = ordinary.findIndex((id) => !this.has(id, encoding));
        throw index < 0 ? error : unknownToken(offset + index, ordinary[index], encoding);
      }
    });
  }

  prefixLength(text: string, encoding: number, maxTokens: number): number {
    return this.binding.prefixLength(text, encoding, Math.min(maxTokens, LARGEST_LIMIT));
  }

  private bytesOf(ids: Uint32Array, encoding: number): Uint8Array {
    const bytes = (this.scratchBytes ??= new Uint8Array(SCRATCH_BYTES));
    const count = this.binding.decode(ids, encoding, bytes);
    if (count <= bytes.length) return bytes.slice(0, count);
    const all = new Uint8Array(count);
    this.binding.decode(ids, encoding, all);
    return all;
  }

  private has(id: number, encoding: number): boolean {
    try {
      this.bytesOf(Uint32Array.of(id), encoding);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'UNKNOWN_TOKEN') return false;
      throw error;
    }
  }
}

/** Passes the parts of a packed tokenizer to the addon, one in each step. */
function* partsOf(data: Uint8Array, push: (part: Uint8Array) => void): Generator<undefined, void> {
  for (let at = 0; at < data.length; at += BYTES_PER_PART) {
    push(data.subarray(at, at + BYTES_PER_PART));
    yield undefined;
  }
}

/** `numbers`: tokens in its first half, units in its second. */
function countsOf(numbers: Uint32Array, counted: number): SliceCounts {
  const half = numbers.length / 2;
  return { counts: numbers.subarray(0, half), units: numbers.subarray(half), counted };
}

/** Texts grouped by call, short ones joined, with all lengths. `first`: index of the first text. */
function* steps(texts: readonly string[], size: number): Generator<{ first: number; strings: string[]; lengths: Uint32Array }> {
  let end: number;
  for (let first = 0; first < texts.length; first = end) {
    let units = texts[first].length;
    end = first + 1;
    while (end < texts.length && units + texts[end].length <= size) units += texts[end++].length;
    const lengths = new Uint32Array(end - first);
    for (let index = first; index < end; index++) lengths[index - first] = texts[index].length;
    yield { first, strings: joinShortTexts(texts, first, end), lengths };
  }
}

function joinShortTexts(texts: readonly string[], first: number, end: number): string[] {
  const strings: string[] = [];
  let next: number;
  for (let at = first; at < end; at = next) {
    next = at + 1;
    let units = texts[at].length;
    while (units < JOINED_UNITS && next < end && texts[at].length < JOIN_BELOW && texts[next].length < JOIN_BELOW)
      units += texts[next++].length;
    strings.push(next === at + 1 ? texts[at] : texts.slice(at, next).join(''));
  }
  return strings;
}

/** Splits a text into portions; an empty text has one. */
function* portions(text: string): Generator<{ portion: string; isLast: boolean }> {
  for (let at = 0; at === 0 || at < text.length; at += UNITS_PER_PORTION) {
    const end = at + UNITS_PER_PORTION;
    yield { portion: text.slice(at, end), isLast: end >= text.length };
  }
}
