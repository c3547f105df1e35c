import { join } from 'node:path';
import {
  COUNT,
  differences,
  installed,
  isNative,
  openAcceleration,
  randomTexts,
} from '../../../test/e2e/acceleration/acceleration-libraries.js';

interface Options {
  readonly allowedSpecial?: 'all' | Set<string>;
  readonly disallowedSpecial?: 'all' | Set<string>;
}
interface Module {
  encode(text: string, options?: Options): number[];
  countTokens(input: unknown, options?: Options): number;
  isWithinTokenLimit(input: unknown, limit: number, options?: Options): number | false;
  decode(ids: Iterable<number>): string;
  encodeGenerator(text: string): Generator<number[]>;
  encodeChat(chat: readonly object[], model?: string): number[];
  readonly default: Module;
}

const folder = join(installed('gpt-tokenizer'), 'cjs');
const load = (path: string): Module => jest.requireActual<Module>(join(folder, path));
const NAMES = ['cl100k_base', 'o200k_base', 'o200k_harmony', 'p50k_base', 'p50k_edit', 'r50k_base'];
const modules = NAMES.map((name) => load(`encoding/${name}.js`));
/** Taken out before the patch, as an app may have done. */
const taken = modules.map(({ encode, countTokens }) => ({ encode, countTokens }));

const { service } = openAcceleration();
afterAll(() => service.remove());

const SPECIALS = ['<|endoftext|>', '<|fim_prefix|>', '<|endofprompt|>', '<|im_start|>', '<|start|>', '<|'];
/** New ones each time: the library takes names out of the sets that it is given. */
const CHOICES: readonly (() => Options | undefined)[] = [
  () => undefined,
  () => undefined,
  () => ({ allowedSpecial: 'all' }),
  () => ({ allowedSpecial: new Set(['<|endoftext|>']) }),
  () => ({ disallowedSpecial: new Set() }),
  () => ({ disallowedSpecial: new Set(['the', 'a']) }),
  () => ({ allowedSpecial: new Set(['<|endoftext|>']), disallowedSpecial: new Set() }),
  () => ({ allowedSpecial: 'all', disallowedSpecial: new Set(['<|endoftext|>']) }),
  () => ({ allowedSpecial: 'all', disallowedSpecial: 'all' }),
];
const choice = (index: number) => CHOICES[Math.floor(index / 6) % CHOICES.length]();
const stats = () => service.status().targets['gpt-tokenizer'];

