import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The project's root. */
export const root = join(__dirname, '..', '..');

const skipped = new Set(['node_modules', 'target', 'dist', 'coverage', 'vectors']);

/**
 * The files under `folders` whose name matches, by their path from the root.
 * @param pattern what a file's name has to match
 */
export function readSources(folders: readonly string[], pattern: RegExp): Map<string, string> {
  const sources = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name)) visit(path);
      } else if (pattern.test(entry.name)) {
        sources.set(path, readFileSync(join(root, path), 'utf8'));
      }
    }
  };
  folders.filter((folder) => existsSync(join(root, folder))).forEach(visit);
  return sources;
}
