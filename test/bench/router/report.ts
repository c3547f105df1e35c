import type { Environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';
import { atLeast, atMost, type Verdict } from '../harness/verdict.js';

/** A row of the table: nanoseconds by number of deployments, and the targets. */
export interface RouterRow {
  readonly name: string;
  readonly ours: boolean;
  readonly ns: number[];
  /** Upper bounds in nanoseconds at 20, 200 and 2,000 deployments. */
  readonly targetsNs?: TargetsNs;
}

export type TargetsNs = readonly [at20: number, at200: number, at2000: number];

export const SIZES: readonly number[] = [2, 20, 200, 2_000];
/** Where the list is filtered per call, this many times faster at 200 deployments. */
export const FILTER_TARGET = 20;

export function report(rows: readonly RouterRow[], environment: Environment, command: string): string {
  const columns = [
    { title: 'ns of CPU time per selection' },
    ...SIZES.map((size) => ({ title: `${size.toLocaleString('en')} deployments`, right: true })),
    { title: 'target at 20 / 200 / 2,000', right: true },
  ];
  const cells = rows.map(({ name, ours, ns, targetsNs }) => [
    ours ? `**${name}**` : name,
    ...ns.map(short),
    targetsNs === undefined ? '' : `<= ${targetsNs.map((target) => target.toLocaleString('en')).join(' / ')}`,
  ]);
  const { cpu, node, platform, date, loadBefore } = environment;
  return [
    `\`${command}\` on ${cpu}, Node ${node}, ${platform}, ${date}, load ${loadBefore.toFixed(1)}. Medians of several rounds, each row in a separate process.`,
    '',
    markdownTable(columns, cells),
    '',
    'Ours in bold, with names, cooldowns, health and limits. "Served" includes selection, reservation and release with latency and usage. "Shared" uses the state of all worker threads.',
    timesFilter(rows),
  ].join('\n');
}

/** Every target beside its figure. */
export function verdicts(rows: readonly RouterRow[]): Verdict[] {
  return [
    ...rows.flatMap(({ name, ns, targetsNs = [] }) =>
      targetsNs.flatMap((target, index) => atMost(`${name}, ${SIZES[index + 1]} deployments`, ns[index + 1], target, ' ns')),
    ),
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
