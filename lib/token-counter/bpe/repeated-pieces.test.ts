import { join } from 'node:path';
import { root } from '../../../test/project/sources.js';
import { usuallyOrLong } from '../../../test/support/long.js';
import { seededRandom } from '../../../test/support/random-text.js';
import { atOnce } from '../../common/next-turn.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import type { EncodingName, TokenCounterEngine } from '../engine/engine.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { TypeScriptTokenCounterEngine } from '../engine/typescript.js';
import { packTokenizer } from '../tokenizers/pack.js';
import { PackedTokenizer } from '../tokenizers/packed-layout.js';
import { PeerTokenizer } from '../tokenizers/peer-tokenizer.js';
import { readTokenizer } from '../tokenizers/read-tokenizer.js';
import { openRanks } from './ranks.js';

const ENCODINGS: readonly EncodingName[] = ['cl100k_base', 'o200k_base', 'p50k_base', 'r50k_base'];
const TEXTS = usuallyOrLong(12, 150);
const UNITS = [' ', ' ', '\n', '\t', '\r\n', '-', '=', '|', '#', 'a', 'é', '中'];
const { binding } = openNativeBinding();
const engines: TokenCounterEngine[] = [new TypeScriptTokenCounterEngine()];
if (binding) engines.push(new NativeTokenCounterEngine(binding));

/** Merges the lowest rank, the leftmost of equals, until no pair is a token, as tiktoken does. */
function plainMerge(piece: Buffer, ranks: ReadonlyMap<string, number>): number[] {
  const bytes = piece.toString('latin1');
  const starts = Array.from({ length: bytes.length + 1 }, (_, at) => at);
  const rankAt = (part: number): number =>
    part + 2 < starts.length ? (ranks.get(bytes.slice(starts[part], starts[part + 2])) ?? Infinity) : Infinity;
  const pairs = starts.map((_, part) => rankAt(part));
  for (;;) {
    let best = 0;
    for (let part = 1; part < pairs.length; part++) if (pairs[part] < pairs[best]) best = part;
    if (pairs[best] === Infinity) break;
    starts.splice(best + 1, 1);
    pairs.splice(best + 1, 1);
    pairs[best] = rankAt(best);
    if (best > 0) pairs[best - 1] = rankAt(best - 1);
  }
  return starts.slice(0, -1).map((start, part) => ranks.get(bytes.slice(start, starts[part + 1])) as number);
}

/** Lines and runs that repeat themselves for some hundred bytes, cut anywhere, between words. */
function repeatedText(random: () => number): string {
  const upTo = (most: number): number => 1 + Math.floor(random() * most);
  const pick = (): string => UNITS[upTo(UNITS.length) - 1];
  let text = '';
  for (let parts = upTo(4); parts > 0; parts--) {
    const pattern = Array.from({ length: upTo(3) }, () => pick().repeat(random() < 0.5 ? upTo(3) : upTo(40))).join('');
    const repeated = pattern.repeat(Math.ceil(upTo(2_600) / pattern.length) + 1).slice(upTo(pattern.length) - 1);
    text += repeated.slice(0, upTo(2_600)) + (random() < 0.7 ? ' Nit' : pick());
  }
  return text;
}

describe.each(engines.map((engine) => [engine.engine, engine] as const))(
  'pieces that repeat themselves in the %s engine',
  (_name, engine) => {
    it.each(ENCODINGS)('merges them in %s as the definition of byte-pair encoding does', (encoding) => {
      const handle = engine.load(encoding);
      const { pieceEnd } = openRanks(encoding);
      const ranks = new Map(Array.from(openRanks(encoding).tokens(), ([id, bytes]) => [Buffer.from(bytes).toString('latin1'), id]));
      const random = seededRandom(29);
      expect.hasAssertions();
      for (let turn = 0; turn < TEXTS; turn++) {
        const text = repeatedText(random);
        const ids: number[] = [];
        for (let at = 0, end; at < text.length; at = end) {
          end = pieceEnd(text, at);
          ids.push(...plainMerge(Buffer.from(text.slice(at, end)), ranks));
        }
        expect({ text, ids: Array.from(engine.encode(text, handle)) }).toEqual({ text, ids });
        expect({ text, count: engine.count(text, handle) }).toEqual({ text, count: ids.length });
      }
    });
  },
);

const TOKENIZERS = ['characters', 'cl100k-digits', 'deepseek'].map((name) => [
  name,
  join(root, 'test/fixtures/tokenizers', `${name}.json`),
]);

(binding ? describe : describe.skip)('pieces that repeat themselves in tokenizers of files', () => {
  it.each(TOKENIZERS)('gives the ids of @huggingface/tokenizers (%s)', async (name, file) => {
    const packed = atOnce(
      PackedTokenizer.opening(name, `repeated-${name}`, packTokenizer(readTokenizer(file, undefined))),
    ) as PackedTokenizer;
    const peer = (await PeerTokenizer.open(file, packed)) as PeerTokenizer;
    const native = engines[1];
    const handle = native.load(packed);
    const random = seededRandom(31);
    for (let turn = 0; turn < TEXTS; turn++) {
      const text = repeatedText(random);
      const ids = Array.from(peer.encode(text));
      expect({ text, ids: Array.from(native.encode(text, handle)) }).toEqual({ text, ids });
      expect(native.count(text, handle)).toBe(ids.length);
    }
  });
});
