/** What a request costs, as `npm run bench -- scaling` measured it. */
export interface ScalingFigures {
  /** Processor time of a short request in the gateway, in microseconds. */
  readonly requestUs: number;
  /** Further processor time for each KB of prompt. */
  readonly promptKbUs: number;
  /** Processor time of a chunk of a stream. */
  readonly chunkUs: number;
  /** Memory of a process at rest, with one vocabulary loaded. */
  readonly idleMiB: number;
  /** Memory of a request in flight, and what each KB of its prompt adds. */
  readonly streamKiB: number;
  readonly streamKiBPerPromptKb: number;
  /** Limits over Redis. */
  readonly redis: RedisFigures;
  /** The same with `localLease`, for callers of many requests a second each. */
  readonly leases: RedisFigures;
  /** Limits over a Redis Cluster of three, all of its nodes together. */
  readonly cluster: RedisFigures;
}

/** What limits over Redis cost a request. */
export interface RedisFigures {
  /** Further processor time in the gateway, in microseconds. */
  readonly gatewayUs: number;
  /** Script calls; below 1 because a call decides what has gathered. */
  readonly calls: number;
  readonly bytes: number;
  /** Processor time in Redis, in microseconds. */
  readonly redisUs: number;
}

/** Where limits are counted. */
export const LIMIT_STORES = ['memory', 'redis', 'leases'] as const;
export type LimitStore = (typeof LIMIT_STORES)[number];

/** The traffic to plan for, of all processes together. */
export interface PlannedLoad {
  /** Requests that begin in a second. */
  readonly rps: number;
  readonly promptKb: number;
  /** Until a whole answer has come. */
  readonly answerSeconds: number;
  /** Open streams, and the chunks of each in a second. */
  readonly streams: number;
  readonly chunksPerSecond: number;
  readonly limits: LimitStore;
  /** Share of an event loop and of Redis' core that may be busy. */
  readonly utilization: number;
}

/** A resource that ends at some multiple of the planned load. */
export interface Bound {
  readonly resource: 'event loops' | 'Redis';
  /** The multiple at which it is busy all the time. */
  readonly atTimes: number;
  /** What moves it. */
  readonly setting: string;
}

/** What the load needs. */
export interface ScalingPlan {
  readonly cpuUsPerRequest: number;
  /** Event loops that are busy all the time. */
  readonly busyLoops: number;
  readonly processes: number;
  readonly memoryMiBPerProcess: number;
  /** Requests in flight in one process; as many connections to providers. */
  readonly inFlightPerProcess: number;
  readonly networkMbits: number;
  /** Nothing with limits in memory. */
  readonly redis?: RedisPlan;
  /** The nearest first. */
  readonly bounds: readonly Bound[];
}

/** What limits over Redis need. */
export interface RedisPlan {
  readonly callsPerSecond: number;
  readonly mbits: number;
  readonly busyCores: number;
  /** Redis runs scripts on one core: above that a Redis Cluster, of at least three. */
  readonly nodes: number;
}

const US_PER_SECOND = 1_000_000;
const BITS_PER_KB = 8_000;
const BITS_PER_MBIT = 1_000_000;
/** A chunk of a stream in OpenAI's format. */
const CHUNK_KB = 0.25;
/** A whole answer of some hundred tokens. */
const ANSWER_KB = 2;
const LEAST_CLUSTER = 3;

/** Calculates what a load needs. */
export function planFor(load: PlannedLoad, figures: ScalingFigures): ScalingPlan {
  const { rps, promptKb, answerSeconds, streams, chunksPerSecond, limits, utilization } = load;
  const store = limits === 'memory' ? undefined : figures[limits];
  const cpuUsPerRequest = figures.requestUs + figures.promptKbUs * promptKb + (store?.gatewayUs ?? 0);
  const chunks = streams * chunksPerSecond;
  const busyLoops = (rps * cpuUsPerRequest + chunks * figures.chunkUs) / US_PER_SECOND;
  const processes = Math.max(1, Math.ceil(busyLoops / utilization));
  const inFlightPerProcess = Math.ceil((rps * answerSeconds + streams) / processes);
  const inFlightKiB = figures.streamKiB + figures.streamKiBPerPromptKb * promptKb;
  const redis = store === undefined ? undefined : redisPlan(load, store, figures);
  // Everything comes in and goes out once.
  const kbPerSecond = 2 * (rps * (promptKb + ANSWER_KB) + chunks * CHUNK_KB);
  return {
    cpuUsPerRequest,
    busyLoops,
    processes,
    memoryMiBPerProcess: figures.idleMiB + (inFlightPerProcess * inFlightKiB) / 1024,
    inFlightPerProcess,
    networkMbits: (kbPerSecond * BITS_PER_KB) / BITS_PER_MBIT,
    ...(redis !== undefined && { redis }),
    bounds: boundsOf({ busyLoops, processes, redis, limits }),
  };
}

function redisPlan({ rps, utilization }: PlannedLoad, store: RedisFigures, { redis, cluster }: ScalingFigures): RedisPlan {
  const planOf = ({ calls, bytes, redisUs }: RedisFigures): Omit<RedisPlan, 'nodes'> => ({
    callsPerSecond: rps * calls,
    mbits: (rps * bytes * 8) / BITS_PER_MBIT,
    busyCores: (rps * redisUs) / US_PER_SECOND,
  });
  const one = planOf(store);
  if (one.busyCores <= utilization) return { ...one, nodes: 1 };
  // Keys of different nodes travel in calls of their own. Leases save there what they save at one.
  const share = (field: 'calls' | 'bytes' | 'redisUs'): number => (cluster[field] * store[field]) / redis[field];
  const many = planOf({ ...cluster, calls: share('calls'), bytes: share('bytes'), redisUs: share('redisUs') });
  return { ...many, nodes: Math.max(LEAST_CLUSTER, Math.ceil(many.busyCores / utilization)) };
}

interface Needs {
  readonly busyLoops: number;
  readonly processes: number;
  readonly redis: RedisPlan | undefined;
  readonly limits: LimitStore;
}

function boundsOf({ busyLoops, processes, redis, limits }: Needs): Bound[] {
  const bounds: Bound[] = [];
  if (busyLoops > 0) bounds.push({ resource: 'event loops', atTimes: processes / busyLoops, setting: 'more processes' });
  if (redis !== undefined && redis.busyCores > 0) {
    const more = redis.nodes === 1 ? 'a Redis Cluster' : 'more nodes';
    const setting = limits === 'redis' ? `localLease, then ${more}` : more;
    bounds.push({ resource: 'Redis', atTimes: redis.nodes / redis.busyCores, setting });
  }
  return bounds.sort((one, other) => one.atTimes - other.atTimes);
}
