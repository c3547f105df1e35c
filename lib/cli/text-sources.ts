import { createReadStream } from 'node:fs';
import { errorMessage } from '../common/errors.js';
import type { CommandIo } from './command.js';

const READ_BYTES = 1024 * 1024;
/** Text files have no NUL; git looks at as many bytes. */
const SNIFFED_BYTES = 8000;

/** A file, or the standard input. */
export interface TextSource {
  /** Its path, `-` for the standard input. */
  readonly name: string;
  open(): AsyncIterable<Uint8Array>;
}

/** A file cannot be counted, for a reason that the user can fix. */
export class UnreadableError extends Error {}

/** The files of the operands; without operands, and for `-`, the standard input. */
export function textSources(paths: readonly string[], io: CommandIo): TextSource[] {
  return (paths.length === 0 ? ['-'] : paths).map((path) => {
    if (path === '-') return { name: path, open: () => io.stdin as unknown as AsyncIterable<Uint8Array> };
    return { name: path, open: () => createReadStream(path, { highWaterMark: READ_BYTES }) };
  });
}

/**
 * Decodes a source, which has to be UTF-8 text.
 * @throws UnreadableError for what cannot be opened, and for binary data
 */
export async function* textOf(source: TextSource): AsyncGenerator<string> {
  // As in tiktoken, a byte order mark is part of the text.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let isFirst = true;
  try {
    for await (const bytes of source.open()) {
      if (isFirst && bytes.subarray(0, SNIFFED_BYTES).includes(0)) throw new UnreadableError('is not a text file');
      isFirst = false;
      yield decoder.decode(bytes, { stream: true });
    }
  } catch (error) {
    if (error instanceof UnreadableError) throw error;
    throw new UnreadableError(`cannot be read (${errorMessage(error)})`, { cause: error });
  }
  yield decoder.decode();
}
