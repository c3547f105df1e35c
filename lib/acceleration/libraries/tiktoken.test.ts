import * as lite from 'tiktoken/lite';
import type * as Tiktokens from 'tiktoken';
import { encoding_for_model, get_encoding, type Tiktoken, type TiktokenEncoding } from 'tiktoken';
import { COUNT, differences, isNative, openAcceleration, randomTexts } from '../../../test/e2e/acceleration/acceleration-libraries.js';
import { isComplete } from '../../../test/support/long.js';

/** The module itself: an import would be a copy of what it exports now. */
const tiktoken = jest.requireActual<typeof Tiktokens>('tiktoken');
const { service } = openAcceleration();
afterAll(() => service.remove());

const ENCODINGS: readonly TiktokenEncoding[] = ['cl100k_base', 'o200k_base', 'p50k_base', 'p50k_edit', 'r50k_base', 'gpt2'];
/** A tokenizer takes a fifth of a second to make. */
const NAMES = isComplete ? ENCODINGS : ENCODINGS.slice(0, 2);
const SPECIALS = ['<|endoftext|>', '<|fim_prefix|>', '<|endofprompt|>', '<|im_start|>', '<|'];
type Special = 'all' | string[];
const CHOICES: readonly (readonly [allowed?: Special, disallowed?: Special])[] = [
  [],
  ['all'],
  [[], []],
  [undefined, []],
  [['<|endoftext|>']],
  [['<|endoftext|>'], []],
  [undefined, 'all'],
  ['all', ['a', 'the']],
  ['all', ['ü']],
  [['<|nothing|>'], ['<|endoftext|>']],
];
const choice = (index: number) => CHOICES[Math.floor(index / 6) % CHOICES.length];
const stats = () => service.status().targets.tiktoken;

/** Made while the patch is in force, and therefore known through and through. */
function makeAll(): Tiktoken[] {
  service.apply();
  return NAMES.map((name) => tiktoken.get_encoding(name));
}
const before = NAMES.map((name) => get_encoding(name));
const during = makeAll();

describe('tiktoken, patched', () => {
  it('encodes thousands of texts as before, whatever special tokens are allowed', () => {
    const texts = randomTexts(COUNT, 21, SPECIALS);
    const natively = stats().answeredNatively;
    expect(differences(texts, service, (text, index) => during[index % NAMES.length].encode(text, ...choice(index)))).toEqual([]);
    if (isNative) expect(stats().answeredNatively - natively).toBeGreaterThan(COUNT * 0.75);
  });

  it('encodes thousands of texts with tokenizers that were there before', () => {
    const texts = randomTexts(COUNT, 22, SPECIALS);
    expect(differences(texts, service, (text, index) => before[index % NAMES.length].encode_ordinary(text))).toEqual([]);
    const long = texts.slice(0, 300).map((text) => text + 'Hello, world! '.repeat(200));
    const natively = stats().answeredNatively;
    expect(differences(long, service, (text, index) => before[index % NAMES.length].encode(text, ...choice(index)))).toEqual([]);
    if (isNative) expect(stats().answeredNatively - natively).toBeGreaterThan(100);
  });

  it('decodes as before', () => {
    const lists = randomTexts(300, 23, SPECIALS).map((text, index) =>
      during[index % NAMES.length].encode((text + ' x').repeat(200), 'all', []),
    );
    const texts = lists.map(({ length }) => String(length));
    expect(differences(texts, service, (_, index) => during[index % NAMES.length].decode(lists[index]))).toEqual([]);
    expect(
      differences(texts, service, (_, index) => during[index % NAMES.length].decode([...lists[index]] as unknown as Uint32Array)),
    ).toEqual([]);
  });

  it.each<[string, unknown[]]>([
    ['no text', [undefined]],
    ['a word as allowed', ['hello', 'some']],
    ['a number as allowed', ['hello', 7]],
    ['numbers as allowed', ['hello', [7]]],
    ['null as disallowed', ['hello', 'all', null]],
    ['a word as disallowed', ['hello', undefined, 'x']],
    ['a part of the text as disallowed', ['hello', [], ['ell']]],
  ])('refuses or takes %s as before', (_, args) => {
    const encode = (): unknown => (during[0].encode as (...given: unknown[]) => unknown).apply(during[0], args);
    expect(differences(['x'], service, encode)).toEqual([]);
  });

  it('finds special tokens that only this tokenizer has', () => {
    const own = { '<|im_start|>': 100264, word: 100300 };
    const early = get_encoding('cl100k_base', own);
    service.apply();
    const late = tiktoken.get_encoding('cl100k_base', own);
    const ofModel = tiktoken.encoding_for_model('gpt-4', own);
    const texts = ['a word', 'a word '.repeat(400), 'plain '.repeat(500), '<|im_start|>'.repeat(300), ' wor'];
    for (const tokenizer of [early, late, ofModel]) {
      for (const args of [[], ['all'], [['word']], [[], []]] as [Special?, Special?][])
        expect(differences(texts, service, (text) => tokenizer.encode(text, ...args))).toEqual([]);
    }
  });

  it('gives what its documentation says', () => {
    service.apply();
    const tokenizer = tiktoken.encoding_for_model('gpt2');
    expect(new TextDecoder().decode(tokenizer.decode(tokenizer.encode('hello world')))).toBe('hello world');
    expect([...tokenizer.encode('hello <|endoftext|>', 'all')]).toEqual([31373, 220, 50256]);
    expect(() => tokenizer.encode('hello <|endoftext|>')).toThrow('The text contains a special token that is not allowed: <|endoftext|>');
    expect([...tokenizer.encode('hello <|endoftext|>', [], [])]).toEqual([31373, 1279, 91, 437, 1659, 5239, 91, 29]);
    expect(tokenizer.name).toBe('gpt2');
    expect(encoding_for_model('gpt-4o').name).toBe('o200k_base');
  });

  it('lets a tokenizer that was freed fail as before', () => {
    const freed = get_encoding('r50k_base');
    freed.free();
    expect(differences(['x'], service, () => freed.encode_ordinary('hello'))).toEqual([]);
  });

  it('does not touch tiktoken/lite, which this package counts with itself', () => {
    const { encode, decode } = lite.Tiktoken.prototype;
    service.apply();
    expect([lite.Tiktoken.prototype.encode, lite.Tiktoken.prototype.decode]).toEqual([encode, decode]);
  });
});
