import type { CallFigures, ComponentStats } from './series/performance-series.js';

/** The columns, in order: those of fast-litellm's export, and more. */
const COLUMNS: readonly (readonly [string, keyof CallFigures])[] = [
  ['total_calls', 'totalCalls'],
  ['measured_calls', 'measuredCalls'],
  ['average_duration_ms', 'averageDurationMs'],
  ['success_rate', 'successRate'],
  ['error_count', 'errorCount'],
  ['error_rate', 'errorRate'],
  ['min_duration_ms', 'minDurationMs'],
  ['max_duration_ms', 'maxDurationMs'],
  ['total_duration_ms', 'totalDurationMs'],
  ['p50_duration_ms', 'p50DurationMs'],
  ['p95_duration_ms', 'p95DurationMs'],
  ['p99_duration_ms', 'p99DurationMs'],
  ['throughput_per_second', 'throughputPerSecond'],
  ['total_input_size', 'totalInputSize'],
  ['total_output_size', 'totalOutputSize'],
];

/** CSV by RFC 4180: a line for each component, with an empty operation, and for each operation. */
export function toCsv(stats: Readonly<Record<string, ComponentStats>>): string {
  const lines = [['component', 'operation', ...COLUMNS.map(([name]) => name)]];
  for (const [component, { operations, ...whole }] of Object.entries(stats)) {
    lines.push([component, '', ...cells(whole)]);
    for (const [operation, figures] of Object.entries(operations)) lines.push([component, operation, ...cells(figures)]);
  }
  return lines.map((line) => `${line.map(field).join(',')}\r\n`).join('');
}

function cells(figures: CallFigures): string[] {
  return COLUMNS.map(([, key]) => String(figures[key]));
}

/** Names come from callers: an apostrophe keeps a spreadsheet from running one as a formula. */
function field(text: string): string {
  const isFormula = /^[\t\r\n]|^\s*[=+\-@＝＋－＠]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text);
  const harmless = isFormula ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
