import { getEncoding, Tiktoken, type TiktokenEncoding } from 'js-tiktoken';
import { Tiktoken as LiteTiktoken } from 'js-tiktoken/lite';
import ranks from 'js-tiktoken/ranks/r50k_base';
import { COUNT, differences, isNative, openAcceleration, randomTexts } from '../../../test/e2e/acceleration/acceleration-libraries.js';
import { isComplete } from '../../../test/support/long.js';

const { service } = openAcceleration();
afterAll(() => service.remove());

const ENCODINGS: readonly TiktokenEncoding[] = ['cl100k_base', 'o200k_base', 'p50k_base', 'p50k_edit', 'r50k_base', 'gpt2'];
/** A tokenizer takes a fifth of a second to make. */
const NAMES = isComplete ? ENCODINGS : ENCODINGS.slice(0, 2);
const tokenizers = NAMES.map((name) => getEncoding(name));
const SPECIALS = ['<|endoftext|>', '<|fim_prefix|>', '<|endofprompt|>', '<|im_start|>', '<|'];
type Special = 'all' | string[];
const CHOICES: readonly (readonly [allowed?: Special, disallowed?: Special])[] = [
  [],
  [],
  ['all'],
  [[], []],
  [undefined, []],
  [['<|endoftext|>']],
  [['<|endoftext|>'], []],
  ['all', []],
  [undefined, 'all'],
  ['all', ['a', 'the']],
  [['<|nothing|>'], ['<|endoftext|>']],
];

const stats = () => service.status().targets['js-tiktoken'];

describe('js-tiktoken, patched', () => {
  it('encodes thousands of texts as before, whatever special tokens are allowed', () => {
    const texts = randomTexts(COUNT, 11, SPECIALS);
    const ask = (text: string, index: number) =>
      tokenizers[index % NAMES.length].encode(text, ...CHOICES[Math.floor(index / 6) % CHOICES.length]);
    expect(differences(texts, service, ask)).toEqual([]);
    const { answeredNatively, passedOn, state } = stats();
    expect(state).toBe(isNative ? 'patched' : 'not_applied');
    if (isNative) expect(answeredNatively).toBeGreaterThan(COUNT / 4);
    expect(answeredNatively + passedOn).toBe(isNative ? COUNT : 0);
  });

  it('decodes as before: unknown ids, parts of characters, byte order marks, what are no ids', () => {
    const lists = randomTexts(400, 12, SPECIALS).map((text, index): number[] => {
      const ids = tokenizers[index % NAMES.length].encode(text.repeat(8), 'all').flatMap((id) => [id, id]);
      if (index % 5 === 0) ids.push(999_999_999);
      if (index % 7 === 0) ids.splice(3, 0, -1, 1.5, NaN);
      return index % 3 === 0 ? ids : [...ids, ...tokenizers[index % NAMES.length].encode('\ufeffx')];
    });
    const texts = lists.map(String);
    expect(differences(texts, service, (_, index) => tokenizers[index % NAMES.length].decode(lists[index]))).toEqual([]);
    expect(lists.filter(({ length }) => length > 200).length).toBeGreaterThan(20);
  });

  it.each<[string, unknown[]]>([
    ['no text', [undefined]],
    ['null', [null]],
    ['a number as allowed', ['hello', 7]],
    ['null as disallowed', ['hello', 'all', null]],
    ['a set as allowed', ['hello <|endoftext|>', new Set(['<|endoftext|>'])]],
    ['a word as disallowed', ['hello', [], ['ell']]],
    ['nothing as disallowed', ['hello', [], ['']]],
  ])('refuses or takes %s as before', (_, args) => {
    const encode = (): unknown => (tokenizers[0].encode as (...given: unknown[]) => unknown).apply(tokenizers[0], args);
    expect(differences(['x'], service, encode)).toEqual([]);
  });

  it('gives what its documentation says', () => {
    service.apply();
    const tokenizer = getEncoding('gpt2');
    expect(tokenizer.decode(tokenizer.encode('hello world'))).toBe('hello world');
    expect(tokenizer.encode('hello <|endoftext|>', ['<|endoftext|>'])).toEqual([31373, 220, 50256]);
    expect(() => tokenizer.encode('hello <|endoftext|>')).toThrow('The text contains a special token that is not allowed: <|endoftext|>');
    expect(tokenizer.encode('hello <|endoftext|>', [], [])).toEqual([31373, 1279, 91, 437, 1659, 5239, 91, 29]);
  });

  it('leaves tokenizers alone that are not one of OpenAI’s', () => {
    const own = { ...ranks, bpe_ranks: ranks.bpe_ranks.replace(' IQ==', ' Ig==').replace(' Ig== Iw==', ' IQ== Iw==') };
    const others = [
      new Tiktoken(ranks, { '<|im_start|>': 100264 }),
      new LiteTiktoken({ ...ranks, pat_str: '\\p{L}+|[^\\p{L}]+' }),
      new LiteTiktoken(own),
    ];
    const texts = randomTexts(300, 13, ['<|im_start|>', '!', '"']);
    for (const tokenizer of others)
      expect(differences(texts, service, (text) => tokenizer.encode(text, ['<|im_start|>', '<|endoftext|>']))).toEqual([]);
    if (!isNative) return;
    expect(stats().passedOver).toEqual({ 'custom special tokens': 1, 'custom pattern': 1, 'custom vocabulary': 1 });
  });
});
