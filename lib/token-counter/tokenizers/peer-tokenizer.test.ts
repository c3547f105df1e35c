import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asTekken, asTiktoken, TOKENIZER_FIXTURES } from '../../../test/support/tokenizer-files.js';
import { hashOfIds, tokenizerTexts } from '../../../test/support/tokenizer-texts.js';
import { atOnce } from '../../common/next-turn.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { TypeScriptTokenCounterEngine } from '../engine/typescript.js';
import { packTokenizer } from './pack.js';
import { PackedTokenizer } from './packed-layout.js';
import { PeerTokenizer } from './peer-tokenizer.js';
import { readTokenizer } from './read-tokenizer.js';
import { SPLITS, type SplitName } from './tokenizer-model.js';

const NOT_EXACT: readonly SplitName[] = ['gpt2', 'gpt2-digits'];
const EXACT = SPLITS.filter((split) => !NOT_EXACT.includes(split));
const VECTORS = join(TOKENIZER_FIXTURES, '../../vectors');

const fileOf = (name: string): string => join(TOKENIZER_FIXTURES, `${name}.json`);

function packed(name: string, file = fileOf(name)): PackedTokenizer {
  const split = SPLITS.find((each) => each === name);
  return atOnce(PackedTokenizer.opening(name, `peer-${file}`, packTokenizer(readTokenizer(file, split)))) as PackedTokenizer;
}

async function opened(name: string): Promise<PeerTokenizer> {
  return (await PeerTokenizer.open(fileOf(name), packed(name))) as PeerTokenizer;
}

const idsOf = (peer: PeerTokenizer, text: string): Uint32Array =>
  Uint32Array.from([...peer.encodeInSteps(text)].flatMap((ids) => [...ids]));

