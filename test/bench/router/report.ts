import type { Environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';
import { atLeast, atMost, type Verdict } from '../harness/verdict.js';

/** A row of the table: nanoseconds by number of deployments, and what was aimed at. */
export interface RouterRow {
  readonly name: string;
  readonly ours: boolean;
  readonly ns: number[];
  /** Nanoseconds at the largest number of deployments. */
  readonly targetNs?: number;
}

export const SIZES: readonly number[] = [2, 20, 200, 2_000];
/** Where the list is filtered per call, this many times faster at 200 deployments. */
export const FILTER_TARGET = 40;

export function report(rows: readonly RouterRow[], environment: Environment, command: string): string {
  const columns = [
    { title: 'ns of processor time per choice' },
    ...SIZES.map((size) => ({ title: `${size.toLocaleString('en')} deployments`, right: true })),
    { title: 'target', right: true },
  ];
  const cells = rows.map(({ name, ours, ns, targetNs }) => [
    ours ? `**${name}**` : name,
    ...ns.map(short),
    targetNs === undefined ? '' : `<= ${targetNs}`,
  ]);
  const { cpu, node, platform, date, loadBefore } = environment;
  return [
    `\`${command}\` on ${cpu}, Node ${node}, ${platform}, ${date}, load ${loadBefore.toFixed(1)}. Medians of rounds, each row in a process of its own.`,
    '',
    markdownTable(columns, cells),
    '',
    'Ours in bold, with names, cooldowns, health and limits. "Served": chosen, booked and given back with latency and usage. Shared: with the state of all worker threads, by atomic operations.',
    timesFilter(rows),
  ].join('\n');
}

/** Every target beside its figure, at the largest number of deployments. */
export function verdicts(rows: readonly RouterRow[]): Verdict[] {
  return [
    ...rows.flatMap(({ name, ns, targetNs }) => (targetNs === undefined ? [] : atMost(name, ns[ns.length - 1], targetNs, ' ns'))),
    ...atLeast('a list seen before, at 200 deployments', ratioToFilter(rows), FILTER_TARGET, ' x filtering it'),
  ];
}

function timesFilter(rows: readonly RouterRow[]): string {
  return `A list that was seen before is answered ${short(ratioToFilter(rows))} times faster than by filtering it, at 200 deployments (target ${FILTER_TARGET}).`;
}

function ratioToFilter(rows: readonly RouterRow[]): number {
  const at200 = (part: string): number => rows.find(({ name }) => name.startsWith(part))?.ns[2] ?? NaN;
  return at200('filter the list') / at200('getAvailableDeployment');
}
