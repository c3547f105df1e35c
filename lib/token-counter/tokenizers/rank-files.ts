import { splitOf } from './split-patterns.js';
import { TokenTable } from './token-table.js';
import { isFileId, TokenizerError, type AddedToken, type Merges, type SplitName, type TokenizerModel } from './tokenizer-model.js';

/** A line of a `.tiktoken` file: a token in Base64, and its rank. */
const LINE = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})$/;

/** Whether a file begins as a `.tiktoken` file does. */
export function isTiktoken(head: string): boolean {
  return LINE.test(head.split(/\r?\n/, 1)[0]);
}

/**
 * Reads a `.tiktoken` file (`tiktoken.model`, `qwen.tiktoken`): tokens and ranks, no pattern.
 * `added`: what another file of the model has.
 * @throws TokenizerError naming the line.
 */
export function readTiktoken(text: string, split: SplitName, added: readonly AddedToken[]): TokenizerModel {
  const tokens = new Map<number, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '') continue;
    const found = LINE.exec(line);
    if (found === null) throw new TokenizerError(`line ${index + 1}`, line, 'must be a token in Base64 and its rank');
    tokens.set(Number(found[2]), Buffer.from(found[1], 'base64').toString('latin1'));
  }
  // Of the models with such files, Qwen's have these splits, and compose characters first.
  const normalizer = split === 'cl100k-digits' || split === 'cl100k-marks' ? 'nfc' : 'none';
  return { ...modelOf(tokens, split, added), normalizer };
}

interface Tekken {
  readonly config?: { readonly pattern?: unknown; readonly default_vocab_size?: unknown; readonly default_num_special_tokens?: unknown };
  readonly vocab?: readonly ({ readonly rank?: unknown; readonly token_bytes?: unknown } | null)[];
  readonly special_tokens?: readonly ({ readonly rank?: unknown; readonly token_str?: unknown } | null)[];
}

/** Of files that name none, by their ids: mistral-common's `DEPRECATED_SPECIAL_TOKENS`. */
const OLD_SPECIALS =
  '<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] [IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]'.split(
    ' ',
  );

/**
 * Reads Mistral's `tekken.json`: ids are ranks after the special tokens.
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
  for (const [index, entry] of (vocab as NonNullable<Tekken['vocab']>).slice(0, size - offset).entries()) {
    const { rank, token_bytes: bytes } = entry ?? {};
    if (!isFileId(rank) || typeof bytes !== 'string')
      throw new TokenizerError(`vocab[${index}]`, rank, 'must have a rank and bytes in Base64');
    tokens.set(rank + offset, Buffer.from(bytes, 'base64').toString('latin1'));
  }
  if (specials !== undefined && !Array.isArray(specials)) throw new TokenizerError('special_tokens', specials, 'must be an array');
  const given = (specials ?? OLD_SPECIALS.map((text, rank) => ({ rank, token_str: text }))) as NonNullable<Tekken['special_tokens']>;
  const names = given.map((entry, index): AddedToken => {
    const { rank, token_str: content } = entry ?? {};
    if (!isFileId(rank) || typeof content !== 'string')
      throw new TokenizerError(`special_tokens[${index}]`, content, 'must have a rank and a text');
    return { id: rank, content, special: true, normalized: false };
  });
  const bos = names.find(({ content }) => content === '<s>')?.id ?? 1;
  return { ...modelOf(tokens, splitOf([pattern], 'config.pattern'), names), bos };
}

function modelOf(tokens: Map<number, string>, split: SplitName, added: readonly AddedToken[]): TokenizerModel {
  const table = TokenTable.of(new Map(Array.from(tokens, ([id, bytes]) => [id, Buffer.from(bytes, 'latin1')])));
  return {
    split,
    normalizer: 'none',
    spaces: false,
    prefixSpace: 'none',
    tokens: table,
    byteIds: table.byteIds() as number[],
    merges: mergesOf(tokens),
    ignoresMerges: true,
    added,
    bos: null,
  };
}

/** Each two tokens that make one: its rank is its id. */
function mergesOf(tokens: ReadonlyMap<number, string>): Merges {
  const ids = new Map([...tokens].map(([id, bytes]) => [bytes, id]));
  const [left, right, made]: number[][] = [[], [], []];
  for (const [id, bytes] of tokens) {
    for (let at = 1; at < bytes.length; at++) {
      const [first, second] = [ids.get(bytes.slice(0, at)), ids.get(bytes.slice(at))];
      if (first === undefined || second === undefined) continue;
      left.push(first);
      right.push(second);
      made.push(id);
    }
  }
  return { left: Uint32Array.from(left), right: Uint32Array.from(right), made: Uint32Array.from(made), rank: Uint32Array.from(made) };
}
