import { open, readdir, readlink, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Who may read and write a file: its owner alone. */
export const OWNER_ONLY = 0o600;

/**
 * Replaces a file atomically: readers see the old or the new content, even after a crash. A link is
 * kept: its target is replaced, or created if the link is dangling.
 * @throws the file system's error; the old file is then unchanged
 */
export async function replaceFile(file: string, mode: number, write: (draft: FileHandle) => Promise<unknown>): Promise<void> {
  const target = await targetOf(file);
  const draft = `${target}.${process.pid}.tmp`;
  // Never write to a leftover of a crash, or to a link in its place: remove it.
  await rm(draft, { force: true });
  const handle = await open(draft, 'wx', mode);
  try {
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/**
 * Removes temporary files of `replaceFile` that killed processes left. The caller must prevent
 * other processes from writing the file in the meantime.
 */
export async function removeDrafts(file: string): Promise<void> {
  const target = await targetOf(file);
  const [folder, name] = [dirname(target), basename(target)];
  const isDraft = (entry: string): boolean => entry.startsWith(`${name}.`) && /^\d+\.tmp$/.test(entry.slice(name.length + 1));
  const entries = await readdir(folder).catch(() => []);
  await Promise.all(entries.filter(isDraft).map((entry) => rm(join(folder, entry), { force: true })));
}

/** Most links to follow, as in Linux. */
const MOST_LINKS = 40;

/** Resolves links, even to a file that does not exist. */
async function targetOf(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch {
    let target = file;
    for (let links = 0; links < MOST_LINKS; links++) {
      const link = await readlink(target).catch(() => undefined);
      if (link === undefined) return target;
      target = resolve(dirname(target), link);
    }
    throw new Error(`${file}: must have at most ${MOST_LINKS} symbolic links`);
  }
}
