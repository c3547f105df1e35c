import { README, sectionIn, writeSection, BENCHMARKS } from './documents.js';
import { headlines } from './headlines.js';
import { cellsOf, markdownTable, type Cell } from './table.js';
import type { Verdict } from './verdict.js';

/** What a bench has shown. */
export interface BenchResult {
  readonly name: string;
  readonly date: string;
  readonly cpu: string;
  readonly node: string;
  readonly targets: readonly Verdict[];
  /** Whether only some of its rows were measured: the others stay as they are. */
  readonly isPart: boolean;
}

type Row = readonly string[];

const [YES, NO] = ['yes', '**no**'];

/**
 * Writes the rows of a bench into the list of all targets, their counts into the summary, and the
 * README's figures. Rows of other benches stay.
 */
export function recordTargets(result: BenchResult, { benchmarks, readme } = { benchmarks: BENCHMARKS, readme: README }): void {
  const targets = sorted(replaced(rowsIn(benchmarks, 'targets'), result));
  const summary = [...rowsIn(benchmarks, 'all').filter(([name]) => name !== result.name), summaryRow(result, targets)];
  const met = targets.filter((row) => row[4] === YES).length;
  const counts = `${met} of ${targets.length} targets are met.`;
  const right = true;
  const summaryTable = markdownTable(
    [{ title: 'bench' }, { title: 'measured' }, { title: 'machine' }, { title: 'targets', right }, { title: 'met', right }],
    sorted(summary),
  );
  const targetTable = markdownTable(
    [{ title: 'bench' }, { title: 'target' }, { title: 'wanted' }, { title: 'measured', right }, { title: 'met' }],
    targets,
  );
  writeSection(benchmarks, 'all', `${counts}\n\n${summaryTable}`);
  writeSection(benchmarks, 'targets', `${counts}\n\n${targetTable}`);
  const figures = headlines(targets.map(([, what, target, measured, isMet]) => ({ what, target, measured, met: isMet === YES })));
  if (figures !== undefined) writeSection(readme, 'figures', figures);
}

/** The rows of a table without its head. */
function rowsIn(file: string, section: string): Row[] {
  const lines = (sectionIn(file, section) ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map(cellsOf);
}

function replaced(rows: readonly Row[], { name, targets, isPart }: BenchResult): Row[] {
  const own = targets.map(({ what, target, measured, met }): Row => [name, what, target, measured, met ? YES : NO]);
  const isReplaced = ([bench, what, target]: Row): boolean =>
    bench === name && (!isPart || own.some((row) => row[1] === what && row[2] === target));
  return [...rows.filter((row) => !isReplaced(row)), ...own];
}

function summaryRow({ name, date, cpu, node, isPart }: BenchResult, targets: readonly Row[]): Row {
  const own = targets.filter(([bench]) => bench === name);
  const counts: readonly Cell[] = [own.length, own.filter((row) => row[4] === YES).length];
  return [name, isPart ? `${date}, in part` : date, `${cpu}, Node ${node}`, ...counts.map(String)];
}

/** By bench; within one, as it was. */
function sorted(rows: readonly Row[]): Row[] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
