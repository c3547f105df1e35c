import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tokenizerPackages } from '../../../test/support/tokenizer-packages.js';
import { TOKENIZER_FIXTURES } from '../../../test/support/tokenizer-files.js';
import { atOnce } from '../../common/next-turn.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import type { TokenCounterEngine } from '../engine/engine.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { encodeSegments, segmentsOf } from '../bpe/special-tokens.js';
import { CountingModel } from '../counting-model.js';
import { truncateSegments, type SplitText } from '../truncate.js';
import { packTokenizer } from './pack.js';
import { PackedTokenizer } from './packed-layout.js';
import { readTokenizer } from './read-tokenizer.js';
import { readTokenizerJson } from './tokenizer-json.js';
import { SPLITS } from './tokenizer-model.js';

type Json = Record<string, unknown>;

function fixture(name: string): { model: { vocab: Json; merges: unknown[] }; added_tokens: unknown[] } & Json {
  return JSON.parse(readFileSync(join(TOKENIZER_FIXTURES, `${name}.json`), 'utf8')) as ReturnType<typeof fixture>;
}

/** The fixture `cl100k` with a change in its model, or in the parts beside it. */
const inModel = (change: Json): Json => ({ ...fixture('cl100k'), model: { ...fixture('cl100k').model, ...change } });
const beside = (change: Json): Json => ({ ...fixture('cl100k'), ...change });

/** A fixture whose splits remove, as files that are made from tiktoken's have it. */
function removing(name: string, { invert }: { readonly invert: boolean }): Json {
  const file = fixture(name);
  const { pretokenizers, ...sequence } = file.pre_tokenizer as { readonly pretokenizers: readonly Json[] };
  const steps = pretokenizers.map((step) => (step.type === 'Split' ? { ...step, behavior: 'Removed', invert } : step));
  return { ...file, pre_tokenizer: { ...sequence, pretokenizers: steps } };
}