describe('a tokenizer in @huggingface/tokenizers', () => {
  it.each(EXACT)("encodes to Hugging Face's ids: %s", async (name) => {
    const peer = await opened(name);
    const { counts, hashes } = JSON.parse(readFileSync(join(VECTORS, `tokenizers/${name}.json`), 'utf8')) as Record<string, string>;
    const texts = tokenizerTexts(counts.split(',').length);
    const found = texts.map((text) => idsOf(peer, text));
    expect(found.map((ids) => ids.length).join()).toBe(counts);
    expect(found.map(hashOfIds).join()).toBe(hashes);
  });

  it.each(EXACT)('decodes what it encodes: %s', async (name) => {
    const peer = await opened(name);
    const { normalizer, spaces } = peer.packed;
    for (const text of tokenizerTexts(60)) {
      const normal = normalizer === 'nfc' ? text.normalize('NFC') : text;
      // U+2581 of a text cannot be distinguished from a space.
      const same = (each: string): string => (spaces ? each.replaceAll('\u2581', ' ') : each);
      expect(same(Buffer.from(peer.decode(idsOf(peer, text))).toString())).toBe(same(Buffer.from(normal).toString()));
    }
    expect(() => peer.decode(Uint32Array.of(5_000_000))).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOKEN', path: 'ids[0]' }));
  });

  it.each(NOT_EXACT)('is not used where its ids differ: %s', async (name) => {
    expect(await PeerTokenizer.open(fileOf(name), packed(name))).toBeUndefined();
  });

  it('reads tokenizer.json alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'peer-'));
    try {
      for (const [name, content] of [
        ['tekken.json', asTekken('o200k-digits')],
        ['o200k-digits.tiktoken', asTiktoken('o200k-digits')],
      ] as const) {
        const file = join(folder, name);
        writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
        expect(await PeerTokenizer.open(file, packed('o200k-digits', file))).toBeUndefined();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const { binding } = openNativeBinding();
  (binding === null ? it.skip.each : it.each)(EXACT)('counts long texts as the native engine, up to cuts in words: %s', async (name) => {
    const peer = await opened(name);
    const engine = new TypeScriptTokenCounterEngine();
    expect(await engine.prepare(peer.packed, fileOf(name))).toBe(true);
    const native = new NativeTokenCounterEngine(binding!);
    const [handle, nativeHandle] = [engine.load(peer.packed), native.load(peer.packed)];
    const prose = 'The quick brown fox, in 2026, jumps over 13 lazy dogs.\n'.repeat(290);
    const chinese = '我们今天天气很好请告诉公司的政策问题如何解决这个数据模型非常重要用户需要更多信息'.repeat(300);
    for (const [text, share] of [
      [prose, name === 'characters' ? 0.001 : 0],
      [chinese, 0.002],
    ] as const) {
      const wanted = native.count(text, nativeHandle);
      const counted = engine.count(text, handle);
      expect(Math.abs(counted - wanted)).toBeLessThanOrEqual(wanted * share);
      expect(await engine.countUpToAsync(text, handle, 0xffffffff)).toBe(counted);
      expect(engine.countUpTo(text, handle, 100)).toBeGreaterThan(100);
      expect(engine.encode(text, handle)).toHaveLength(counted);
      const units = engine.prefixLength(text, handle, 100);
      expect(engine.count(text.slice(0, units), handle)).toBeLessThanOrEqual(101);
      expect(units).toBeGreaterThan(30);
    }
  });

  it.each(['cl100k', 'characters'])('estimates hostile texts of a megabyte within seconds: %s', async (name) => {
    const engine = new TypeScriptTokenCounterEngine();
    const tokenizer = packed(name);
    await engine.prepare(tokenizer, fileOf(name));
    const handle = engine.load(tokenizer);
    const exactUnits = engine.exactUnits(handle);
    const size = 1 << 20;
    // A multiplicative generator: the same characters in each run.
    let state = 1;
    const junk = Array.from({ length: size }, () => String.fromCharCode(33 + ((state = (state * 48_271) % 0x7fffffff) % 94))).join('');
    let microseconds = 0;
    for (const text of [' '.repeat(size), 'x'.repeat(size), '字'.repeat(size), junk]) {
      expect(text.length).toBeGreaterThan(exactUnits);
      const started = process.cpuUsage();
      const counted = engine.count(text, handle);
      microseconds += process.cpuUsage(started).user;
      const exactly = engine.count(text.slice(0, exactUnits), handle) * (size / exactUnits);
      expect(counted / exactly).toBeGreaterThan(0.9);
      expect(counted / exactly).toBeLessThan(1.1);
    }
    expect(microseconds / 1e6).toBeLessThan(4);
  });

  it('counts a long text alike at once, in steps and up to a limit', async () => {
    const engine = new TypeScriptTokenCounterEngine();
    const tokenizer = packed('cl100k');
    await engine.prepare(tokenizer, fileOf('cl100k'));
    const handle = engine.load(tokenizer);
    const text = 'The quick brown fox, in 2026, jumps over 13 lazy dogs. 我们今天天气很好\n'.repeat(400);
    const counted = engine.count(text, handle);
    expect(Array.from(engine.countBatch([text, 'a'], handle))).toEqual([counted, 1]);
    expect(Array.from(await engine.countBatchAsync([text, 'a'], handle))).toEqual([counted, 1]);
    expect(await engine.countUpToAsync(text, handle, 0xffffffff)).toBe(counted);
    expect(engine.countUpTo(text, handle, counted)).toBe(counted);
    const bytes = Buffer.from(JSON.stringify(text));
    const slices = { bytes, texts: Uint32Array.of(1, bytes.length - 1), isOwn: true };
    expect(Array.from((await engine.countSlicesAsync(slices, handle, 0xffffffff)).counts)).toEqual([counted]);
    expect(engine.count(text.slice(0, engine.prefixLength(text, handle, 100)), handle)).toBeLessThan(120);
  });

  it('counts the texts of special tokens as ordinary text', async () => {
    const file = JSON.parse(readFileSync(fileOf('cl100k'), 'utf8')) as { added_tokens: object[] };
    const token = { id: 60_000, content: '<|end|>', special: true, lstrip: false, rstrip: false, single_word: false, normalized: false };
    const folder = mkdtempSync(join(tmpdir(), 'peer-'));
    const changed = join(folder, 'tokenizer.json');
    writeFileSync(changed, JSON.stringify({ ...file, added_tokens: [...file.added_tokens, token] }));
    const peer = (await PeerTokenizer.open(changed, packed('cl100k', changed))) as PeerTokenizer;
    rmSync(folder, { recursive: true });
    expect(Array.from(peer.encode('a<|end|>'))).toEqual(Array.from((await opened('cl100k')).encode('a<|end|>')));
    expect(Buffer.from(peer.decode(Uint32Array.of(60_000))).toString()).toBe('<|end|>');
  });
});

describe('a tokenizer that the TypeScript engine cannot use', () => {
  it('counts with cl100k_base in its place, and has no ids', async () => {
    const engine = new TypeScriptTokenCounterEngine();
    const tokenizer = packed('gpt2');
    expect(await engine.prepare(tokenizer, fileOf('gpt2'))).toBe(false);
    const handle = engine.load(tokenizer);
    expect(engine.count('Hello, world', handle)).toBe(engine.count('Hello, world', engine.load('cl100k_base')));
    for (const ids of [() => engine.encode('a', handle), () => engine.decode(Uint32Array.of(1), handle)])
      expect(ids).toThrow(expect.objectContaining({ code: 'MISSING_PACKAGE' }));
  });

  it('needs the package, and says so', async () => {
    jest.doMock('@huggingface/tokenizers', () => {
      throw new Error('not installed');
    });
    await expect(PeerTokenizer.open(fileOf('cl100k'), packed('cl100k'))).rejects.toThrow(
      'counting open models without the native engine requires @huggingface/tokenizers, which is not installed: npm install @huggingface/tokenizers',
    );
    jest.dontMock('@huggingface/tokenizers');
  });
});
