import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { seeded, shuffled } from '../harness/random.js';

export const FRESH_KINDS = ['md', 'js', 'ts', 'json'] as const;
export type FreshKind = (typeof FRESH_KINDS)[number];

const SLICE_BYTES = 4096;
/** So that no single bundle makes up a stream. */
const SLICES_PER_FILE = 16;

/**
 * 4 KB slices of those of the files that are of one kind, each a string of its own, in an order
 * that depends on the seed alone: at most `count`, fewer when the tree is small. Slices that hold
 * the text of a special token are left out, as packages differ there by design.
 */
export function freshSlices(files: readonly string[], kind: FreshKind, count: number): string[] {
  const slices: string[] = [];
  const ofKind = files.filter((file) => file.endsWith(`.${kind}`));
  for (const file of shuffled(seeded(kind.length), ofKind)) {
    const bytes = readFileSync(file);
    for (let i = 0, start = 0; i < SLICES_PER_FILE && start + SLICE_BYTES <= bytes.length; i++, start += SLICE_BYTES) {
      const text = bytes.toString('utf8', characterStart(bytes, start), characterStart(bytes, start + SLICE_BYTES));
      if (!text.includes('<|')) slices.push(text);
    }
    if (slices.length >= count * 4) break;
  }
  return shuffled(seeded(count), slices).slice(0, count);
}

function characterStart(bytes: Buffer, at: number): number {
  while (at < bytes.length && (bytes[at] & 0xc0) === 0x80) at++;
  return at;
}

/**
 * All files of a folder (an installed dependency tree), in an order independent of the file system.
 */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
