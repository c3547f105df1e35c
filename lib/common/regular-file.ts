import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** A hundred times the largest file that the package writes. */
const MOST_BYTES = 256 * 1024 * 1024;
/** Opening a pipe would block until another process opens it, too; Windows has no such pipes. */
export const NON_BLOCKING = (constants.O_NONBLOCK as number | undefined) ?? 0;
const READING = constants.O_RDONLY | NON_BLOCKING;

/**
 * Reads a whole file that may be replaced by anything while the app runs: a pipe would block the
 * process, a device such as `/dev/zero` fill its memory.
 * @throws Error unless it is a regular file of at most 256 MB; the error of the file system
 */
export async function readRegularFile(file: string): Promise<Buffer> {
  const handle = await open(file, READING);
  try {
    checkRegular(await handle.stat());
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** As `readRegularFile`, at once. */
export function readRegularFileSync(file: string): Buffer {
  const descriptor = openSync(file, READING);
  try {
    checkRegular(fstatSync(descriptor));
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function checkRegular(stats: Stats): void {
  if (!stats.isFile()) throw new Error('must be a regular file');
  if (stats.size > MOST_BYTES) throw new Error(`must have at most ${MOST_BYTES} bytes`);
}
