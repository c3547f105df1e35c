import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NO_VALUE } from '../../common/errors.js';
import { readRegularFileSync } from '../../common/regular-file.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { TOKENIZER_CONFIG_FILE } from './chat-template-file.js';
import { isTiktoken, readTekken, readTiktoken } from './rank-files.js';
import { readAddedById, readTokenizerJson } from './tokenizer-json.js';
import { TokenizerError, type SplitName, type TokenizerModel } from './tokenizer-model.js';

const JSON_STARTS_WITHIN = 64;
const LONGEST_FIRST_LINE = 1 << 14;
const NO_TOKENIZER = 'must be a tokenizer.json, a tekken.json or a .tiktoken file (for a SentencePiece model, use its tokenizer.json)';

/** Reads the megabytes of a `tokenizer.json` several times faster; `null` if it cannot. */
export type NativeReader = Pick<NativeBinding, 'readVocabulary'>;

/**
 * Reads a tokenizer's file, of any of the known kinds.
 * @throws TokenizerError naming what cannot be counted exactly.
 */
export function readTokenizer(file: string, split: SplitName | undefined, native?: NativeReader | null): TokenizerModel {
  const data = readRegularFileSync(file);
  if (!isJson(data)) {
    const head = data.toString('utf8', 0, LONGEST_FIRST_LINE);
    if (!isTiktoken(head)) throw new TokenizerError(basename(file), head.slice(0, 20), NO_TOKENIZER);
    if (split === undefined)
      throw new TokenizerError('split', split, 'must be the pattern that splits text, if the file is a .tiktoken file');
    // Next to a `.tiktoken` file, it contains the model's added tokens.
    const config = join(dirname(file), TOKENIZER_CONFIG_FILE);
    return readTiktoken(data.toString(), split, existsSync(config) ? readAddedById(parsed(config, readRegularFileSync(config))) : []);
  }
  const read = native?.readVocabulary(data);
  if (read) return readTokenizerJson(JSON.parse(read.rest), read);
  const json = parsed(file, data);
  const isTekken = typeof json === 'object' && json !== null && 'config' in json && 'vocab' in json;
  return isTekken ? readTekken(json) : readTokenizerJson(json);
}

function isJson(data: Buffer): boolean {
  return data.subarray(0, JSON_STARTS_WITHIN).toString().trimStart().startsWith('{');
}

function parsed(file: string, data: Buffer): unknown {
  try {
    return JSON.parse(data.toString());
  } catch (error) {
    throw new TokenizerError(basename(file), NO_VALUE, `must be valid JSON (${(error as Error).message.slice(0, 80)})`);
  }
}
