import { bytesOfToken, BYTE_CHARACTERS } from './byte-alphabet.js';
import { splitOf } from './split-patterns.js';
import { TokenizerError, type AddedToken, type Merges, type PrefixSpace, type SplitName, type TokenizerModel } from './tokenizer-model.js';

type Json = Readonly<Record<string, unknown>>;

/** Ids are written as 32 bits; the last one means none. */
const LARGEST_ID = 2 ** 32 - 2;

/** The character that stands for a space. */
const METASPACE = '\u2581';
/** Any other byte-level pre-tokenizer splits by this pattern if it is told to. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Reads a `tokenizer.json` of Hugging Face's library.
 * @throws TokenizerError naming the part that cannot be counted exactly.
 */
export function readTokenizerJson(json: unknown): TokenizerModel {
  const file = record(json, 'tokenizer.json');
  const model = record(file.model, 'model');
  checkModel(model);
  const isCharacters = model.byte_fallback === true;
  const vocabulary = readVocabulary(record(model.vocab, 'model.vocab'));
  const normalizer = readNormalizer(file.normalizer, isCharacters);
  const split = isCharacters ? characters(file.pre_tokenizer) : byteLevel(file.pre_tokenizer);
  const added = readAdded(file.added_tokens);
  return {
    split: split.split,
    normalizer: normalizer.form,
    spaces: isCharacters,
    prefixSpace: normalizer.prefixSpace === 'none' ? split.prefixSpace : normalizer.prefixSpace,
    tokens: readTokens(vocabulary, isCharacters),
    byteIds: isCharacters ? fallbackBytes(vocabulary) : BYTE_CHARACTERS.map((character) => vocabulary.get(character) as number),
    merges: readMerges(model.merges, vocabulary),
    added,
    bos: readBos(file.post_processor),
  };
}

function checkModel(model: Json): void {
  const { type = 'BPE', dropout, unk_token: unknown, byte_fallback: isFallback } = model;
  if (type !== 'BPE') throw new TokenizerError('model.type', type, 'must be BPE');
  if (typeof dropout === 'number' && dropout > 0) throw new TokenizerError('model.dropout', dropout, 'must be 0');
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (typeof model[key] === 'string' && model[key] !== '') throw new TokenizerError(`model.${key}`, model[key], 'must be empty');
  if (isFallback !== true && typeof unknown === 'string' && unknown !== '')
    throw new TokenizerError('model.unk_token', unknown, 'must be null for a vocabulary that has all bytes');
}

interface Normalizer {
  readonly form: TokenizerModel['normalizer'];
  readonly prefixSpace: PrefixSpace;
}

function readNormalizer(value: unknown, isCharacters: boolean): Normalizer {
  let form: TokenizerModel['normalizer'] = 'none';
  let prefixSpace: PrefixSpace = 'none';
  for (const [step, path] of stepsOf(value, 'normalizer', 'normalizers')) {
    if (step.type === 'NFC' && !isCharacters) form = 'nfc';
    else if (step.type === 'NFKC' && !isCharacters) form = 'nfkc';
    else if (step.type === 'Replace' && isCharacters && isMetaspaceRule(step)) continue;
    else if (step.type === 'Prepend' && isCharacters && step.prepend === METASPACE) prefixSpace = 'always';
    else throw new TokenizerError(path, step.type, 'must be NFC, NFKC or the rules for U+2581');
  }
  return { form, prefixSpace };
}

function isMetaspaceRule({ pattern, content }: Json): boolean {
  return content === METASPACE && JSON.stringify(pattern) === '{"String":" "}';
}

interface Split {
  readonly split: SplitName;
  readonly prefixSpace: PrefixSpace;
}

/** Passes of `Split` and `Digits`, then `ByteLevel`, which may split once more. */
function byteLevel(value: unknown): Split {
  const passes: string[] = [];
  let isByteLevel = false;
  for (const [step, path] of stepsOf(value, 'pre_tokenizer', 'pretokenizers')) {
    if (isByteLevel) throw new TokenizerError(path, step.type, 'must not follow ByteLevel');
    if (step.type === 'Split') passes.push(regexOf(step, path));
    else if (step.type === 'Digits' && step.individual_digits === true) passes.push('digits');
    else if (step.type === 'ByteLevel' && step.add_prefix_space !== true) {
      isByteLevel = true;
      if (step.use_regex !== false) passes.push(GPT2);
    } else throw new TokenizerError(path, step.type, 'must be Split, Digits one by one or ByteLevel without a prefix');
  }
  if (!isByteLevel) throw new TokenizerError('pre_tokenizer', value, 'must end with ByteLevel, or the model must have byte_fallback');
  return { split: splitOf(passes, 'pre_tokenizer'), prefixSpace: 'none' };
}

function regexOf({ pattern, behavior, invert }: Json, path: string): string {
  const regex = record(pattern, `${path}.pattern`).Regex;
  const isPlain = typeof regex === 'string' && behavior === 'Isolated' && invert !== true;
  if (!isPlain) throw new TokenizerError(path, behavior, 'must be a regular expression whose matches are isolated');
  return regex;
}

