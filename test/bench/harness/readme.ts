import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * Puts `text` between the `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` lines of a Markdown file.
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
