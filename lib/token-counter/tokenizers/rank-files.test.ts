import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addedTokens, asTekken, asTiktoken, TEKKEN_OFFSET, TEKKEN_SPECIALS } from '../../../test/support/tokenizer-files.js';
import { hashOfIds, tokenizerTexts } from '../../../test/support/tokenizer-texts.js';
import { atOnce } from '../../common/next-turn.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import type { TokenCounterEngine } from '../engine/engine.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { packTokenizer } from './pack.js';
import { PackedTokenizer } from './packed-layout.js';
import { readTokenizer } from './read-tokenizer.js';
import type { SplitName } from './tokenizer-model.js';

const TEXTS = 300;
const { binding } = openNativeBinding();
const engines: TokenCounterEngine[] = binding ? [new NativeTokenCounterEngine(binding)] : [];

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rank-files-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | object): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

function open(key: string, file: string, split?: SplitName): PackedTokenizer {
  return atOnce(PackedTokenizer.opening('test', `rank-files-${key}`, packTokenizer(readTokenizer(file, split)))) as PackedTokenizer;
}

/** Hugging Face's ids of the fixture, each raised by `offset`. */
function expectIds(tokenizer: PackedTokenizer, fixture: string, offset = 0): void {
  const file = join(__dirname, '../../../test/vectors/tokenizers', `${fixture}.json`);
  const hashes = (JSON.parse(readFileSync(file, 'utf8')) as { hashes: string }).hashes.split(',');
  for (const engine of engines) {
    const handle = engine.load(tokenizer);
    for (const [index, text] of tokenizerTexts(TEXTS).entries()) {
      const ids = engine.encode(text, handle);
      expect({ text, hash: hashOfIds(ids.map((id) => id - offset)) }).toEqual({ text, hash: hashes[index] });
      expect(engine.count(text, handle)).toBe(ids.length);
    }
  }
}

describe('a .tiktoken file', () => {
  it("has Kimi's ids, without added tokens, whatever its line ends are", () => {
    const file = write('tiktoken.model', asTiktoken('kimi').replaceAll('\n', '\r\n'));
    const tokenizer = open('kimi', file, 'kimi');
    expect(packTokenizer(readTokenizer(write('lines.model', asTiktoken('kimi')), 'kimi')).equals(tokenizer.data)).toBe(true);
    expect([...tokenizer.specials]).toEqual([]);
    expectIds(tokenizer, 'kimi');
  });

  it("has Qwen's ids, with the added tokens of tokenizer_config.json beside it", () => {
    const added = ['<think>', '</think>', '<tool_call>'].map((content, index) => [700 + index, { content, special: false }]);
    const specials = { ...Object.fromEntries(added), 703: { content: '<|im_start|>', special: true } };
    write('tokenizer_config.json', addedTokens(specials));
    const tokenizer = open('qwen', write('qwen.tiktoken', asTiktoken('cl100k-digits')), 'cl100k-digits');
    expect([...tokenizer.specials]).toEqual([['<|im_start|>', 703]]);
    expect([...tokenizer.plain.keys()]).toEqual(['<think>', '</think>', '<tool_call>']);
    expectIds(tokenizer, 'cl100k-digits');
  });

  it('is refused with the line or the entry, and the rule', () => {
    const lines = asTiktoken('kimi').split('\n');
    const refused = (text: string, split: SplitName | undefined, message: string): void =>
      expect(() => open('bad', write('tiktoken.model', text), split)).toThrow(
        expect.objectContaining({ code: 'UNSUPPORTED_TOKENIZER', message }),
      );
    refused(lines.join('\n'), undefined, 'split: must be the pattern that splits text, if the file is a .tiktoken file, got undefined');
    const neither =
      'tiktoken.model: must be a tokenizer.json, a tekken.json or a .tiktoken file (for a SentencePiece model, use its tokenizer.json), got ';
    refused('\n\u000e\n\u0005<unk>\u0015\0\0\0\0', 'kimi', `${neither}"\\n\\u000e\\n\\u0005<unk>\\u0015\\u0000\\u0000\\u0000\\u0000"`);
    refused('', undefined, `${neither}""`);
    refused(`${lines[0]}\nIQ==\n`, 'kimi', 'line 2: must be a token in Base64 and its rank, got "IQ=="');
    refused(`${lines[0]}\n${lines[1]}\n`, 'kimi', 'model.vocab: must have a token for each byte, got 0');
    refused(`${lines.join('\n')}YWI= 99999999\n`, 'kimi', 'model.vocab: must have ids below 1048576, got 99999999');
    write('tokenizer_config.json', addedTokens({ 700: { content: '', special: true } }));
    refused(lines.join('\n'), 'kimi', 'tokenizer_config.json: added_tokens_decoder[700]: must have an id and non-empty content, got ""');
  });
});

describe('tekken.json', () => {
  it("has the ids of the ranks behind the special tokens, and none of the file's unused tokens", () => {
    const tokenizer = open('tekken', write('tekken.json', asTekken('o200k-digits')));
    expect([...tokenizer.specials]).toEqual(TEKKEN_SPECIALS.map((text, id) => [text, id]));
    expect(tokenizer).toMatchObject({ split: 'o200k-digits', bos: 1 });
    expectIds(tokenizer, 'o200k-digits', TEKKEN_OFFSET);
  });

  it("has mistral-common's special tokens where the file names none, as of 2024", () => {
    const { vocab, config } = asTekken('o200k-digits');
    // Twenty special tokens need as many ids.
    const sizes = { default_vocab_size: vocab.length - 1 + 1000, default_num_special_tokens: 1000 };
    const tokenizer = open('tekken-old', write('tekken.json', { vocab, config: { ...config, ...sizes } }));
    expect([...tokenizer.specials]).toHaveLength(20);
    expect(tokenizer.specials.get('[/SYSTEM_PROMPT]')).toBe(18);
    expectIds(tokenizer, 'o200k-digits', 1000);
  });

  it('is refused with the part and the rule', () => {
    const file = asTekken('o200k-digits');
    const refused = (change: object, path: string, rule: string): void =>
      expect(() => open('bad', write('tekken.json', { ...file, ...change }))).toThrow(
        expect.objectContaining({ code: 'UNSUPPORTED_TOKENIZER', path, message: expect.stringContaining(`${path}: ${rule}`) }),
      );
    refused({ config: { ...file.config, pattern: '\\w+' } }, 'config.pattern', 'must be the pattern of a known family');
    refused({ config: { ...file.config, pattern: undefined } }, 'config.pattern', 'must be a regular expression');
    refused({ config: { ...file.config, default_vocab_size: '9' } }, 'config.default_vocab_size', 'must be a number');
    refused({ config: { ...file.config, default_num_special_tokens: null } }, 'config.default_num_special_tokens', 'must be a number');
    refused({ vocab: {} }, 'vocab', 'must be an array');
    refused({ vocab: [file.vocab[0], null] }, 'vocab[1]', 'must have a rank and bytes in Base64');
    refused({ vocab: [{ ...file.vocab[0], rank: 0.5 }] }, 'vocab[0]', 'must have a rank and bytes in Base64');
    refused({ vocab: file.vocab.slice(0, 100) }, 'model.vocab', 'must have a token for each byte');
    refused({ special_tokens: [null] }, 'special_tokens[0]', 'must have a rank and a text');
    refused({ special_tokens: {} }, 'special_tokens', 'must be an array');
    expect(() => open('bad', write('tekken.json', '{"config": '))).toThrow('tekken.json: must be valid JSON (');
  });
});
