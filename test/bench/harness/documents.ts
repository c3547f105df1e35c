import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..', '..');

/** Where the three figures of the first screen stand. */
export const README = join(ROOT, 'README.md');
/** Where the tables of each bench, and every target, stand. */
export const BENCHMARKS = join(ROOT, 'docs', 'benchmarks.md');

/** Writes the result of a bench into its section of docs/benchmarks.md; logs a missing section. */
export function writeReport(name: string, text: string): void {
  if (writeSection(BENCHMARKS, name, text)) return;
  console.error(`docs/benchmarks.md has no <!-- bench:${name} --> section: nothing written there`);
}

/** The text of a section of a file; nothing where file or markers are missing. */
export function sectionIn(file: string, name: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const place = placeIn(readFileSync(file, 'utf8'), name);
  return place?.text;
}

/**
 * Writes `text` between the lines `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of a file.
 * Returns false, and writes nothing, when the file or the markers are missing.
 */
export function writeSection(file: string, name: string, text: string): boolean {
  if (!existsSync(file)) return false;
  const old = readFileSync(file, 'utf8');
  const place = placeIn(old, name);
  if (place === undefined) return false;
  writeFileSync(file, `${old.slice(0, place.start)}\n\n${text.trim()}\n\n${old.slice(place.end)}`);
  return true;
}

function placeIn(document: string, name: string): { readonly start: number; readonly end: number; readonly text: string } | undefined {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const at = document.indexOf(open);
  const end = document.indexOf(close, at);
  if (at < 0 || end < 0) return undefined;
  const start = at + open.length;
  return { start, end, text: document.slice(start, end) };
}
