import { visibleText } from '../common/visible-text.js';

/** Writes lines, in which names of files and models send no commands to the terminal. */
export function writeLines(out: Pick<NodeJS.WritableStream, 'write'>, lines: readonly string[]): void {
  out.write(lines.map((line) => `${visibleText(line)}\n`).join(''));
}

/** How a column is aligned. */
type Alignment = 'left' | 'right';

/** Lines with aligned columns, two spaces apart. Columns are aligned to the left by default. */
export function alignedLines(cells: readonly (readonly string[])[], alignments: readonly Alignment[] = []): string[] {
  const rows = cells.map((row) => row.map(visibleText));
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  const padded = (cell: string, column: number): string =>
    alignments[column] === 'right' ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
  return rows.map((row) => row.map(padded).join('  ').trimEnd());
}
