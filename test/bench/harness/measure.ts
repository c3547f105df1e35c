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
  /** Tasks that stay to the end. Of the others, those far behind leave early, so that a bench does not spend its time on its slowest peers. */
  readonly keep: (name: string) => boolean;
  /** Counts the processor time of this process, and not the time that passes: for tasks that wait for nothing, on a machine that others use, too. Default `false`. */
  readonly cpuTime?: boolean;
  /** After how many rounds those leave that are `BEHIND` times slower than the fastest of the others. Default 3. */
  readonly trialRounds?: number;
}

/** What a warm-up shows is rough: only a task this many times slower than the fastest of the others has its warm-up for its only figure. */
const FAR_BEHIND = 4;
const BEHIND = 1.5;
/** A collection or the compiler may hold a turn up for as long as this. */
const LONGEST_STALL_MS = 100;

/** Nanoseconds per operation, by task and round. A round that a task did not take part in is `NaN`. */
export type Samples = Map<string, number[]>;

/**
 * Times the tasks in turns (A B C, B C A, …), so that a noisy moment of the machine hits all of them alike, and a ratio taken within a round is
 * fair even where the absolute times are not.
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

/** How many operations make a turn long enough, and what one then took. What it runs on the way is the warm-up. */
async function calibrate(task: Task, minMs: number, now: () => bigint): Promise<{ times: number; ns: number }> {
  let times = 1;
  for (;;) {
    let ns = await timeOnce(task, times, now);
    // A few calls with a stall among them look like a turn that is long enough: then the next one is not.
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

/** How many times faster `subject` is than `other`: the median of the ratios within the rounds that both took part in. */
export function speedup(samples: Samples, subject: string, other: string): number {
  const ours = samples.get(subject) ?? [];
  const theirs = samples.get(other) ?? [];
  return median(ours.map((ns, round) => (theirs[round] ?? NaN) / ns));
}
