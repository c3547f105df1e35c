import { splitOf } from './split-patterns.js';
import { TokenizerError, type AddedToken, type SplitName, type TokenizerModel } from './tokenizer-model.js';

/** A line of a `.tiktoken` file: a token in Base64, and its rank. */
const LINE = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})$/;

/**
 * Reads a `.tiktoken` file (`tiktoken.model`): tokens and ranks, with neither a pattern nor special
 * tokens.
 * @throws TokenizerError naming the line.
 */
export function readTiktoken(text: string, split: SplitName): TokenizerModel {
  const tokens = new Map<number, string>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const found = LINE.exec(line);
    if (found === null) throw new TokenizerError(`line ${index + 1}`, line, 'must be a token in Base64 and its rank');
    tokens.set(Number(found[2]), Buffer.from(found[1], 'base64').toString('latin1'));
  }
  return modelOf(tokens, split, []);
}

interface Tekken {
  readonly config?: { readonly pattern?: unknown; readonly default_vocab_size?: unknown; readonly default_num_special_tokens?: unknown };
  readonly vocab?: readonly { readonly rank?: unknown; readonly token_bytes?: unknown }[];
  readonly special_tokens?: readonly { readonly rank?: unknown; readonly token_str?: unknown }[];
}

/**
 * Reads Mistral's `tekken.json`: ids are ranks behind the special tokens.
 * @throws TokenizerError naming the part that is wrong.
 */
export function readTekken(json: unknown): TokenizerModel {
  const { config, vocab, special_tokens: specials } = (json ?? {}) as Tekken;
  const { pattern, default_vocab_size: size, default_num_special_tokens: offset } = config ?? {};
  if (typeof pattern !== 'string') throw new TokenizerError('config.pattern', pattern, 'must be a regular expression');
  if (typeof size !== 'number') throw new TokenizerError('config.default_vocab_size', size, 'must be a number');
  if (typeof offset !== 'number') throw new TokenizerError('config.default_num_special_tokens', offset, 'must be a number');
  if (!Array.isArray(vocab)) throw new TokenizerError('vocab', vocab, 'must be an array');
  const tokens = new Map<number, string>();
  // The file has more tokens than the models.
  for (const [index, { rank, token_bytes: bytes }] of (vocab as NonNullable<Tekken['vocab']>).slice(0, size - offset).entries()) {
    if (typeof rank !== 'number' || typeof bytes !== 'string')
      throw new TokenizerError(`vocab[${index}]`, rank, 'must have a rank and bytes in Base64');
    tokens.set(rank + offset, Buffer.from(bytes, 'base64').toString('latin1'));
  }
  const names = (specials ?? []).map(({ rank, token_str: content }, index): AddedToken => {
    if (typeof rank !== 'number' || typeof content !== 'string')
      throw new TokenizerError(`special_tokens[${index}]`, content, 'must have a rank and a text');
    return { id: rank, content, special: true, normalized: false };
  });
  const bos = names.find(({ content }) => content === '<s>')?.id ?? 1;
  return { ...modelOf(tokens, splitOf([pattern], 'config.pattern'), names), bos };
}

function modelOf(tokens: Map<number, string>, split: SplitName, added: readonly AddedToken[]): TokenizerModel {
  const byteIds: number[] = [];
  for (const [id, bytes] of tokens) if (bytes.length === 1) byteIds[bytes.charCodeAt(0)] = id;
  return { split, normalizer: 'none', spaces: false, prefixSpace: 'none', tokens, byteIds, merges: null, added, bos: null };
}
