/**
 * Integers per deployment: each is an array of `capacity` in the region. `spare` keeps the doubles
 * aligned for an odd capacity.
 */
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
/**
 * Doubles per deployment, after the integers; the samples of latency and of time to first token
 * follow.
 */
const DOUBLES = ['coolingUntil', 'unhealthyUntil', 'failsUntil', 'latency', 'firstToken', 'latencyAt', 'firstTokenAt'] as const;

/**
 * Integers before those of the deployments: a cache line, whose first says how many threads have a
 * row.
 */
const HEADER_INTS = 32;
const THREADS = 0;

/** Samples of latency kept per deployment. */
export const MOST_SAMPLES = 16;

/**
 * Bytes of a region for `capacity` deployments. native/core/src/router/memory.rs has the same
 * layout.
 */
export function memoryBytes(capacity: number): number {
  const ints = HEADER_INTS + INTS.length * capacity;
  return ints * 4 + (DOUBLES.length + 2 * MOST_SAMPLES) * capacity * 8;
}

/** Threads that may share a state at the same time. */
export const MAX_THREADS = 64;

/**
 * Integers in a thread's row of requests in flight: whole cache lines, so that threads do not write
 * to the same line.
 */
export function rowLength(capacity: number): number {
  return (capacity + 31) & ~31;
}

/**
 * The rows of requests in flight of all threads that share a state, and the number of this thread's
 * row.
 */
export interface ThreadRows {
  readonly counts: Int32Array;
  readonly thread: number;
}

const NO_ROWS = new Int32Array();

/**
 * The state of all deployments, as arrays over one buffer that are indexed by a deployment's slot.
 * The buffer belongs to this instance, or to the addon, where all threads share it. Engines read
 * the same arrays.
 */
export class RouterMemory {
  /** The whole region, as engines read it. */
  readonly ints: Int32Array;
  readonly doubles: Float64Array;

  /** Whether other threads, or other routers of this thread, write to this memory. */
  readonly isShared: boolean;
  /**
   * Requests in flight of this thread; `inFlightOf` adds the others. Only this thread writes here,
   * and the addon clears the row when the thread ends.
   */
  readonly inFlight: Int32Array;
  /** The rows of all threads, each of `rowLength`; empty if nothing is shared. */
  readonly rows: Int32Array;
  /** Minute since 1970 that the next four count. */
  readonly minute: Int32Array;
  readonly requests: Int32Array;
  readonly tokens: Int32Array;
  readonly successes: Int32Array;
  readonly failures: Int32Array;
  /** Failures under `allowedFails`, valid until `failsUntil`. */
  readonly fails: Int32Array;
  /** Samples taken since the start. */
  readonly latencies: Int32Array;
  readonly firstTokens: Int32Array;
  /** Reported by other processes. */
  readonly elsewhereInFlight: Int32Array;
  readonly elsewhereMinute: Int32Array;
  readonly elsewhereRequests: Int32Array;
  readonly elsewhereTokens: Int32Array;

  readonly coolingUntil: Float64Array;
  readonly unhealthyUntil: Float64Array;
  readonly failsUntil: Float64Array;
  /** Means of the samples, in ms; 0 without samples. */
  readonly latency: Float64Array;
  readonly firstToken: Float64Array;
  /** Time of the last sample. */
  readonly latencyAt: Float64Array;
  readonly firstTokenAt: Float64Array;
  /** `MOST_SAMPLES` per deployment. */
  readonly latencySamples: Float64Array;
  readonly firstTokenSamples: Float64Array;
  private readonly row: number;

  constructor(
    readonly buffer: ArrayBuffer,
    readonly capacity: number,
    shared: ThreadRows | null = null,
  ) {
    const ints = (this.ints = new Int32Array(buffer, 0, HEADER_INTS + INTS.length * capacity));
    // The addon counts its threads itself.
    if (shared !== null && ints[THREADS] <= shared.thread) ints[THREADS] = shared.thread + 1;
    const doubles = (this.doubles = new Float64Array(buffer, ints.byteLength));
    const int = (name: (typeof INTS)[number]): Int32Array => {
      const start = HEADER_INTS + INTS.indexOf(name) * capacity;
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

  /** Requests in flight, of all threads and processes. */
  inFlightOf(slot: number): number {
    return this.isShared ? this.inFlightOfThreads(slot) : this.inFlight[slot] + this.elsewhereInFlight[slot];
  }

  /** Requests of the minute, of all threads and processes. */
  requestsOf(slot: number, minute: number): number {
    const here = this.minute[slot] === minute ? this.requests[slot] : 0;
    return this.elsewhereMinute[slot] === minute ? here + this.elsewhereRequests[slot] : here;
  }

  /** Tokens of the minute, of all threads and processes. */
  tokensOf(slot: number, minute: number): number {
    const here = this.minute[slot] === minute ? this.tokens[slot] : 0;
    return this.elsewhereMinute[slot] === minute ? here + this.elsewhereTokens[slot] : here;
  }

  /** A larger memory with the same state. */
  grown(capacity: number): RouterMemory {
    const larger = new RouterMemory(new ArrayBuffer(memoryBytes(capacity)), capacity);
    const [from, to] = [this.arrays(), larger.arrays()];
    from.forEach((array, index) => to[index].set(array));
    return larger;
  }

  /** Clears a slot for the next deployment in it. */
  clear(slot: number): void {
    for (const array of this.arrays()) {
      const each = array.length / this.capacity;
      array.fill(0, slot * each, (slot + 1) * each);
    }
  }

  private inFlightOfThreads(slot: number): number {
    const { rows, row } = this;
    let count = this.elsewhereInFlight[slot];
    for (let at = slot, left = this.ints[THREADS]; left > 0; left--, at += row) count += rows[at];
    return count;
  }

  /** All arrays that are indexed by slot. */
  private arrays(): (Int32Array | Float64Array)[] {
    const { capacity, ints, doubles } = this;
    const samples = DOUBLES.length * capacity;
    return [
      ...INTS.map((_, index) => ints.subarray(HEADER_INTS + index * capacity, HEADER_INTS + (index + 1) * capacity)),
      ...DOUBLES.map((_, index) => doubles.subarray(index * capacity, (index + 1) * capacity)),
      doubles.subarray(samples, samples + MOST_SAMPLES * capacity),
      doubles.subarray(samples + MOST_SAMPLES * capacity),
    ];
  }
}
