import type { EngineName } from '../common/capability.js';
import type { NativeBinding } from '../engine/native-binding.js';
import { TokenCounterEngine } from './token-counter.engine.js';
import type { EncodingName } from './token-counter.engine.js';

/** UTF-16 units that one asynchronous call takes: joining and handing over more would hold up the calling thread for milliseconds. */
const UNITS_PER_CALL = 1 << 20;

/** The engine in Rust: hands over and converts, nothing else. */
export class NativeTokenCounterEngine extends TokenCounterEngine {
  readonly engine: EngineName = 'native';

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
    return this.binding.countTokensUpTo(text, encoding, limit);
  }

  countBatch(texts: readonly string[], encoding: number): Uint32Array {
    const counts = new Uint32Array(texts.length);
    this.binding.countTokensBatch(texts.join(''), lengthsOf(texts, 0, texts.length), encoding, counts);
    return counts;
  }

  async countBatchAsync(texts: readonly string[], encoding: number): Promise<Uint32Array> {
    const counts = new Uint32Array(texts.length);
    for (let start = 0; start < texts.length; ) {
      let units = texts[start].length;
      let end = start + 1;
      while (end < texts.length && units + texts[end].length <= UNITS_PER_CALL) units += texts[end++].length;
      const joined = texts.slice(start, end).join('');
      counts.set(await this.binding.countTokensBatchAsync(joined, lengthsOf(texts, start, end), encoding), start);
      start = end;
    }
    return counts;
  }

  encode(text: string, encoding: number): Uint32Array {
    return this.binding.encode(text, encoding);
  }

  decode(ids: Uint32Array, encoding: number): Uint8Array {
    return this.binding.decode(ids, encoding);
  }

  prefixLength(text: string, encoding: number, maxTokens: number): number {
    return this.binding.prefixLength(text, encoding, maxTokens);
  }
}

function lengthsOf(texts: readonly string[], start: number, end: number): Uint32Array {
  const lengths = new Uint32Array(end - start);
  for (let i = start; i < end; i++) lengths[i - start] = texts[i].length;
  return lengths;
}
