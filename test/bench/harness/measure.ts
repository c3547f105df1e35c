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
  /** Tasks that stay to the end. Others leave after `trialRounds` if they are slower than `leaveBehind` times the fastest of the others. */
  readonly keep: (name: string) => boolean;
  /** Default 3. */
  readonly trialRounds?: number;
  /** Default 1.5. */
  readonly leaveBehind?: number;
  /** A task that is neither kept nor within this many milliseconds in all leaves early. Default 1,200. */
  readonly budgetMs?: number;
}

/** Nanoseconds per operation, by task and round. A round that a task did not take part in is `NaN`. */
export type Samples = Map<string, number[]>;

/**
 * Times the tasks in turns (A B C, B C A, …), so that a noisy moment of the machine hits all of them alike, and a ratio taken within a round is
 * fair even where the absolute times are not.
 */
export async function measure(tasks: readonly Task[], options: MeasureOptions): Promise<Samples> {
  const { rounds, minMs, keep, trialRounds = 3, leaveBehind = 1.5, budgetMs = 1200 } = options;
  const samples: Samples = new Map(tasks.map((task) => [task.name, new Array<number>(rounds).fill(NaN)]));
  const times = new Map<string, number>();
  const spentMs = new Map<string, number>();
  for (const task of tasks) times.set(task.name, await calibrate(task, minMs));

  let running = [...tasks];
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const task = running[(turn + round) % running.length] as Task;
      const n = times.get(task.name) as number;
      const ns = await timeOnce(task, n);
      (samples.get(task.name) as number[])[round] = ns / n;
      spentMs.set(task.name, (spentMs.get(task.name) ?? 0) + ns / 1e6);
    }
    const contestants = running.filter((task) => !keep(task.name));
    const best = Math.min(...contestants.map((task) => median(samples.get(task.name) as number[])));
    running = running.filter((task) => {
      if (keep(task.name)) return true;
      const behind = median(samples.get(task.name) as number[]) > best * leaveBehind;
      return !(behind && round + 1 >= trialRounds) && !(behind && (spentMs.get(task.name) as number) > budgetMs);
    });
  }
  return samples;
}

/** How many operations make a turn long enough. What it runs on the way is the warm-up. */
async function calibrate(task: Task, minMs: number): Promise<number> {
  let times = 1;
  for (;;) {
    const ms = (await timeOnce(task, times)) / 1e6;
    if (ms >= minMs) return times;
    times = Math.ceil(times * Math.min(10, Math.max(1.3, (1.2 * minMs) / Math.max(ms, 1e-3))));
  }
}

async function timeOnce(task: Task, times: number): Promise<number> {
  const start = process.hrtime.bigint();
  const pending = task.run(times);
  // Only asynchronous tasks pay for a turn of the event loop.
  if (pending !== undefined) await pending;
  return Number(process.hrtime.bigint() - start);
}

/** The middle of the values that are numbers; `NaN` if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** How many times faster `subject` is than `other`: the median of the ratios within the rounds that both took part in. */
export function speedup(samples: Samples, subject: string, other: string): number {
  const ours = samples.get(subject) ?? [];
  const theirs = samples.get(other) ?? [];
  return median(ours.map((ns, round) => (theirs[round] ?? NaN) / ns));
}
