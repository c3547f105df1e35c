import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';

/** A package as it is installed somewhere the app can reach. */
export interface InstalledCopy {
  readonly folder: string;
  readonly version: string;
}

/**
 * Every copy of a package that this app uses, or may use: what the app itself would get, what the packages `through` would get, and what is loaded
 * already.
 */
export function findCopies(name: string, through: readonly string[] = []): InstalledCopy[] {
  const own = [...workingFolder(), ...(require.main === undefined ? [] : [dirname(require.main.filename)])];
  const places = [...own, ...own.flatMap((place) => through.flatMap((each) => folderOf(each, place) ?? []))];
  const folders = new Set(places.flatMap((place) => folderOf(name, place) ?? []));
  for (const file of loadedFiles()) {
    const end = file.lastIndexOf(`${sep}node_modules${sep}${name.replace('/', sep)}${sep}`);
    if (end >= 0) folders.add(join(file.slice(0, end), 'node_modules', name));
  }
  return [...folders].flatMap((folder) => {
    const version = versionIn(folder, name);
    return version === undefined ? [] : [{ folder, version }];
  });
}

/** Loads a file of a copy, by its path in the package's folder: as it is, whatever the package exports. */
export function loadFrom(copy: InstalledCopy, file: string): unknown {
  return requireIn(copy.folder)(join(copy.folder, file));
}

/** What the modules below a folder export that have been loaded with `require`. */
export function loadedExports(folder: string): object[] {
  const { cache } = requireIn(folder);
  return loadedFiles().flatMap((file) => {
    const exported: unknown = file.startsWith(folder + sep) ? cache[file]?.exports : undefined;
    return typeof exported === 'object' && exported !== null ? [exported] : [];
  });
}

/** None where the folder has been deleted. */
function workingFolder(): string[] {
  try {
    return [process.cwd()];
  } catch {
    return [];
  }
}

function requireIn(folder: string): NodeJS.Require {
  return createRequire(join(folder, 'index.js'));
}

function loadedFiles(): string[] {
  return Object.keys(require.cache);
}

/** The folder of the package that a module in `place` would get. */
function folderOf(name: string, place: string): string | undefined {
  let file: string;
  try {
    file = realpathSync(requireIn(place).resolve(name));
  } catch {
    return undefined;
  }
  for (let folder = dirname(file); dirname(folder) !== folder; folder = dirname(folder)) {
    if (versionIn(folder, name) !== undefined) return folder;
  }
  return undefined;
}

/** A package may have manifests further in, which name it without a version. */
function versionIn(folder: string, name: string): string | undefined {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return undefined;
  try {
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown; version?: unknown };
    return manifest.name === name && typeof manifest.version === 'string' ? manifest.version : undefined;
  } catch {
    return undefined;
  }
}
