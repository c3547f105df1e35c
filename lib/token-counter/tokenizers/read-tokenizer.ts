import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { readTekken, readTiktoken } from './rank-files.js';
import { readTokenizerJson } from './tokenizer-json.js';
import { TokenizerError, type SplitName, type TokenizerModel } from './tokenizer-model.js';

/**
 * Reads a tokenizer's file, of any of the known kinds.
 * @throws TokenizerError naming what cannot be counted exactly.
 */
export function readTokenizer(file: string, split: SplitName | undefined): TokenizerModel {
  const text = readFileSync(file, 'utf8');
  if (!text.trimStart().startsWith('{')) {
    if (split === undefined) throw new TokenizerError('split', split, 'must tell how the texts of a .tiktoken file are split');
    return readTiktoken(text, split);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new TokenizerError(basename(file), undefined, `must be JSON (${(error as Error).message.slice(0, 80)})`);
  }
  const isTekken = typeof json === 'object' && json !== null && 'config' in json && 'vocab' in json;
  return isTekken ? readTekken(json) : readTokenizerJson(json);
}
