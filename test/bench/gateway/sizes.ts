import { markdownTable, short } from '../harness/table.js';
import { atMost, type Verdict } from '../harness/verdict.js';
import { DIRECT, OURS_FASTIFY, PIPE, USERS } from './contenders.js';
import type { GatewayLoad } from './load.child.js';
import type { GatewayRow } from './measured.js';
import { timesCpu } from './report.js';

/** A load and what it is for. */
export interface SizedLoad {
  readonly title: string;
  readonly load: GatewayLoad;
  /** Most times the CPU time of the pipe. */
  readonly most?: number;
}

const KB = 1000;
const body = (title: string, bytes: number, [requests, connections]: readonly [number, number], most?: number): SizedLoad[] => [
  { title: `${title}, session`, load: { connections, requests, chunks: 0, bytes, isSession: true }, most: bytes >= 400 * KB ? 2 : most },
  { title: `${title}, all new`, load: { connections, requests, chunks: 0, bytes }, most },
];

/** Bodies of all sizes. A session is twenty calls, each with the messages of those before. */
export const BODIES: readonly SizedLoad[] = [
  { title: '0.1 KB', load: { connections: 8, requests: 4000, chunks: 0 } },
  ...body('4 KB', 4 * KB, [3200, 8], 2.2),
  ...body('40 KB', 40 * KB, [960, 8], 3),
  ...body('400 KB', 400 * KB, [160, 8], 4),
  ...body('4 MB', 4000 * KB, [40, 2], 4),
];

/** Answers and streams. */
export const ANSWERS: readonly SizedLoad[] = [
  { title: 'answers of 400 KB', load: { connections: 8, requests: 800, chunks: 0, answerBytes: 400 * KB } },
  { title: 'a stream of 100,000 chunks', load: { connections: 1, requests: 1, chunks: 100_000, gapMs: 0 } },
];

/** With the gateway that users start. */
export const STREAMS: readonly SizedLoad[] = [
  { title: '600 streams, 20 chunks a second', load: { connections: 600, requests: 600, chunks: 60, gapMs: 50 }, most: 1.4 },
];

const MOST_LATER_US = 1000;
const MOST_STREAMS_MIB = 90;
const MOST_GAP_MS = 10;

/** What a run has measured of each load. */
export type SizedRows = readonly (readonly [SizedLoad, readonly GatewayRow[]])[];

const rowOf = (rows: readonly GatewayRow[], name: string): GatewayRow | undefined => rows.find((row) => row.name === name);

/** Every target beside its figure. */
export function sizeVerdicts(measured: SizedRows): Verdict[] {
  return measured.flatMap(([{ title, load, most }, rows]) => {
    const [ours, pipe] = [rowOf(rows, USERS) ?? rowOf(rows, OURS_FASTIFY), rowOf(rows, PIPE)];
    if (ours === undefined || pipe === undefined) return [];
    const what = `${ours.name}, ${title}`;
    const { idleMiB, mostMiB, gapMs } = ours.watched;
    const isManyStreams = load.connections === 600;
    const isLongest = (load.bytes ?? 0) >= 4000 * KB;
    const isSeen = load.isSession === true && (load.bytes ?? 0) >= 400 * KB;
    return [
      ...(most === undefined ? [] : atMost(`${what}, CPU`, timesCpu(rows, ours.name, PIPE), most, ' x the pipe')),
      ...(isSeen ? atMost(`${what}, p99`, ours.p99Us / pipe.p99Us, 1.5, ' x the pipe') : []),
      ...(isLongest ? atMost(`${what}, event-loop gap`, gapMs, MOST_GAP_MS, ' ms') : []),
      ...(isManyStreams
        ? atMost(`${what}, p99 of a chunk`, ours.chunkP99Us - pipe.chunkP99Us, MOST_LATER_US, ' us later than the pipe')
        : []),
      ...(isManyStreams ? atMost(`${what}, memory`, mostMiB - idleMiB, MOST_STREAMS_MIB, ' MiB over idle') : []),
    ];
  });
}

const right = true;
const MEMORY = [
  { title: 'peak MiB', right },
  { title: 'over idle', right },
  { title: 'event-loop gap, ms', right },
];
const memoryOf = ({ watched: { idleMiB, mostMiB, gapMs } }: GatewayRow): string[] => [
  short(mostMiB),
  short(mostMiB - idleMiB),
  short(gapMs),
];

/** The tables of bodies, and of answers. */
export function sizeTables(bodies: SizedRows, answers: SizedRows): string[] {
  return [...(bodies.length === 0 ? [] : bodyTable(bodies)), ...(answers.length === 0 ? [] : answerTable(answers))];
}

function bodyTable(bodies: SizedRows): string[] {
  const columns = [
    { title: 'body' },
    { title: 'gateway' },
    { title: 'CPU us per request', right },
    { title: 'x pipe', right },
    { title: 'p50 ms', right },
    { title: 'p99 ms', right },
    ...MEMORY,
  ];
  const rows = gatewaysOf(bodies).map(([{ title }, row, times]) => [
    title,
    row.name,
    short(row.cpuUs),
    times,
    short(row.p50Us / 1000),
    short(row.p99Us / 1000),
    ...memoryOf(row),
  ]);
  return [
    'Request bodies of all sizes, with real texts, 8 in flight (4 MB: 2). A session is twenty calls, each with the messages of the earlier ones; "all new" texts were never sent before. "Bytes piped" forwards the bytes unread; "JSON parsed" parses the request and serializes it again. The last three columns come from a separate round; idle memory is that of a process that has served short requests.',
    markdownTable(columns, rows),
  ];
}

function answerTable(answers: SizedRows): string[] {
  const columns = [
    { title: 'answer' },
    { title: 'gateway' },
    { title: 'CPU us per response or chunk', right },
    { title: 'x pipe', right },
    { title: 'chunk late, ms, p50', right },
    { title: 'p99', right },
    ...MEMORY,
  ];
  const rows = gatewaysOf(answers).map(([{ title, load }, row, times]) => {
    const late = (us: number): string => (load.chunks > 0 && load.gapMs !== 0 ? short(us / 1000) : '-');
    return [title, row.name, short(row.cpuUs), times, late(row.chunkP50Us), late(row.chunkP99Us), ...memoryOf(row)];
  });
  return ['Responses. The provider sends the chunks of the long stream as fast as the gateway reads them.', markdownTable(columns, rows)];
}

function gatewaysOf(measured: SizedRows): readonly (readonly [SizedLoad, GatewayRow, string])[] {
  return measured.flatMap(([sized, rows]) =>
    rows.filter(({ name }) => name !== DIRECT).map((row) => [sized, row, short(timesCpu(rows, row.name, PIPE))] as const),
  );
}
