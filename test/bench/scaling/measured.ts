import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayLoad } from '../gateway/load.child.js';
import { LoadProcess, startProvider, type Listening } from '../gateway/processes.js';
import type { Arrangement } from './arrangements.js';
import type { Started } from './gateway.child.js';
import { RedisServers, type RedisUsage as ServerUsage } from './redis.js';

/** What a request costs one Redis server. */
export interface RedisUsage extends ServerUsage {
  /** Times the CPU of a short request of the first arrangement. */
  readonly cpuTimes: number;
}

/** A load and its name. */
export interface ScalingLoad {
  readonly title: string;
  readonly load: GatewayLoad;
  /** Measured in one of so many rounds. Default 1: in each. */
  readonly oneOf?: number;
}

/** One arrangement under one load: means over the rounds, of all its processes together. */
export interface ScalingRow {
  readonly name: string;
  readonly load: string;
  /** Per request; of streams per chunk. */
  readonly cpuUs: number;
  /** Times the CPU of a short request of the first arrangement, measured in the same turn. */
  readonly times: number;
  readonly referenceUs: number;
  /** Memory after the first requests, and the most under this load. */
  readonly idleMiB: number;
  readonly mostMiB: number;
  /** Of each Redis server, per request. Nothing without Redis. */
  readonly redis: readonly RedisUsage[];
}

/** The gateways of one arrangement, with a Redis of their own where they use one. */
class Gateways {
  private constructor(
    readonly arrangement: Arrangement,
    private readonly children: readonly ChildProcess[],
    private readonly started: readonly Started[],
    readonly redis: RedisServers | undefined,
  ) {}

