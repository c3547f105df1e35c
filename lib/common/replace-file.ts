import { open, readdir, readlink, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Who may read and write a file: its owner alone. */
export const OWNER_ONLY = 0o600;

/**
 * Writes a file as a whole: readers find the former one or the new one, also after a crash. A link
 * stays one: its target is replaced, or created if the link is dangling.
 * @throws what the disk answers; then the former file is as it was
 */
export async function replaceFile(file: string, mode: number, write: (draft: FileHandle) => Promise<unknown>): Promise<void> {
  const target = await targetOf(file);
  const draft = `${target}.${process.pid}.tmp`;
  // Remove leftovers of a crash, or a link in their place: never write to them.
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
 * Removes temporary files of `replaceFile` that killed processes left. The caller has to prevent
 * other processes from writing the file meanwhile.
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
