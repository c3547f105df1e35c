import { visibleText } from '../../common/visible-text.js';

/** Writes lines, in which names of files and models send no commands to the terminal. */
export function writeLines(out: Pick<NodeJS.WritableStream, 'write'>, lines: readonly string[]): void {
  out.write(lines.map((line) => `${visibleText(line)}\n`).join(''));
}
