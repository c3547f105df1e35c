import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOfCharacters } from '../../lib/token-counter/tokenizers/byte-alphabet.js';

export const TOKENIZER_FIXTURES = join(__dirname, '..', 'fixtures', 'tokenizers');

/** A fixture's tokens by rank, in Base64: its merges are in the order of the ids. */
function rankedTokens(fixture: string): string[] {
  const { model } = JSON.parse(readFileSync(join(TOKENIZER_FIXTURES, `${fixture}.json`), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = bytesOf(token).toString('base64');
  return tokens;
}

function bytesOf(token: string): Buffer {
  const texts = Buffer.from(token);
  return texts.subarray(0, bytesOfCharacters(texts, 0, texts.length, texts, 0));
}

/** A fixture as a `.tiktoken` file: a line for each token. */
export function asTiktoken(fixture: string): string {
  return rankedTokens(fixture)
    .map((token, rank) => `${token} ${rank}\n`)
    .join('');
}

/** The added tokens that `tokenizer_config.json` beside it has. */
export function addedTokens(tokens: Readonly<Record<number, { readonly content: string; readonly special: boolean }>>): object {
  const entry = { lstrip: false, normalized: false, rstrip: false, single_word: false };
  return {
    added_tokens_decoder: Object.fromEntries(Object.entries(tokens).map(([id, token]) => [id, { ...entry, ...token }])),
    tokenizer_class: 'TikTokenTokenizer',
  };
}

export const TEKKEN_SPECIALS = ['<unk>', '<s>', '</s>', '[INST]', '[/INST]'];
/** Ids in front of the first rank, as in Mistral's files: most have no token. */
export const TEKKEN_OFFSET = 10;
const TEKKEN_PATTERN =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** A fixture as a `tekken.json`, with a token at the end that the models do not use. */
export function asTekken(fixture: string): { config: object; vocab: object[]; special_tokens: object[] } {
  const tokens = rankedTokens(fixture);
  const unused = Buffer.from('zq').toString('base64');
  return {
    config: {
      pattern: TEKKEN_PATTERN,
      num_vocab_tokens: tokens.length + 1,
      default_vocab_size: tokens.length + TEKKEN_OFFSET,
      default_num_special_tokens: TEKKEN_OFFSET,
      version: 'v11',
    },
    vocab: [...tokens, unused].map((token, rank) => ({ rank, token_bytes: token, token_str: Buffer.from(token, 'base64').toString() })),
    special_tokens: TEKKEN_SPECIALS.map((token, rank) => ({ rank, token_str: token, is_control: true })),
  };
}
