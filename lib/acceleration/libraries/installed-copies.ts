import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';

/** An installed package. */
export interface InstalledCopy {
  readonly folder: string;
  readonly version: string;
}

/**
 * Every copy of a package that this app may use: the one that the app resolves, those that the
 * packages `through` resolve, and those that are loaded.
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

/** Loads a file of a copy by its path in the package, whether or not the package exports it. */
export function loadFrom(copy: InstalledCopy, file: string): unknown {
  return requireIn(copy.folder)(join(copy.folder, file));
}

/** The exports of all modules below a folder that were loaded with `require`. */
export function loadedExports(folder: string): object[] {
  const { cache } = requireIn(folder);
  return loadedFiles().flatMap((file) => {
    const exported: unknown = file.startsWith(folder + sep) ? cache[file]?.exports : undefined;
    return typeof exported === 'object' && exported !== null ? [exported] : [];
  });
}

/** Empty if the folder was deleted. */
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

/** The folder of the package that a module in `place` resolves. */
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

/** The version in the manifest of a folder; manifests of inner folders have none. */
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
