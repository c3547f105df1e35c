import { markdownTable, short } from '../harness/table.js';
import { atMost, type Verdict } from '../harness/verdict.js';
import { BARE_FASTIFY, DIRECT, LITER_LLM_NAME, OURS_FASTIFY, USERS } from './contenders.js';
import type { GatewayRow } from './measured.js';
import { timesCpu } from './report.js';
import type { SizedLoad, SizedRows } from './sizes.js';
import type { StartRow } from './start-up.js';

const KB = 1000;
/** In flight, and requests of a round; the larger ones take about a second. */
const SIZES: readonly (readonly [string, number | undefined, Readonly<Record<number, number>>])[] = [
  ['0.1 KB', undefined, { 1: 1500, 8: 4000, 32: 4000 }],
  ['4 KB', 4 * KB, { 1: 1200, 8: 2400, 32: 2400 }],
  ['40 KB', 40 * KB, { 1: 400, 8: 640, 32: 640 }],
  ['400 KB', 400 * KB, { 1: 60, 8: 96, 32: 96 }],
];

/** Every size with 1, 8 and 32 in flight. */
export const AS_STARTED_LOADS: readonly SizedLoad[] = SIZES.flatMap(([size, bytes, counts]) =>
  Object.entries(counts).map(([connections, requests]) => ({
    title: `all on ${size} with ${connections} in flight`,
    load: { connections: Number(connections), requests, chunks: 0, ...(bytes !== undefined && { bytes, isRepeated: true }) },
  })),
);

/** Most times the CPU time of the other. */
const MOST: Readonly<Record<string, Readonly<Partial<Record<string, number>>>>> = {
  'all on 0.1 KB with 32 in flight': { [BARE_FASTIFY]: 2, [LITER_LLM_NAME]: 1.8 },
  'all on 0.1 KB with 1 in flight': { [BARE_FASTIFY]: 2.2, [LITER_LLM_NAME]: 2 },
  'all on 4 KB with 8 in flight': { [BARE_FASTIFY]: 2.2 },
  'all on 40 KB with 8 in flight': { [BARE_FASTIFY]: 1, [LITER_LLM_NAME]: 2 },
  'all on 400 KB with 8 in flight': { [BARE_FASTIFY]: 0.45, [LITER_LLM_NAME]: 2 },
};
const MOST_ADDED_MIB = 60;
const MOST_START_MS = 60;

/** Memory that a gateway takes under a load above the bare app. */
function addedMiB(rows: readonly GatewayRow[], name: string): number {
  const mostMiB = (of: string): number => rows.find((row) => row.name === of)?.watched.mostMiB ?? NaN;
  return mostMiB(name) - mostMiB(BARE_FASTIFY);
}

/** Every target beside its figure. */
export function startedVerdicts(measured: SizedRows, starts: readonly StartRow[]): Verdict[] {
  const added = measured.map(([, rows]) => addedMiB(rows, USERS)).filter((mib) => !Number.isNaN(mib));
  return [
    ...measured.flatMap(([{ title }, rows]) =>
      Object.entries(MOST[title] ?? {}).flatMap(([other, most]) =>
        atMost(`ours, ${title}, CPU`, timesCpu(rows, USERS, other), most as number, ` x ${other}`),
      ),
    ),
    ...(added.length === 0 ? [] : atMost('ours, all on, memory', Math.max(...added), MOST_ADDED_MIB, ' MiB over bare Nest')),
    ...starts
      .filter(({ name }) => name === OURS_FASTIFY)
      .flatMap(({ addedMs }) => atMost('ours, Fastify, start', addedMs, MOST_START_MS, ' ms over an empty Nest app')),
  ];
}

/** The tables of the gateway that users start. */
export function startedTables(measured: SizedRows, starts: readonly StartRow[]): string[] {
  const right = true;
  const columns = [
    { title: 'body' },
    { title: 'in flight', right },
    { title: 'gateway' },
    { title: 'CPU us per request', right },
    { title: 'x bare Nest', right },
    { title: 'requests/s', right },
    { title: 'p50 ms', right },
    { title: 'peak MiB', right },
    { title: 'over bare Nest', right },
  ];
  const rows = measured.flatMap(([{ title, load }, all]) =>
    all
      .filter(({ name }) => name !== DIRECT)
      .map((row) => [
        title.replace(/^all on | with .*/g, ''),
        load.connections,
        row.name,
        short(row.cpuUs),
        short(timesCpu(all, row.name, BARE_FASTIFY)),
        short(row.perSecond),
        short(row.p50Us / 1000),
        short(row.watched.mostMiB),
        row.name === BARE_FASTIFY ? '-' : short(addedMiB(all, row.name)),
      ]),
  );
  const started = starts.map(({ name, addedMs }) => `${name}: ${short(addedMs)} ms`).join(', ');
  return [
    ...(rows.length === 0
      ? []
      : [
          "The gateway that users start, with API keys, limits, metrics and a dashboard, next to bare Nest (Fastify, one controller, undici's `Pool`). Bodies from 4 KB on are real texts; each connection repeats its own.",
          markdownTable(columns, rows),
        ]),
    ...(started === '' ? [] : [`Start of a process until it listens, above an empty Nest app: ${started}.`]),
  ];
}
