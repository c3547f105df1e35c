/** Something to be timed beside its peers in the same process. */
export interface Task {
  readonly name: string;
  /** Runs the operation `times` times. What is timed is the whole call. */
  run(times: number): void | Promise<void>;
}

export interface MeasureOptions {
  /** How many times each task gets its turn. The medians are taken over these. */
  readonly rounds: number;
  /** Least length of one turn, in milliseconds: `times` grows until a turn takes this long. */
  readonly minMs: number;
  /** Tasks that run in all rounds. Of the others, slow ones are dropped early to save time. */
  readonly keep: (name: string) => boolean;
  /**
   * Measures the CPU time of this process instead of wall time, for tasks without I/O. Default
   * `false`.
   */
  readonly cpuTime?: boolean;
  /**
   * Rounds after which tasks `BEHIND` times slower than the fastest other are dropped. Default 3.
   */
  readonly trialRounds?: number;
}

/** A task this many times slower than the fastest other keeps the rough figure of its warm-up. */
const FAR_BEHIND = 4;
const BEHIND = 1.5;
/** A collection or the compiler may hold a turn up for as long as this. */
const LONGEST_STALL_MS = 100;

/** Nanoseconds per operation, by task and round; `NaN` for a round without the task. */
export type Samples = Map<string, number[]>;

/**
 * Times the tasks alternately (A B C, B C A, …), so that a noisy moment of the machine hits all of
 * them alike, and a ratio taken within a round is fair even where the absolute times are not.
 */
export async function measure(
  tasks: readonly Task[],
  { rounds, minMs, keep, trialRounds = 3, cpuTime = false }: MeasureOptions,
): Promise<Samples> {
  const samples: Samples = new Map(tasks.map((task) => [task.name, new Array<number>(rounds).fill(NaN)]));
  const times = new Map<string, number>();
  const take = (task: Task, round: number, ns: number): void => void ((samples.get(task.name) as number[])[round] = ns);
  const now = cpuTime ? processorNs : () => process.hrtime.bigint();
  for (const task of tasks) {
    const warm = await calibrate(task, minMs, now);
    times.set(task.name, warm.times);
    take(task, 0, warm.ns);
  }
  let running = withoutThoseBehind(tasks, samples, keep, FAR_BEHIND);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const task = running[(turn + round) % running.length];
      const n = times.get(task.name) as number;
      take(task, round, (await timeOnce(task, n, now)) / n);
    }
    if (round + 1 === trialRounds) running = withoutThoseBehind(running, samples, keep, BEHIND);
  }
  return samples;
}

function withoutThoseBehind(tasks: readonly Task[], samples: Samples, keep: (name: string) => boolean, factor: number): Task[] {
  const speed = ({ name }: Task): number => median(samples.get(name) as number[]);
  const best = Math.min(...tasks.filter(({ name }) => !keep(name)).map(speed));
  return tasks.filter((task) => keep(task.name) || speed(task) <= best * factor);
}

/** Operations for a turn of sufficient length, and the time of one. Serves as the warm-up. */
async function calibrate(task: Task, minMs: number, now: () => bigint): Promise<{ times: number; ns: number }> {
  let times = 1;
  for (;;) {
    let ns = await timeOnce(task, times, now);
    // A stall makes a few calls look like a turn of sufficient length: the next turn shows it.
    if (ns >= minMs * 1e6 && ns < LONGEST_STALL_MS * 1e6) ns = Math.min(ns, await timeOnce(task, times, now));
    if (ns >= minMs * 1e6) return { times, ns: ns / times };
    times = Math.ceil(times * Math.min(10, Math.max(1.3, (1.2e6 * minMs) / Math.max(ns, 1e3))));
  }
}

function processorNs(): bigint {
  const { user, system } = process.cpuUsage();
  return BigInt(user + system) * 1000n;
}

async function timeOnce(task: Task, times: number, now: () => bigint): Promise<number> {
  const start = now();
  const pending = task.run(times);
  // Only asynchronous tasks pay for a turn of the event loop.
  if (pending !== undefined) await pending;
  return Number(now() - start);
}

/** The middle of the values that are numbers; `NaN` if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Speed of `subject` relative to `other`: the median of the ratios of their common rounds. */
export function speedup(samples: Samples, subject: string, other: string): number {
  const ours = samples.get(subject) ?? [];
  const theirs = samples.get(other) ?? [];
  return median(ours.map((ns, round) => (theirs[round] ?? NaN) / ns));
}
