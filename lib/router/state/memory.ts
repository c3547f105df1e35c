/** Integers of every deployment: each is an array of `capacity` in the region. */
const INTS = [
  'inFlight',
  'minute',
  'requests',
  'tokens',
  'successes',
  'failures',
  'fails',
  'latencies',
  'firstTokens',
  'elsewhereInFlight',
  'elsewhereMinute',
  'elsewhereRequests',
  'elsewhereTokens',
  'spare',
] as const;
/** Doubles of every deployment, behind the integers; then the samples of latency and of the first token. */
const DOUBLES = ['coolingUntil', 'unhealthyUntil', 'failsUntil', 'latency', 'firstToken', 'latencyAt', 'firstTokenAt'] as const;

/** Integers before those of the deployments: the journal's length, and, in another cache line, how many threads have a row. */
const HEADER_INTS = 64;
const THREADS = 32;
/** Changes that other threads have time to read; a power of two. */
export const JOURNAL_LENGTH = 4096;
const FIRST_INT = HEADER_INTS + JOURNAL_LENGTH;

/** Samples of latency kept per deployment. */
export const MOST_SAMPLES = 16;

/** Bytes of a region for so many deployments. The addon knows this layout, too: native/core/src/router/memory.rs. */
export function memoryBytes(capacity: number): number {
  const ints = FIRST_INT + INTS.length * capacity;
  return ints * 4 + (DOUBLES.length + 2 * MOST_SAMPLES) * capacity * 8;
}

/** Threads that may share a state at a time. */
export const MAX_THREADS = 64;

/** Integers of a thread's row of requests under way: whole cache lines, so that no thread writes to those of another. */
export function rowLength(capacity: number): number {
  return (capacity + 31) & ~31;
}

/** Where threads share a state: a row of requests under way for each, and which is this thread's. */
export interface ThreadRows {
  readonly counts: Int32Array;
  readonly thread: number;
}

const NO_ROWS = new Int32Array();

/**
 * What is known of every deployment at the moment, as arrays over one buffer, by the deployment's slot: what JavaScript reads and writes without a call,
 * in memory of this instance, or of the addon for all threads.
 */
export class RouterMemory {
  /** Everything, as the engines see it. */
  readonly ints: Int32Array;
  readonly doubles: Float64Array;

  /** Whether others write to this memory, too: other threads, or other routers of this one. */
  readonly isShared: boolean;
  /**
   * Requests under way, of this thread alone: `inFlightOf` has all. Nobody else writes to them, so that nothing is ever half counted: the addon clears the row of a
   * thread that ends, however it ends.
   */
  readonly inFlight: Int32Array;
  /** Those of all threads, each a row of `rowLength`; empty where nothing is shared. */
  readonly rows: Int32Array;
  /** Minutes since 1970 that the next four count. */
  readonly minute: Int32Array;
  readonly requests: Int32Array;
  readonly tokens: Int32Array;
  readonly successes: Int32Array;
  readonly failures: Int32Array;
  /** Failures under `allowedFails`, until `failsUntil`. */
  readonly fails: Int32Array;
  /** Samples taken since the start. */
  readonly latencies: Int32Array;
  readonly firstTokens: Int32Array;
  /** What other processes report. */
  readonly elsewhereInFlight: Int32Array;
  readonly elsewhereMinute: Int32Array;
  readonly elsewhereRequests: Int32Array;
  readonly elsewhereTokens: Int32Array;

  readonly coolingUntil: Float64Array;
  readonly unhealthyUntil: Float64Array;
  readonly failsUntil: Float64Array;
  /** Means of the samples, in ms; 0 without any. */
  readonly latency: Float64Array;
  readonly firstToken: Float64Array;
  /** When the last sample was taken. */
  readonly latencyAt: Float64Array;
  readonly firstTokenAt: Float64Array;
  /** `MOST_SAMPLES` of every deployment. */
  readonly latencySamples: Float64Array;
  readonly firstTokenSamples: Float64Array;
  private readonly row: number;

