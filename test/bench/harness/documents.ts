import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..', '..');

/** Where the three figures of the first screen stand. */
export const README = join(ROOT, 'README.md');
/** Where the tables of each bench, and every target, stand. */
const BENCHMARKS = join(ROOT, 'docs', 'benchmarks.md');

/** Writes the result of a bench into its section of docs/benchmarks.md; logs a missing section. */
export function writeReport(name: string, text: string): void {
  if (writeSection(BENCHMARKS, name, text)) return;
  console.error(`docs/benchmarks.md has no <!-- bench:${name} --> section: nothing written there`);
}

/**
 * Writes `text` between the lines `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of a file.
 * Returns false, and writes nothing, when the file or the markers are missing.
 */
export function writeSection(file: string, name: string, text: string): boolean {
  if (!existsSync(file)) return false;
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const old = readFileSync(file, 'utf8');
  const start = old.indexOf(open);
  const end = old.indexOf(close, start);
  if (start < 0 || end < 0) return false;
  writeFileSync(file, `${old.slice(0, start + open.length)}\n\n${text.trim()}\n\n${old.slice(end)}`);
  return true;
}