describe('gpt-tokenizer, patched', () => {
  const texts = randomTexts(COUNT, 31, [...SPECIALS, '\n  ', ' \n\t']);

  it('encodes thousands of texts as before, whatever special tokens are allowed', () => {
    expect(differences(texts, service, (text, index) => taken[index % 6].encode(text, choice(index)))).toEqual([]);
    if (isNative) expect(stats().answeredNatively).toBeGreaterThan(COUNT / 4);
    else expect(stats().state).toBe('not_applied');
  });

  it('counts them as before', () => {
    expect(differences(texts, service, (text, index) => taken[index % 6].countTokens(text, choice(index)))).toEqual([]);
  });

  it('finds them within a limit or not as before', () => {
    const ask = (text: string, index: number) => modules[index % 6].isWithinTokenLimit(text, (index % 30) - 1, choice(index));
    const natively = stats().answeredNatively;
    expect(differences(texts, service, ask)).toEqual([]);
    expect(differences(texts.slice(0, 2000), service, (text) => modules[0].default.isWithinTokenLimit(text, 5))).toEqual([]);
    if (isNative) expect(stats().answeredNatively - natively).toBeGreaterThan(COUNT * 0.15);
    for (const limit of [NaN, Infinity, 1.5, '2'])
      expect(differences(['a b c d'], service, (text) => modules[0].isWithinTokenLimit(text, limit as number))).toEqual([]);
  });

  it('finds long texts above a limit by their first words, as before', () => {
    const words = ['a ', 'fox ', 'jumps, ', 'over. ', '12 ', '\n', 'naïve ', '東京', "it's ", '  x', 'configuration ', 'zzz'];
    let random = 1;
    const word = (): string => words[((random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0) >>> 8) % words.length];
    const long = Array.from({ length: 1500 }, (_, index) => Array.from({ length: 1 + (index % 500) }, word).join('') + texts[index]);
    const natively = stats().answeredNatively;
    expect(differences(long, service, (text, index) => modules[index % 6].isWithinTokenLimit(text, index % 97))).toEqual([]);
    if (isNative) expect(stats().answeredNatively - natively).toBeGreaterThan(300);
    // Where the first words are tokens enough, the rest is not even looked at: the library would
    // answer the same.
    const unequal = `${'word '.repeat(50)}${'a\ufeffb'.repeat(2000)}`;
    const before = stats().answeredNatively;
    expect(differences([unequal], service, (text) => modules[0].isWithinTokenLimit(text, 10))).toEqual([]);
    if (isNative) expect(stats().answeredNatively - before).toBe(1);
  });

  it('leaves chats, generators and decoding as they are', () => {
    const model = load('model/gpt-4o.js');
    const chat = [{ role: 'user', content: 'Hello, how are you? <|endoftext' }];
    const ask = [
      () => model.encodeChat(chat),
      () => model.countTokens(chat),
      () => model.isWithinTokenLimit(chat, 5),
      () => [...model.encodeGenerator('some  text\n')],
      () => model.decode([13225, 199_997, 5]),
    ];
    expect(differences(ask.map(String), service, (_, index) => ask[index]())).toEqual([]);
  });

  it('gives what its documentation says', () => {
    service.apply();
    const main = load('main.js');
    expect(main.encode('Hello, world!')).toEqual([13225, 11, 2375, 0]);
    expect(main.isWithinTokenLimit('Hello, world!', 10)).toBe(4);
    expect(main.isWithinTokenLimit('Hello, world!', 3)).toBe(false);
    expect(main.countTokens('Hello, world!')).toBe(4);
    expect(main.decode(main.encode('Hello, world!'))).toBe('Hello, world!');
    expect(() => main.encode('Hello <|endoftext|>')).toThrow('Disallowed special token found: <|endoftext|>');
    expect(main.countTokens('<|endoftext|>', { allowedSpecial: 'all' })).toBe(1);
  });

  it('patches libraries that are loaded later', () => {
    service.apply();
    const later = load('model/gpt-4.js');
    const natively = stats().answeredNatively;
    expect([later.countTokens('hello world'), later.isWithinTokenLimit('hello world', 1)]).toEqual([2, false]);
    expect(stats().answeredNatively - natively).toBe(isNative ? 2 : 0);
    service.remove();
    expect([later.countTokens('hello world'), later.isWithinTokenLimit('hello world', 1)]).toEqual([2, false]);
  });

  it('leaves vocabularies and patterns of one’s own alone', () => {
    const { BytePairEncodingCore } = jest.requireActual<{
      BytePairEncodingCore: new (options: object) => { encodeNative(text: string): number[] };
    }>(join(folder, 'BytePairEncodingCore.js'));
    const bytePairRankDecoder = jest.requireActual<{ default: unknown[] }>(join(folder, 'bpeRanks/r50k_base.js')).default;
    const own = [
      new BytePairEncodingCore({ bytePairRankDecoder, tokenSplitRegex: /\p{L}+|[^\p{L}]+/gu }),
      new BytePairEncodingCore({ bytePairRankDecoder: bytePairRankDecoder.slice(0, 40_000), tokenSplitRegex: /\p{L}+|[^\p{L}]+/gu }),
    ];
    for (const core of own) expect(differences(texts.slice(0, 500), service, (text) => core.encodeNative(text))).toEqual([]);
    if (isNative) expect(stats().passedOver).toEqual({ 'custom pattern': 1, 'custom vocabulary': 1 });
  });
});
