/** Work that both engines can do, to be timed on each. */
export interface ComparisonCase<E> {
  /** Name of the measured operation, with its size: `count_2048`. */
  readonly operation: string;
  /** Sets the work up on an engine. */
  readonly prepare: (engine: E) => PreparedWork;
}

export interface PreparedWork {
  readonly run: () => void;
  readonly end?: () => void;
}

/**
 * Durations of single calls in milliseconds, without the slowest quarter, which other processes
 * have disturbed.
 */
export interface ComparedTimes {
  readonly operation: string;
  readonly nativeMs: readonly number[];
  readonly typescriptMs: readonly number[];
}

/** Prefix of the operations that comparisons on demand are recorded under. */
export const COMPARISON = 'comparison_';

/**
 * Each engine runs so long before the first round: V8 compiles a loop after tens of milliseconds.
 */
const WARM_UP_MS = 150;
const ROUNDS = 40;
/** Length of a round: long enough for the clock. */
const ROUND_MS = 0.2;

/**
 * Times each case on both engines, alternately. Blocks for a third of a second for each case: to be
 * run in a worker thread.
 */
export function compareEngines<E>(native: E, typescript: E, cases: readonly ComparisonCase<E>[]): ComparedTimes[] {
  return cases.map(({ operation, prepare }) => {
    const works = [prepare(native), prepare(typescript)];
    try {
      const rounds = works.map(({ run }) => warmUp(run));
      const times: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) works.forEach(({ run }, side) => times[side].push(timeOf(run, rounds[side])));
      const [nativeMs, typescriptMs] = times.map((all) => all.sort((a, b) => a - b).slice(0, Math.ceil(ROUNDS * 0.75)));
      return { operation, nativeMs, typescriptMs };
    } finally {
      for (const { end } of works) end?.();
    }
  });
}

/** Runs the work until it is compiled, and returns how many runs make a round. */
function warmUp(run: () => void): number {
  const endMs = performance.now() + WARM_UP_MS;
  let runs = 1;
  while (performance.now() < endMs) if (timeOf(run, runs) * runs < ROUND_MS) runs *= 2;
  return runs;
}

/** Milliseconds of one run. */
function timeOf(run: () => void, runs: number): number {
  const startMs = performance.now();
  for (let done = 0; done < runs; done++) run();
  return (performance.now() - startMs) / runs;
}
