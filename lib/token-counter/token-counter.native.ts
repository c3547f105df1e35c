import type { EngineName } from '../common/capability.js';
import type { NativeBinding } from '../engine/native-binding.js';
import { decodeTokens, unknownToken } from './token-counter.decode.js';
import { TokenCounterEngine } from './token-counter.engine.js';
import type { EncodingName } from './token-counter.engine.js';

/** UTF-16 units that one batch call takes: all texts joined may be longer than a string can be. */
const UNITS_PER_CALL = 1 << 20;
/** The same for one step of an asynchronous batch. */
const UNITS_PER_STEP = 1 << 16;
/** Steps between which the event loop gets its turn, and steps whose texts are held in memory at once. */
const STEPS_PER_TURN = 8;
const STEPS_UNDER_WAY = 32;
/** Ids kept ready for `encode`. */
const SCRATCH_IDS = 1 << 14;
/** The addon takes limits as 32-bit numbers; no text has that many tokens. */
const LARGEST_LIMIT = 0xffffffff;

/** The engine in Rust: hands over and converts, nothing else. */
export class NativeTokenCounterEngine extends TokenCounterEngine {
  readonly engine: EngineName = 'native';
  private scratch: Uint32Array | undefined;

  constructor(private readonly binding: NativeBinding) {
    super();
  }

  load(encoding: EncodingName): number {
    return this.binding.loadEncoding(encoding);
  }

  count(text: string, encoding: number): number {
    return this.binding.countTokens(text, encoding);
  }

  countUpTo(text: string, encoding: number, limit: number): number {
    return this.binding.countTokensUpTo(text, encoding, Math.min(limit, LARGEST_LIMIT));
  }

  countBatch(texts: readonly string[], encoding: number): Uint32Array {
    const counts = new Uint32Array(texts.length);
    for (const { first, joined, lengths } of portions(texts, UNITS_PER_CALL))
      counts.set(this.binding.countTokensBatch(joined, lengths, encoding), first);
    return counts;
  }

  async countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array> {
    const counts = new Uint32Array(texts.length);
    const underWay: Promise<void>[] = [];
    let started = 0;
    for (const { first, joined, lengths } of portions(texts, UNITS_PER_STEP)) {
      underWay.push(this.binding.countTokensBatchAsync(joined, lengths, encoding).then((found) => counts.set(found, first)));
      // Portions are joined while those before are counted, but neither for too long at a time nor too many at once.
      if (++started % STEPS_PER_TURN === 0) await nextTurn();
      if (underWay.length >= STEPS_UNDER_WAY) await underWay.shift();
    }
    await Promise.all(underWay);
    return counts;
  }

  encode(text: string, encoding: number): Uint32Array {
    const ids = text.length <= SCRATCH_IDS ? (this.scratch ??= new Uint32Array(SCRATCH_IDS)) : new Uint32Array(text.length);
    const count = this.binding.encode(text, encoding, ids);
    if (count <= ids.length) return ids.slice(0, count);
    // Rare characters take up to three tokens for a unit.
    const all = new Uint32Array(count);
    this.binding.encode(text, encoding, all);
    return all;
  }

  decode(ids: Uint32Array, encoding: number): Uint8Array {
    return decodeTokens(ids, encoding, (ordinary, offset) => {
      try {
        return this.binding.decode(ordinary, encoding);
      } catch (error) {
        const index = ordinary.findIndex((id) => !this.has(id, encoding));
        throw index < 0 ? error : unknownToken(offset + index, ordinary[index], encoding);
      }
    });
  }

  prefixLength(text: string, encoding: number, maxTokens: number): number {
    return this.binding.prefixLength(text, encoding, Math.min(maxTokens, LARGEST_LIMIT));
  }

  private has(id: number, encoding: number): boolean {
    try {
      this.binding.decode(Uint32Array.of(id), encoding);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'UNKNOWN_TOKEN') return false;
      throw error;
    }
  }
}

/** Texts joined for one call each, and the length of each text: `first` is the index of the first one. */
function* portions(texts: readonly string[], size: number): Generator<{ first: number; joined: string; lengths: Uint32Array }> {
  let end: number;
  for (let first = 0; first < texts.length; first = end) {
    let units = texts[first].length;
    end = first + 1;
    while (end < texts.length && units + texts[end].length <= size) units += texts[end++].length;
    const lengths = new Uint32Array(end - first);
    for (let index = first; index < end; index++) lengths[index - first] = texts[index].length;
    yield { first, joined: texts.slice(first, end).join(''), lengths };
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