describe('readTokenizerJson', () => {
  it.each(['cl100k', 'o200k', 'kimi', 'cl100k-marks'])('splits as %s where what does not match is removed', (name) => {
    const removed = packTokenizer(readTokenizerJson(removing(name, { invert: true })));
    expect(removed.equals(packTokenizer(readTokenizerJson(fixture(name))))).toBe(true);
  });

  it.each<readonly [file: unknown, path: string, rule: string]>([
    [[], 'tokenizer.json', 'must be an object'],
    [beside({ model: null }), 'model', 'must be an object'],
    [inModel({ type: 'WordPiece' }), 'model.type', 'must be BPE'],
    [
      { ...fixture('characters'), model: { ...fixture('characters').model, ignore_merges: true } },
      'model.ignore_merges',
      'must be false for a character vocabulary',
    ],
    [inModel({ dropout: 0.1 }), 'model.dropout', 'must be 0'],
    [inModel({ unk_token: '<unk>' }), 'model.unk_token', 'must be null'],
    [inModel({ end_of_word_suffix: '</w>' }), 'model.end_of_word_suffix', 'must be empty'],
    [inModel({ vocab: [] }), 'model.vocab', 'must be an object'],
    [inModel({ vocab: { ...fixture('cl100k').model.vocab, a: 'x' } }), 'model.vocab["a"]', 'must be an id below 1048576'],
    [inModel({ vocab: { ...fixture('cl100k').model.vocab, a: 2 ** 20 } }), 'model.vocab["a"]', 'must be an id below 1048576'],
    [inModel({ merges: [], vocab: { a: 1 } }), 'model.vocab', 'must have a token for each byte'],
    [inModel({ merges: null }), 'model.merges', 'must be an array'],
    [inModel({ merges: [['a', 'b'], ['a']] }), 'model.merges[1]', 'both tokens and the token they merge into must be in the vocabulary'],
    [inModel({ merges: [null] }), 'model.merges[0]', 'must be an array'],
    [beside({ added_tokens: [{ content: '<a>' }] }), 'added_tokens[0]', 'must have an id and non-empty content'],
    [
      beside({ added_tokens: [{ id: 9, content: '<a>', lstrip: true }] }),
      'added_tokens[0]',
      'must not set single_word, lstrip or rstrip unless special is true',
    ],
    [beside({ normalizer: { type: 'Lowercase' } }), 'normalizer', 'must be NFC, NFKC or the rules for U+2581'],
    [beside({ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }), 'pre_tokenizer', 'must be Split, Digits'],
    [beside({ pre_tokenizer: null }), 'pre_tokenizer', 'must end with ByteLevel'],
    [removing('cl100k', { invert: false }), 'pre_tokenizer.pretokenizers[0]', 'must be a regular expression with isolated matches'],
    [removing('deepseek', { invert: true }), 'pre_tokenizer.pretokenizers[2]', 'must be the only split'],
  ])('refuses a damaged or unknown part with its path and the rule (%#)', (file, path, rule) => {
    const message = expect.stringContaining(`${path}: ${rule}`) as string;
    expect(() => readTokenizerJson(file)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_TOKENIZER', path, message }));
  });
});

const { binding } = openNativeBinding();
const engines: TokenCounterEngine[] = binding ? [new NativeTokenCounterEngine(binding)] : [];

const describeEach = engines.length > 0 ? describe.each : describe.skip.each;

describeEach(engines.map((engine) => [engine.engine, engine] as const))('ignore_merges in the %s engine', (_, engine) => {
  /** The fixture without the merge of its last word that is a part of no other token. */
  function withoutMerge(ignoreMerges: boolean): readonly [handle: number, id: number, text: string] {
    const { model, ...file } = fixture('cl100k');
    const merges = model.merges as [string, string][];
    const isPart = (token: string): boolean => merges.some((pair) => pair.includes(token));
    const [left, right] = merges.filter(([a, b]) => /^[a-z]+$/.test(a + b) && !isPart(a + b)).at(-1) as [string, string];
    const others = merges.filter(([a, b]) => a !== left || b !== right);
    const changed = { ...file, model: { ...model, merges: others, ignore_merges: ignoreMerges } };
    const packed = packTokenizer(readTokenizerJson(changed));
    const tokenizer = atOnce(PackedTokenizer.opening('test', `ignore-merges-${ignoreMerges}`, packed)) as PackedTokenizer;
    const id = model.vocab[`${left}${right}`] as number;
    return [engine.load(tokenizer), id, Buffer.from(engine.decode(Uint32Array.of(id), engine.load(tokenizer))).toString()];
  }

  it('takes a piece for a token that merges do not make, but no part of a piece', () => {
    const [handle, id, text] = withoutMerge(true);
    const ids = (other: string): number[] => {
      const found = Array.from(engine.encode(other, handle));
      expect(engine.count(other, handle)).toBe(found.length);
      return found;
    };
    expect(text).toMatch(/^[a-z]+$/);
    expect(ids(text)).toEqual([id]);
    for (const longer of [`${text}q`, `${text}Foo`, `${text}字字字字字字字字`, `字字字字${text}字字`])
      expect(ids(longer)).not.toContain(id);
    expect(engine.prefixLength(`${text}.`, handle, 1)).toBe(text.length);
  });

  it('does not without ignore_merges', () => {
    const [handle, id, text] = withoutMerge(false);
    expect(Array.from(engine.encode(text, handle))).not.toContain(id);
  });
});

describeEach(engines.map((engine) => [engine.engine, engine] as const))('special tokens in the %s engine', (_, engine) => {
  /** Counts as the service does with `allowedSpecial: 'all'`. */
  function opened(key: string, file: unknown) {
    const packed = packTokenizer(readTokenizerJson(file));
    const tokenizer = atOnce(PackedTokenizer.opening('test', `specials-${key}`, packed)) as PackedTokenizer;
    const model = new CountingModel('house/model', { tokenizer });
    const handle = model.handle(engine, 'all');
    const split = (text: string): SplitText => ({ text, segments: segmentsOf(text, tokenizer, 'all'), allowedSpecial: 'all' });
    return {
      encode: (text: string): number[] => [...encodeSegments(split(text).segments, (part) => engine.encode(part, handle))],
      truncate: (text: string, most: number): string => truncateSegments(split(text), most, engine, model),
    };
  }

  it('take the text around them as the file says', () => {
    const bounds = { lstrip: false, rstrip: false, single_word: false };
    const added = [
      { ...bounds, id: 900, content: '<l>', special: true, lstrip: true },
      { ...bounds, id: 901, content: '<r>', special: true, rstrip: true },
      { ...bounds, id: 902, content: '<w>', special: true, single_word: true },
    ];
    const [plain, bound] = [opened('plain', fixture('cl100k')), opened('bound', beside({ added_tokens: added }))];
    const cases: [string, ...(string | number)[]][] = [
      ['a \n<l> b', 'a', 900, ' b'],
      ['a <r>\u3000\n b', 'a ', 901, 'b'],
      ['  <l> <l> ', 900, 900, ' '],
      ['<r> <r> <l>', 901, 901, 900],
      ['a<w> <w>, <w>é', 'a<w> ', 902, ', <w>é'],
      ['<w><w>', 902, 902],
    ];
    for (const [text, ...parts] of cases) {
      const wanted = parts.flatMap((part) => (typeof part === 'number' ? [part] : plain.encode(part)));
      expect([text, bound.encode(text)]).toEqual([text, wanted]);
      for (let most = 0; most <= wanted.length; most++) {
        const cut = bound.truncate(text, most);
        expect(text.startsWith(cut)).toBe(true);
        if (most === wanted.length) expect(cut).toBe(text);
      }
    }
  });

  it('put a space in front of the start of a text only, where the file says so', () => {
    const file = fixture('characters');
    const first = { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first', split: false };
    const [none, prefixed] = [opened('none', file), opened('first', { ...file, normalizer: null, pre_tokenizer: first })];
    const turn = '<start_of_turn>';
    for (const [text, same] of [
      [`${turn}Hello`, `${turn}Hello`],
      [`Hello${turn}Hello ${turn}`, ` Hello${turn}Hello ${turn}`],
      [` a${turn} a`, ` a${turn} a`],
      [`<table>a${turn}a`, `<table>a${turn}a`],
      ['Hello', ' Hello'],
    ]) {
      expect([text, prefixed.encode(text)]).toEqual([text, none.encode(same)]);
      const { length } = none.encode(same);
      for (let most = 0; most <= length; most++) expect(text.startsWith(prefixed.truncate(text, most))).toBe(true);
      expect(prefixed.truncate(text, length)).toBe(text);
    }
  });
});

const FILES = [...SPLITS.map((name) => join(TOKENIZER_FIXTURES, `${name}.json`)), ...tokenizerPackages().map(({ file }) => file)];

(binding ? describe : describe.skip)('readTokenizer with the addon', () => {
  it.each(FILES)('reads the same from %s as without', (file) => {
    const read = binding?.readVocabulary(readFileSync(file));
    expect(read?.ids.length).toBeGreaterThan(256);
    expect(packTokenizer(readTokenizer(file, undefined, binding)).equals(packTokenizer(readTokenizer(file, undefined)))).toBe(true);
  });

  it('reports why the addon cannot read a file', () => {
    const reader = { readVocabulary: jest.fn(() => null) };
    const file = join(TOKENIZER_FIXTURES, 'gpt2.json');
    expect(packTokenizer(readTokenizer(file, undefined, reader)).equals(packTokenizer(readTokenizer(file, undefined)))).toBe(true);
    expect(reader.readVocabulary).toHaveBeenCalledTimes(1);
  });
});
