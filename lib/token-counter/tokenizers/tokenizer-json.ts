import { bytesOfCharacters } from './byte-alphabet.js';
import { splitOf } from './split-patterns.js';
import { respelled, type Respell, type SpelledVocabulary, type TokenTable } from './token-table.js';
import {
  isFileId,
  MOST_FILE_IDS,
  TokenizerError,
  type AddedToken,
  type PrefixSpace,
  type SplitName,
  type TokenBounds,
  type TokenizerModel,
} from './tokenizer-model.js';

type Json = Readonly<Record<string, unknown>>;

/** The character that stands for a space. */
const METASPACE = '\u2581';
/** The pattern of any other byte-level pre-tokenizer with `use_regex`. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Reads a `tokenizer.json` of Hugging Face's library. `spelled`: its vocabulary and merges, where
 * the JSON is without them.
 * @throws TokenizerError naming the part that cannot be counted exactly.
 */
export function readTokenizerJson(json: unknown, spelled?: SpelledVocabulary): TokenizerModel {
  const file = record(json, 'tokenizer.json');
  const model = record(file.model, 'model');
  checkModel(model);
  const isCharacters = model.byte_fallback === true;
  const vocabulary = spelled ?? spelledVocabulary(model);
  const tokens = respelled(vocabulary, isCharacters ? charactersToBytes : bytesOfCharacters);
  const normalizer = readNormalizer(file.normalizer, isCharacters);
  const split = isCharacters ? characters(file.pre_tokenizer) : byteLevel(file.pre_tokenizer);
  const added = readAdded(file.added_tokens);
  return {
    split: split.split,
    normalizer: normalizer.form,
    spaces: isCharacters,
    prefixSpace: normalizer.prefixSpace === 'none' ? split.prefixSpace : normalizer.prefixSpace,
    tokens,
    byteIds: byteIdsOf(tokens, isCharacters ? fallbackIds(vocabulary) : []),
    merges: { left: vocabulary.left, right: vocabulary.right, made: vocabulary.made, rank: vocabulary.left.map((_, rank) => rank) },
    ignoresMerges: model.ignore_merges === true,
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
  if (isFallback === true && model.ignore_merges === true)
    throw new TokenizerError('model.ignore_merges', true, 'must be false for a character vocabulary');
  if (isFallback !== true && typeof unknown === 'string' && unknown !== '')
    throw new TokenizerError('model.unk_token', unknown, 'must be null for a vocabulary with all bytes');
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
  let removing: string | undefined = undefined;
  for (const [step, path] of stepsOf(value, 'pre_tokenizer', 'pretokenizers')) {
    if (isByteLevel) throw new TokenizerError(path, step.type, 'must not follow ByteLevel');
    if (step.type === 'Split') {
      passes.push(regexOf(step, path));
      if (step.behavior === 'Removed') removing = path;
    } else if (step.type === 'Digits' && step.individual_digits === true) passes.push('digits');
    else if (step.type === 'ByteLevel' && step.add_prefix_space !== true) {
      isByteLevel = true;
      if (step.use_regex !== false) passes.push(GPT2);
    } else throw new TokenizerError(path, step.type, 'must be Split, Digits with individual digits, or ByteLevel without a prefix space');
  }
  if (!isByteLevel) throw new TokenizerError('pre_tokenizer', value, 'must end with ByteLevel, or the model must have byte_fallback');
  if (removing !== undefined && passes.length > 1) throw new TokenizerError(removing, 'Removed', 'must be the only split');
  return { split: splitOf(passes, 'pre_tokenizer'), prefixSpace: 'none' };
}

/**
 * Files made from tiktoken's remove what does not match. The known patterns match every character,
 * so that the pieces of a single split are the same.
 */
function regexOf({ pattern, behavior, invert }: Json, path: string): string {
  const regex = record(pattern, `${path}.pattern`).Regex;
  const isIsolating = invert === true ? behavior === 'Removed' : behavior === 'Isolated';
  if (typeof regex !== 'string' || !isIsolating)
    throw new TokenizerError(path, behavior, 'must be a regular expression with isolated matches');
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
  return array(value ?? [], 'added_tokens').map((entry, index) =>
    addedToken(`added_tokens[${index}]`, record(entry, `added_tokens[${index}]`)),
  );
}

/** Added tokens of `tokenizer_config.json`, which has them by their ids. */
export function readAddedById(config: unknown): AddedToken[] {
  const path = 'tokenizer_config.json: added_tokens_decoder';
  const decoder = record(record(config, 'tokenizer_config.json').added_tokens_decoder ?? {}, path);
  return Object.entries(decoder).map(([id, entry]) => addedToken(`${path}[${id}]`, { ...record(entry, `${path}[${id}]`), id: Number(id) }));
}

function addedToken(path: string, { id, content, special, normalized, single_word: word, lstrip, rstrip }: Json): AddedToken {
  if (!isFileId(id) || typeof content !== 'string' || content === '')
    throw new TokenizerError(path, content, 'must have an id and non-empty content');
  if (special !== true && (word === true || lstrip === true || rstrip === true))
    throw new TokenizerError(path, content, 'must not set single_word, lstrip or rstrip unless special is true');
  const bounds: TokenBounds = { lstrip: lstrip === true, rstrip: rstrip === true, singleWord: word === true };
  const isBound = bounds.lstrip || bounds.rstrip || bounds.singleWord;
  return { id, content, special: special === true, normalized: normalized === true, ...(isBound && { bounds }) };
}

function spelledVocabulary(model: Json): SpelledVocabulary {
  const vocabulary = record(model.vocab, 'model.vocab') as Readonly<Record<string, number>>;
  const texts = Object.keys(vocabulary);
  for (const token of texts) {
    const id = vocabulary[token];
    if (!isFileId(id))
      throw new TokenizerError(`model.vocab[${JSON.stringify(token.slice(0, 40))}]`, id, `must be an id below ${MOST_FILE_IDS}`);
  }
  return {
    texts: Buffer.from(texts.join('')),
    lengths: Uint32Array.from(texts, (token) => Buffer.byteLength(token)),
    ids: Uint32Array.from(texts, (token) => vocabulary[token]),
    ...readMerges(model.merges, vocabulary),
  };
}

function readMerges(value: unknown, vocabulary: Readonly<Record<string, number>>): Pick<SpelledVocabulary, 'left' | 'right' | 'made'> {
  const list = array(value, 'model.merges');
  const [left, right, made] = Array.from({ length: 3 }, () => new Uint32Array(list.length));
  for (const [index, entry] of list.entries()) {
    const [first, second]: readonly unknown[] = typeof entry === 'string' ? entry.split(' ') : array(entry, `model.merges[${index}]`);
    const ids = [first, second, `${first as string}${second as string}`].map((token) => vocabulary[token as string]);
    if (!ids.every(Number.isInteger))
      throw new TokenizerError(`model.merges[${index}]`, entry, 'both tokens and the token they merge into must be in the vocabulary');
    [left[index], right[index], made[index]] = ids;
  }
  return { left, right, made };
}

/** For a vocabulary of characters that writes a space as U+2581. */
const charactersToBytes: Respell = (texts, start, end, target, at) => {
  // Bytes have their own table.
  if (fallbackByte(texts, start, end) !== undefined) return -1;
  for (let from = start; from < end; from++) {
    // No text has a space when it is merged.
    if (texts[from] === SPACE) return -1;
    const isMetaspace =
      texts[from] === METASPACE_BYTES[0] && texts[from + 1] === METASPACE_BYTES[1] && texts[from + 2] === METASPACE_BYTES[2];
    target[at++] = isMetaspace ? SPACE : texts[from];
    if (isMetaspace) from += 2;
  }
  return at;
};

const SPACE = 0x20;
const METASPACE_BYTES = Buffer.from(METASPACE);
const FALLBACK = /^<0x([0-9A-F]{2})>$/;
const FALLBACK_BYTES = 6;

/** The byte that `<0xNN>` stands for. */
function fallbackByte(texts: Uint8Array, start: number, end: number): number | undefined {
  if (end - start !== FALLBACK_BYTES || texts[start] !== 0x3c) return undefined;
  const found = FALLBACK.exec(String.fromCharCode(...texts.subarray(start, end)));
  return found === null ? undefined : Number.parseInt(found[1], 16);
}

function fallbackIds({ texts, lengths, ids }: SpelledVocabulary): number[] {
  const found: number[] = [];
  for (let index = 0, start = 0; index < ids.length; start += lengths[index++]) {
    const byte = fallbackByte(texts, start, start + lengths[index]);
    if (byte !== undefined) found[byte] = ids[index];
  }
  return found;
}

function byteIdsOf(tokens: TokenTable, fallback: readonly number[]): number[] {
  return tokens.byteIds().map((own, byte) => {
    const id = own ?? fallback[byte];
    if (id === undefined) throw new TokenizerError('model.vocab', byte, 'must have a token for each byte');
    return id;
  });
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
