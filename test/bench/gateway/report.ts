import type { Environment } from '../harness/environment.js';
import { median } from '../harness/measure.js';
import { markdownTable, short } from '../harness/table.js';
import { atMost, type Verdict } from '../harness/verdict.js';
import { BARE_EXPRESS, BARE_FASTIFY, DIRECT, OURS_EXPRESS, OURS_FASTIFY, PORTKEY_NAME } from './contenders.js';
import type { GatewayRow } from './measured.js';
import { startedTables, startedVerdicts } from './as-started.js';
import { sizeTables, sizeVerdicts, type SizedRows } from './sizes.js';
import type { StartRow } from './start-up.js';

/** What a run has measured. */
export interface GatewayResult {
  /** The gateway that users start, by size and requests in flight. */
  readonly started: SizedRows;
  readonly starts: readonly StartRow[];
  /** By number of connections. */
  readonly whole: readonly (readonly GatewayRow[])[];
  readonly streamed: readonly GatewayRow[];
  /** By size. */
  readonly bodies: SizedRows;
  readonly answers: SizedRows;
}

/** CPU time of `name` relative to `other`: the median of the ratios of the rounds. */
export function timesCpu(rows: readonly GatewayRow[], name: string, other: string): number {
  const of = (wanted: string): readonly number[] => rows.find((row) => row.name === wanted)?.cpuUsByRound ?? [];
  const theirs = of(other);
  return median(of(name).map((cpuUs, round) => cpuUs / (theirs[round] ?? NaN)));
}

const TARGETS: readonly { readonly name: string; readonly other: string; readonly most: number; readonly words: string }[] = [
  { name: OURS_FASTIFY, other: BARE_FASTIFY, most: 1.3, words: '<= 1.3 x bare Fastify' },
  { name: OURS_FASTIFY, other: PORTKEY_NAME, most: 1 / 8, words: '<= 1/8 of Portkey' },
  { name: OURS_EXPRESS, other: BARE_EXPRESS, most: 1.25, words: '<= 1.25 x bare Express' },
];
const STREAMED = '32 streams at a time, each with a chunk every 10 ms (`@portkey-ai/gateway` 1.15.2 returns 500 for streams on Node 20):';
const FIRST_CHUNK_US = 1000;
const CHUNK_CPU = 1.3;

/** Every target beside its figure. */
export function verdicts({ started, starts, whole, streamed, bodies, answers }: GatewayResult): Verdict[] {
  return [
    ...startedVerdicts(started, starts),
    ...whole.flatMap((rows) =>
      TARGETS.flatMap(({ name, other, most }) =>
        atMost(`${name}, ${rows[0].connections} connections, CPU`, timesCpu(rows, name, other), most, ` x ${other}`),
      ),
    ),
    ...atMost(`${OURS_FASTIFY}, streamed, CPU a chunk`, timesCpu(streamed, OURS_FASTIFY, BARE_FASTIFY), CHUNK_CPU, ` x ${BARE_FASTIFY}`),
    ...atMost(`${OURS_FASTIFY}, streamed, first chunk late at p99`, addedUs(streamed, OURS_FASTIFY, 'firstP99Us'), FIRST_CHUNK_US, ' us'),
    ...sizeVerdicts([...bodies, ...answers]),
  ];
}

/** What a gateway adds to the same figure without a gateway. */
function addedUs(rows: readonly GatewayRow[], name: string, field: 'p50Us' | 'firstP50Us' | 'firstP99Us' | 'chunkP99Us'): number {
  const of = (wanted: string): number => rows.find((row) => row.name === wanted)?.[field] ?? NaN;
  return of(name) - of(DIRECT);
}

export function report(result: GatewayResult, facts: { readonly environment: Environment; readonly command: string }): string {
  const { environment, command } = facts;
  const { date, cpu, node, platform, loadBefore } = environment;
  const missed = verdicts(result)
    .filter(({ met }) => !met)
    .map(({ what, target, measured }) => `${what}: ${measured}, target ${target}`);
  return [
    `${date}, ${cpu}, ${platform}, Node ${node}, load ${loadBefore.toFixed(1)}. \`${command}\`. Provider, gateway and load generator run in separate processes on one machine; medians of interleaved rounds.`,
    ...startedTables(result.started, result.starts),
    ...(result.whole.length === 0 ? [] : [wholeTable(result.whole)]),
    ...(result.streamed.length === 0 ? [] : [STREAMED, streamTable(result.streamed)]),
    ...sizeTables(result.bodies, result.answers),
    missed.length === 0 ? 'All targets are met.' : `Missed: ${missed.join('; ')}.`,
  ].join('\n\n');
}

function wholeTable(whole: readonly (readonly GatewayRow[])[]): string {
  const target = (name: string): string =>
    TARGETS.filter((each) => each.name === name)
      .map(({ words }) => words)
      .join(', ');
  const columns = [
    { title: 'gateway' },
    ...whole.flatMap(([{ connections }]) => [
      { title: `CPU us per request, ${connections}`, right: true },
      { title: 'added ms', right: true },
      { title: 'requests/s', right: true },
      { title: 'x bare', right: true },
      { title: 'Portkey x', right: true },
    ]),
    { title: 'target (CPU)' },
  ];
  const bareOf = (name: string): string => (name.includes('Express') ? BARE_EXPRESS : BARE_FASTIFY);
  const rows = whole[0].map(({ name }) => [
    name,
    ...whole.flatMap((each) => {
      const row = each.find((candidate) => candidate.name === name) as GatewayRow;
      const isGateway = name !== DIRECT;
      return [
        short(row.cpuUs),
        isGateway ? short(addedUs(each, name, 'p50Us') / 1000) : '-',
        short(row.perSecond),
        isGateway && name !== PORTKEY_NAME ? short(timesCpu(each, name, bareOf(name))) : '-',
        isGateway ? short(timesCpu(each, PORTKEY_NAME, name)) : '-',
      ];
    }),
    target(name) || '-',
  ]);
  return markdownTable(columns, rows);
}

function streamTable(rows: readonly GatewayRow[]): string {
  const columns = [
    { title: 'gateway' },
    { title: 'CPU us per chunk', right: true },
    { title: 'x bare', right: true },
    { title: 'first chunk late, us, p50', right: true },
    { title: 'p99', right: true },
    { title: 'any chunk, p99', right: true },
    { title: 'target' },
  ];
  return markdownTable(
    columns,
    rows.map(({ name, cpuUs, firstP50Us, firstP99Us, chunkP99Us }) => {
      const isGateway = name !== DIRECT;
      const late = (field: 'firstP50Us' | 'firstP99Us' | 'chunkP99Us', own: number): string =>
        short(isGateway ? addedUs(rows, name, field) : own);
      return [
        name,
        short(cpuUs),
        isGateway ? short(timesCpu(rows, name, name.includes('Express') ? BARE_EXPRESS : BARE_FASTIFY)) : '-',
        late('firstP50Us', firstP50Us),
        late('firstP99Us', firstP99Us),
        late('chunkP99Us', chunkP99Us),
        name === OURS_FASTIFY ? 'p99 <= 1000, CPU <= 1.3 x bare' : '-',
      ];
    }),
  );
}
