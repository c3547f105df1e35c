import type { Environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';

/** What came out for one call. */
export interface Row {
  readonly library: string;
  readonly call: string;
  readonly encoding: string;
  readonly text: string;
  readonly beforeNs: number;
  readonly afterNs: number;
  /** Median of the ratios within the rounds. */
  readonly speedup: number;
}

/** No call may become slower. */
const TARGET = '>= 1';

/** Both encodings of a call in one line, as `cl100k / o200k`. */
export function report(rows: readonly Row[], { date, cpu, node, platform }: Environment, command: string): string {
  const keys = [...new Set(rows.map(({ library, call, text }) => [library, call, text].join('|')))].sort(byLibrary);
  const lines = keys.map((key) => {
    const [library, call, text] = key.split('|');
    const found = rows.filter((row) => row.library === library && row.call === call && row.text === text);
    const both = (value: (row: Row) => string): string => found.map(value).join(' / ');
    return [library, `\`${call}\``, text, both((row) => us(row.beforeNs)), both((row) => us(row.afterNs)), both(ratio), TARGET];
  });
  const right = true;
  const columns = [
    { title: 'library' },
    { title: 'call' },
    { title: 'text' },
    { title: 'before, µs', right },
    { title: 'after, µs', right },
    { title: 'times', right },
    { title: 'target', right },
  ];
  const head = `Time per call of the library itself and of the native engine; two figures are cl100k_base / o200k_base. ${cpu}, Node ${node}, ${platform}, ${date}; \`${command}\`.`;
  return `${head}\n\n${markdownTable(columns, lines)}`;
}

function byLibrary(a: string, b: string): number {
  return Number(a.startsWith('LangChain')) - Number(b.startsWith('LangChain')) || head(a).localeCompare(head(b));
}

function head(key: string): string {
  return key.split('|').slice(0, 2).join('|');
}

function ratio({ speedup }: Row): string {
  return speedup < 1 ? `**${short(speedup)}**` : short(speedup);
}

function us(ns: number): string {
  return short(ns / 1000);
}
