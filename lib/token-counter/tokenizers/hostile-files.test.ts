import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packTokenizer } from './pack.js';
import { readTokenizer } from './read-tokenizer.js';

interface TokenizerJson {
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly unknown[] };
  readonly [field: string]: unknown;
}

const folder = mkdtempSync(join(tmpdir(), 'tokenizer-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
const json = JSON.parse(readFileSync(join(__dirname, '../../../test/fixtures/tokenizers/cl100k-digits.json'), 'utf8')) as TokenizerJson;
const pack = (text: string): Buffer => {
  const file = join(folder, 'tokenizer.json');
  writeFileSync(file, text);
  return packTokenizer(readTokenizer(file, undefined));
};
const packWith = (model: object, more: object = {}): Buffer =>
  pack(JSON.stringify({ ...json, ...more, model: { ...json.model, ...model } }));
const { vocab, merges } = json.model;
const next = Math.max(...Object.values(vocab)) + 1;

describe('packing a tokenizer', () => {
  const readsDevice = process.platform === 'win32' ? it.skip : it;
  readsDevice('refuses a device, whose bytes have no end', () => {
    const file = join(folder, 'device.json');
    symlinkSync('/dev/zero', file);
    expect(() => readTokenizer(file, undefined)).toThrow('must be a regular file');
  });

  it('does not take a method of objects for a token', () => {
    expect(() => packWith({ merges: [...merges, 'con structor'] })).toThrow(
      'both tokens and the token they merge into must be in the vocabulary',
    );
    expect(() => packWith({ merges: [...merges, ['toString', 'a']] })).toThrow(
      'both tokens and the token they merge into must be in the vocabulary',
    );
  });

  it.each<[string, object, string]>([
    ['a text for an id', { vocab: { ...vocab, aaa: '7' } }, 'model.vocab["aaa"]: must be an id'],
    ['an id of more than 32 bits', { vocab: { ...vocab, aaa: 2e9 * 3 } }, 'must be an id'],
    ['an id below 0', { vocab: { ...vocab, aaa: -1 } }, 'must be an id'],
    ['a merge that is none', { merges: [...merges, null] }, 'must be an array'],
    ['a token whose merging takes hours', { vocab: { ...vocab, ['a'.repeat(1_000_000)]: next } }, 'must have tokens of at most 4096 bytes'],
  ])('refuses %s', (_, model, message) => {
    expect(() => packWith(model)).toThrow(message);
  });

  it('refuses more tokens than the tables hold before it merges any', () => {
    // As text: an object of so many fields takes seconds.
    const many = Array.from({ length: 530_000 }, (_, at) => `"t${at}":${next + at}`).join();
    const text = JSON.stringify({ ...json, model: { ...json.model, vocab: { ...vocab, MANY: 0 } } }).replace('"MANY":0', many);
    expect(() => pack(text)).toThrow('must have at most 524288 tokens');
  });

  it('fails with an error for steps that are nested deeper than the stack', () => {
    const depth = 50_000;
    const nested = `${'{"type":"Sequence","pretokenizers":['.repeat(depth)}${']}'.repeat(depth)}`;
    const text = JSON.stringify({ ...json, pre_tokenizer: 'NESTED' }).replace('"NESTED"', nested);
    expect(() => pack(text)).toThrow();
  });

  it('ends where tokens can only be made of each other', () => {
    const circle = { ...vocab, xyxy: next, xyx: next + 1 };
    expect(packWith({ vocab: circle, merges: [['xyx', 'y'], ...merges] }).length).toBeGreaterThan(0);
  });
});
