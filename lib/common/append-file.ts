import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { NON_BLOCKING } from './regular-file.js';

const APPENDING = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | NON_BLOCKING;

/**
 * Appends to a file, which is made if it is missing. It may be a pipe: while nothing reads that, it
 * rejects (ENXIO), where Node's `appendFile` would block a thread of the process for ever.
 * @param mode Who may read and write a file that is made.
 */
export async function appendToFile(file: string, text: string, mode = 0o666): Promise<void> {
  const handle = await open(file, APPENDING, mode);
  try {
    await handle.appendFile(text);
  } finally {
    await handle.close();
  }
}
