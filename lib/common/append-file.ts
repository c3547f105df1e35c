import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { NON_BLOCKING } from './regular-file.js';

const APPENDING = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | NON_BLOCKING;
/** Between writes to a pipe that is full: Linux holds 64 KB. */
const RETRY_MS = 5;
/** Longest wait for the reader of a full pipe: a shutdown must not wait for one that hangs. */
const LONGEST_WAIT_MS = 1000;

/**
 * Appends to a file, which is made if it is missing. It may be a pipe: while nothing reads that, it
 * rejects (ENXIO, or EAGAIN after a second without a reader's progress), where Node's `appendFile`
 * would block a thread of the process forever.
 * @param mode Who may read and write a file that is made. Default 0o666, less the umask
 */
export async function appendToFile(file: string, text: string, mode = 0o666): Promise<void> {
  const handle = await open(file, APPENDING, mode);
  try {
    await writeAll(handle, Buffer.from(text));
  } finally {
    await handle.close();
  }
}

/** A full pipe takes a part or nothing (EAGAIN): to begin again would write that part twice. */
async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  let waitedMs = 0;
  for (let at = 0; at < bytes.length;) {
    try {
      at += (await handle.write(bytes, at)).bytesWritten;
      waitedMs = 0;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || waitedMs >= LONGEST_WAIT_MS) throw error;
      waitedMs += RETRY_MS;
      await sleep(RETRY_MS);
    }
  }
}
