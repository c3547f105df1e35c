export type Cell = string | number;

/** A Markdown table, padded for a terminal. Columns with `right` are aligned to the right. */
export function markdownTable(columns: readonly { title: string; right?: boolean }[], rows: readonly (readonly Cell[])[]): string {
  const cells = rows.map((row) => row.map((cell) => String(cell).replaceAll('|', '\\|')));
  const widths = columns.map(({ title }, column) => Math.max(3, title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (values: readonly string[]): string =>
    `| ${columns.map(({ right }, i) => (right ? (values[i] ?? '').padStart(widths[i]) : (values[i] ?? '').padEnd(widths[i]))).join(' | ')} |`;
  const rule = `| ${columns.map(({ right }, i) => (right ? '-'.repeat(widths[i] - 1) + ':' : '-'.repeat(widths[i]))).join(' | ')} |`;
  return [line(columns.map(({ title }) => title)), rule, ...cells.map(line)].join('\n');
}

/** The cells of a row that `markdownTable` has written. */
export function cellsOf(line: string): string[] {
  const cells = line.split(/(?<!\\)\|/).slice(1, -1);
  return cells.map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** Three significant digits, no exponent: `1240`, `56.3`, `0.12`; `-` for what was not measured. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(digits, 2));
}