  constructor(
    readonly buffer: ArrayBuffer,
    readonly capacity: number,
    shared: ThreadRows | null = null,
  ) {
    const ints = (this.ints = new Int32Array(buffer, 0, FIRST_INT + INTS.length * capacity));
    // The addon has counted its threads itself.
    if (shared !== null && ints[THREADS] <= shared.thread) ints[THREADS] = shared.thread + 1;
    const doubles = (this.doubles = new Float64Array(buffer, ints.byteLength));
    const int = (name: (typeof INTS)[number]): Int32Array => {
      const start = FIRST_INT + INTS.indexOf(name) * capacity;
      return ints.subarray(start, start + capacity);
    };
    const double = (name: (typeof DOUBLES)[number]): Float64Array => {
      const start = DOUBLES.indexOf(name) * capacity;
      return doubles.subarray(start, start + capacity);
    };
    this.isShared = shared !== null;
    this.rows = shared?.counts ?? NO_ROWS;
    this.row = rowLength(capacity);
    this.inFlight = shared === null ? int('inFlight') : this.rows.subarray(shared.thread * this.row, shared.thread * this.row + capacity);
    this.minute = int('minute');
    this.requests = int('requests');
    this.tokens = int('tokens');
    this.successes = int('successes');
    this.failures = int('failures');
    this.fails = int('fails');
    this.latencies = int('latencies');
    this.firstTokens = int('firstTokens');
    this.elsewhereInFlight = int('elsewhereInFlight');
    this.elsewhereMinute = int('elsewhereMinute');
    this.elsewhereRequests = int('elsewhereRequests');
    this.elsewhereTokens = int('elsewhereTokens');
    this.coolingUntil = double('coolingUntil');
    this.unhealthyUntil = double('unhealthyUntil');
    this.failsUntil = double('failsUntil');
    this.latency = double('latency');
    this.firstToken = double('firstToken');
    this.latencyAt = double('latencyAt');
    this.firstTokenAt = double('firstTokenAt');
    const samples = DOUBLES.length * capacity;
    this.latencySamples = doubles.subarray(samples, samples + MOST_SAMPLES * capacity);
    this.firstTokenSamples = doubles.subarray(samples + MOST_SAMPLES * capacity);
  }

  /** Requests under way, of all threads and processes. */
  inFlightOf(slot: number): number {
    return this.isShared ? this.inThreads(slot) : this.inFlight[slot] + this.elsewhereInFlight[slot];
  }

  /** Tokens of this minute, of all threads and processes. */
  tokensOf(slot: number, minute: number): number {
    const here = this.minute[slot] === minute ? this.tokens[slot] : 0;
    return this.elsewhereMinute[slot] === minute ? here + this.elsewhereTokens[slot] : here;
  }

  private inThreads(slot: number): number {
    const { rows, row } = this;
    let count = this.elsewhereInFlight[slot];
    for (let at = slot, left = this.ints[THREADS]; left > 0; left--, at += row) count += rows[at];
    return count;
  }

  /** The same for more deployments, with what is known of these. */
  grown(capacity: number): RouterMemory {
    const larger = new RouterMemory(new ArrayBuffer(memoryBytes(capacity)), capacity);
    const [from, to] = [this.arrays(), larger.arrays()];
    from.forEach((array, index) => to[index].set(array));
    return larger;
  }

  /** Forgets a slot, for the next deployment in it. */
  clear(slot: number): void {
    for (const array of this.arrays()) {
      const each = array.length / this.capacity;
      array.fill(0, slot * each, (slot + 1) * each);
    }
  }

  /** All arrays by slot. */
  private arrays(): (Int32Array | Float64Array)[] {
    const { capacity, ints, doubles } = this;
    const samples = DOUBLES.length * capacity;
    return [
      ...INTS.map((_, index) => ints.subarray(FIRST_INT + index * capacity, FIRST_INT + (index + 1) * capacity)),
      ...DOUBLES.map((_, index) => doubles.subarray(index * capacity, (index + 1) * capacity)),
      doubles.subarray(samples, samples + MOST_SAMPLES * capacity),
      doubles.subarray(samples + MOST_SAMPLES * capacity),
    ];
  }
}

/** The minute of an instant, as the usage is counted by. */
export function minuteOf(nowMs: number): number {
  return (nowMs / 60_000) | 0;
}
