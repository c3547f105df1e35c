import { cpus } from 'node:os';
import type { Environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';
import { atMost, type Verdict } from '../harness/verdict.js';
import { ARRANGEMENTS, BASE, OVER_CLUSTER, OVER_REDIS, SHARED_ROUTER } from './arrangements.js';
import type { RedisUsage, ScalingRow } from './measured.js';

export const CALLERS = 1_000;
export const PROMPT_KB = 40;
export const STREAMS = 600;
interface Facts {
  readonly environment: Environment;
  readonly command: string;
  readonly rounds: number;
}

function rowOf(rows: readonly ScalingRow[], name: string, load = 'short'): ScalingRow {
  const row = rows.find((each) => each.name === name && each.load === load);
  if (row === undefined) throw new Error(`not measured: ${name}, ${load}`);
  return row;
}

/** All servers together. */
function sum({ redis }: ScalingRow, field: keyof RedisUsage): number {
  return redis.reduce((total, usage) => total + usage[field], 0);
}

export function verdicts(rows: readonly ScalingRow[]): Verdict[] {
  const times = (name: string, most: number): Verdict[] =>
    atMost(`${name}, CPU a request`, rowOf(rows, name).times, most, ' x one process');
  return [
    ...times('two processes', 1.25),
    ...times("node's cluster, two workers", 1.5),
    ...times('two worker threads', 1.25),
    ...times(OVER_REDIS, 1.6),
    ...times(SHARED_ROUTER, 1.2),
  ];
}

const right = true;

export function report(rows: readonly ScalingRow[], { environment, command, rounds }: Facts): string {
  const { date, cpu, node, platform, loadBefore } = environment;
  const cells = ARRANGEMENTS.map(({ name }) => {
    const row = rowOf(rows, name);
    const usesRedis = row.redis.length > 0;
    const few = usesRedis ? rows.find((each) => each.name === name && each.load === 'of ten callers') : undefined;
    const redis = (of: ScalingRow, field: keyof RedisUsage): string => short(sum(of, field));
    const bytes = (of: ScalingRow): string => short(sum(of, 'bytesIn') + sum(of, 'bytesOut'));
    return [
      name,
      short(row.cpuUs),
      short(row.times),
      short(row.idleMiB),
      ...(usesRedis
        ? [redis(row, 'calls'), few === undefined ? '-' : redis(few, 'calls'), bytes(row), short(sum(row, 'cpuTimes'))]
        : ['-', '-', '-', '-']),
    ];
  });
  const columns = [
    { title: 'gateways on Fastify' },
    { title: 'CPU us per request', right },
    { title: 'x one process', right },
    { title: 'MiB, idle', right },
    { title: 'Redis calls per request', right },
    { title: 'from ten callers', right },
    { title: 'Redis bytes per request', right },
    { title: 'Redis CPU, x one process', right },
  ];
  const shares = [OVER_CLUSTER, 'the same, keys in one slot'].map((name) => {
    const { redis } = rowOf(rows, name);
    const all = redis.reduce((total, { calls }) => total + calls, 0);
    return [name, ...redis.map(({ calls }) => `${Math.round((calls / all) * 100)} %`)];
  });
  const loads = ['prompts', 'streams', 'streams of long prompts'].map((load) => {
    const row = rowOf(rows, BASE, load);
    return [load, short(row.cpuUs), short(row.times), short(row.mostMiB - row.idleMiB)];
  });
  const caution =
    loadBefore > cpus().length
      ? ' The machine was busy: CPU-time ratios can be off by a third; calls, bytes and shares are not affected.'
      : '';
  return [
    `\`${command}\`, ${date}, ${cpu}, Node ${node}, ${platform}, load ${loadBefore.toFixed(1)}. Means of ${rounds} short rounds; each row alternates with the first. Compare the ratios, because CPU time rises on a busy machine. CPU and memory are totals over all processes in a row, Redis figures totals over all its servers. Short requests, 32 in flight per event loop, from ${CALLERS.toLocaleString('en')} callers in rotation; one script call can decide several requests.${caution}`,
    markdownTable(columns, cells),
    'Calls to each node of the Redis Cluster:',
    markdownTable([{ title: 'arrangement' }, ...['first', 'second', 'third'].map((title) => ({ title, right }))], shares),
    `One process, limits in memory. Prompts: ${PROMPT_KB} KB each, all different, 8 in flight. Streams: ${STREAMS} open at 10 chunks per second, with short prompts and with ${PROMPT_KB} KB prompts.`,
    markdownTable(
      [
        { title: 'load' },
        { title: 'CPU us per request or chunk', right },
        { title: 'x a short request', right },
        { title: 'MiB over idle', right },
      ],
      loads,
    ),
  ].join('\n\n');
}
