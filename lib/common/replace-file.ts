import { open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';

/** Who may read and write a file: its owner alone. */
export const OWNER_ONLY = 0o600;

/**
 * Writes a file as a whole: readers find the former one or the new one, also after a crash. A link
 * stays one: the file behind it is replaced.
 * @throws what the disk answers; then the former file is as it was
 */
export async function replaceFile(file: string, mode: number, write: (draft: FileHandle) => Promise<unknown>): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const draft = `${target}.${process.pid}.tmp`;
  // What a crash has left, or a link in its place: neither is written to.
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