/** No split: a `Split` at spaces never finds one, since all are U+2581 by then. */
function characters(value: unknown): Split {
  let prefixSpace: PrefixSpace = 'none';
  for (const [step, path] of stepsOf(value, 'pre_tokenizer', 'pretokenizers')) {
    if (step.type === 'Split' && JSON.stringify(step.pattern) === '{"String":" "}') continue;
    if (step.type !== 'Metaspace' || step.replacement !== METASPACE || step.split !== false)
      throw new TokenizerError(path, step.type, 'must be none, or Metaspace with split false');
    if (step.prepend_scheme === 'always') prefixSpace = 'where-missing';
    else if (step.prepend_scheme === 'first') prefixSpace = 'first';
  }
  return { split: 'characters', prefixSpace };
}

function* stepsOf(value: unknown, path: string, key: string): Generator<readonly [step: Json, path: string]> {
  if (value === null || value === undefined) return;
  const step = record(value, path);
  if (step.type !== 'Sequence') {
    yield [step, path];
    return;
  }
  for (const [index, inner] of array(step[key], `${path}.${key}`).entries()) yield* stepsOf(inner, `${path}.${key}[${index}]`, key);
}

function readAdded(value: unknown): AddedToken[] {
  return array(value ?? [], 'added_tokens').map((entry, index) => {
    const path = `added_tokens[${index}]`;
    const { id, content, special, normalized, single_word: word, lstrip, rstrip } = record(entry, path);
    if (!isId(id) || typeof content !== 'string' || content === '') throw new TokenizerError(path, entry, 'must have an id and a content');
    if (special !== true && (word === true || lstrip === true || rstrip === true))
      throw new TokenizerError(path, content, 'must not depend on what is around it (single_word, lstrip, rstrip)');
    return { id, content, special: special === true, normalized: normalized === true };
  });
}

/** The ids of tokens; a map, because `constructor` is a token of some. */
type Vocabulary = ReadonlyMap<string, number>;

function readVocabulary(given: Json): Vocabulary {
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(given)) {
    if (!isId(id)) throw new TokenizerError(`model.vocab[${JSON.stringify(token.slice(0, 40))}]`, id, 'must be an id');
    vocabulary.set(token, id);
  }
  return vocabulary;
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LARGEST_ID;
}

function readTokens(vocabulary: Vocabulary, isCharacters: boolean): Map<number, string> {
  const tokens = new Map<number, string>();
  for (const [token, id] of vocabulary) {
    const bytes = isCharacters ? charactersToBytes(token) : bytesOfToken(token);
    if (bytes !== undefined) tokens.set(id, bytes);
  }
  return tokens;
}

const FALLBACK = /^<0x[0-9A-F]{2}>$/;

function charactersToBytes(token: string): string | undefined {
  // No text has a space when it is merged; bytes have their own table.
  if (token.includes(' ') || FALLBACK.test(token)) return undefined;
  return Buffer.from(token.replaceAll(METASPACE, ' ')).toString('latin1');
}

function fallbackBytes(vocabulary: Vocabulary): number[] {
  return Array.from({ length: 256 }, (_, byte) => {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    const character = byte < 0x80 ? (byte === 0x20 ? METASPACE : String.fromCharCode(byte)) : undefined;
    const id = (character === undefined ? undefined : vocabulary.get(character)) ?? vocabulary.get(name);
    if (id === undefined) throw new TokenizerError('model.vocab', name, 'must have a token for each byte');
    return id;
  });
}

function readMerges(value: unknown, vocabulary: Vocabulary): Merges {
  const list = array(value, 'model.merges');
  const merges = { left: new Uint32Array(list.length), right: new Uint32Array(list.length), made: new Uint32Array(list.length) };
  for (const [index, entry] of list.entries()) {
    const [left, right] = typeof entry === 'string' ? entry.split(' ') : (array(entry, `model.merges[${index}]`) as readonly string[]);
    const ids = [left, right, `${left}${right}`].map((token) => vocabulary.get(token));
    if (ids.includes(undefined)) throw new TokenizerError(`model.merges[${index}]`, entry, 'must be of tokens of the vocabulary');
    [merges.left[index], merges.right[index], merges.made[index]] = ids as number[];
  }
  return merges;
}

/** Of the template for one text: the token in front of it. */
function readBos(value: unknown): number | null {
  for (const [step] of stepsOf(value, 'post_processor', 'processors')) {
    if (step.type !== 'TemplateProcessing') continue;
    const first = record(array(step.single, 'post_processor.single')[0] ?? {}, 'post_processor.single[0]').SpecialToken;
    if (first === undefined) return null;
    const name = record(first, 'post_processor.single[0]').id as string;
    const token = record(record(step.special_tokens, 'post_processor.special_tokens')[name], 'post_processor.special_tokens');
    return (token.ids as readonly number[])[0] ?? null;
  }
  return null;
}

function record(value: unknown, path: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TokenizerError(path, value, 'must be an object');
  return value as Json;
}

function array(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new TokenizerError(path, value, 'must be an array');
  return value;
}