  static async start(arrangement: Arrangement, provider: Listening): Promise<Gateways> {
    const { limits, sharesRouter, run, loops } = arrangement;
    const usesRedis = limits !== 'memory' || sharesRouter === true;
    const redis = usesRedis ? await RedisServers.start(limits.startsWith('redis cluster') ? 3 : 1) : undefined;
    const args = [JSON.stringify(arrangement), provider.origin, (redis?.ports ?? []).join(), 'bench:'];
    const programs = run === 'processes' ? loops : 1;
    const children = Array.from({ length: programs }, () =>
      fork(join(__dirname, 'gateway.child.js'), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
    const started = await Promise.all(children.map(async (child) => (await once(child, 'message'))[0] as Started));
    return new Gateways(arrangement, children, started, redis);
  }

  get origin(): string {
    return this.started.flatMap(({ origins }) => origins).join();
  }

  cpuUs(): number {
    return this.sum(procCpuUs);
  }

  rssMiB(): number {
    return this.sum(procRssMiB);
  }

  stop(): void {
    for (const child of this.children) child.kill('SIGTERM');
    for (const pid of this.started.flatMap(({ pids }) => pids)) kill(pid);
    this.redis?.stop();
  }

  private sum(figureOf: (pid: number) => number): number {
    return this.started.flatMap(({ pids }) => pids).reduce((sum, pid) => sum + figureOf(pid), 0);
  }
}

/** V8 compiles a gateway for about 6,000 requests. */
const WARM_UP: GatewayLoad = { connections: 32, requests: 8_000, chunks: 0 };
const STREAM_WARM_UP: GatewayLoad = { connections: 32, requests: 500, chunks: 3 };
const SAMPLE_MS = 20;

/** How often everything is measured, and whether processes are warmed up before. */
export interface ScalingRounds {
  readonly rounds: number;
  readonly warmsUp: boolean;
  readonly say: (line: string) => void;
}

/**
 * Measures each arrangement alternately with the first, so that a noisy moment hits both: the
 * ratio of a turn is what counts. The first load of an arrangement is the one that is compared.
 */
export async function measureScaling(
  [first, ...others]: readonly Arrangement[],
  loadsOf: (arrangement: Arrangement) => readonly ScalingLoad[],
  { rounds, warmsUp, say }: ScalingRounds,
): Promise<ScalingRow[]> {
  const provider = await startProvider();
  const sender = new LoadProcess();
  const start = async (arrangement: Arrangement): Promise<Measured> => {
    const gateways = await Gateways.start(arrangement, provider);
    const loads = loadsOf(arrangement);
    if (warmsUp) await sender.run({ origin: gateways.origin, headers: {}, ...WARM_UP });
    if (warmsUp && loads.some(({ load }) => load.chunks > 0)) await sender.run({ origin: gateways.origin, headers: {}, ...STREAM_WARM_UP });
    return { gateways, loads, idleMiB: gateways.rssMiB() };
  };
  let reference: Measured | undefined;
  const rows: ScalingRow[] = [];
  try {
    for (const arrangement of [first, ...others]) {
      const measured = await start(arrangement);
      // Compared with itself, and then short requests alone: streams leave connections and memory behind.
      if (arrangement !== first) reference ??= await start(first);
      const compared = reference ?? measured;
      const taken: ScalingRow[] = [];
      try {
        for (let round = 0; round < rounds; round++) {
          const { cpuUs: referenceUs } = await underLoad(compared, compared.loads[0], { sender, referenceUs: NaN });
          for (const load of measured.loads) {
            if (round % (load.oneOf ?? 1) === 0) taken.push(await underLoad(measured, load, { sender, referenceUs }));
          }
        }
      } finally {
        measured.gateways.stop();
      }
      rows.push(...meansOf(taken, say));
    }
    return rows;
  } finally {
    reference?.gateways.stop();
    provider.stop();
    sender.stop();
  }
}

interface Measured {
  readonly gateways: Gateways;
  readonly loads: readonly ScalingLoad[];
  readonly idleMiB: number;
}

interface Turn {
  readonly sender: LoadProcess;
  readonly referenceUs: number;
}

async function underLoad(
  { gateways, idleMiB }: Measured,
  { title, load }: ScalingLoad,
  { sender, referenceUs }: Turn,
): Promise<ScalingRow> {
  const { arrangement, origin, redis } = gateways;
  let mostMiB = gateways.rssMiB();
  const timer = setInterval(() => (mostMiB = Math.max(mostMiB, gateways.rssMiB())), SAMPLE_MS);
  const redisBefore = redis?.usage() ?? [];
  const before = gateways.cpuUs();
  const { chunks } = await sender.run({ origin, headers: {}, ...load });
  const usedUs = gateways.cpuUs() - before;
  const redisAfter = redis?.usage() ?? [];
  clearInterval(timer);
  const cpuUs = usedUs / (load.chunks > 0 ? chunks : load.requests);
  return {
    name: arrangement.name,
    load: title,
    cpuUs,
    referenceUs,
    times: cpuUs / referenceUs,
    idleMiB,
    mostMiB,
    redis: redisAfter.map((after, at) => {
      const per = (field: keyof ServerUsage): number => (after[field] - redisBefore[at][field]) / load.requests;
      return {
        calls: per('calls'),
        bytesIn: per('bytesIn'),
        bytesOut: per('bytesOut'),
        cpuTimes: per('cpuUs') / referenceUs,
        cpuUs: per('cpuUs'),
      };
    }),
  };
}

/** Sums are compared, not single turns: on a busy machine one turn may take twice another's time. */
function meansOf(taken: readonly ScalingRow[], say: (line: string) => void): ScalingRow[] {
  const groups = new Map<string, ScalingRow[]>();
  for (const row of taken) groups.set(row.load, [...(groups.get(row.load) ?? []), row]);
  return [...groups].map(([load, rows]) => {
    const mean = (figure: (row: ScalingRow) => number): number => rows.reduce((sum, each) => sum + figure(each), 0) / rows.length;
    const referenceUs = mean((each) => each.referenceUs);
    const cpuUs = mean((each) => each.cpuUs);
    const row: ScalingRow = {
      ...rows[0],
      cpuUs,
      referenceUs,
      times: cpuUs / referenceUs,
      mostMiB: mean((each) => each.mostMiB),
      redis: rows[0].redis.map((_, at) => {
        const serverUs = mean((each) => each.redis[at].cpuUs);
        return {
          calls: mean((each) => each.redis[at].calls),
          bytesIn: mean((each) => each.redis[at].bytesIn),
          bytesOut: mean((each) => each.redis[at].bytesOut),
          cpuUs: serverUs,
          cpuTimes: serverUs / referenceUs,
        };
      }),
    };
    say(`${row.name}, ${load}: ${row.cpuUs.toFixed(1)} us CPU, ${row.times.toFixed(2)} times a short request of one process`);
    return row;
  });
}

/** CPU time of a process with its threads, by Linux. Ticks are a hundredth of a second. */
function procCpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function procRssMiB(pid: number): number {
  return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
