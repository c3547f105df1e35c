import type { EngineName } from '../common/capability.js';
import { SILENT_RECORDER, type CallRecorder } from '../common/recorder.js';
import { checkOneOf, optional } from '../common/options.js';
import { capabilityOf, componentOf } from './engine-series.js';
import type { EngineSpeeds } from './engine-speeds.js';

/** `off`: none, whoever asks. `on`: within 500 ms of work; an engine that costs much to load when it is asked for. `full`: all of it, after boot. */
export type CalibrationMode = 'off' | 'on' | 'full';

/** Something to be measured on both engines. */
export interface CalibrationCase<E extends object> {
  /** Names the series: `count_2048`. */
  readonly operation: string;
  /** The class that it speaks for, of the capability's `SizeClasses`. */
  readonly sizeClass: number;
  /** Makes ready on an engine: what is to be measured, and what ends it. */
  readonly prepare: (engine: E) => CalibrationRun;
  /** The TypeScript engine costs much to load and never takes less than this, in milliseconds: it is measured apart, and only if native takes longer. */
  readonly twinMs?: number;
}

/** A case on one engine. */
export interface CalibrationRun {
  readonly run: () => void;
  readonly end?: () => void;
}

/** One capability's engines. */
export interface CalibrationSubject<E extends object> {
  readonly feature: string;
  readonly native: E | null;
  readonly typescript: E;
  readonly speeds: Pick<EngineSpeeds, 'judge'>;
  /** Has both engines measured where nobody waits for it, whichever way. */
  readonly apart?: () => void;
}

/** Work that stops for breath. */
export type CalibrationSteps = (recorder: CallRecorder) => Generator<undefined>;

/** Names of the operations that calibration records under begin so. */
export const CALIBRATION = 'calibration_';

const VARIABLE = 'FAST_LITELLM_CALIBRATE';
const MODES: readonly CalibrationMode[] = ['off', 'on', 'full'];

/** All the work there may be; of one case once it is warm; and in one turn of the event loop, in milliseconds. */
const BUDGET_MS = 500;
const CASE_MS = 25;
const TURN_MS = 1;
/** Between two turns: V8 compiles what was run often in threads of its own, which want a processor too. */
const PAUSE_MS = 3;
/** Length of a sample: long enough for the clock. */
const SAMPLE_MS = 0.1;
const MOST_TIMES = 1 << 14;
/**
 * Code that was never run is slow, TypeScript's more so, and it becomes fast in leaps. V8 compiles a function when its bytes have been run some hundred
 * thousand times: short ones, once per call, after ten thousand calls, and again where it had guessed wrong. So an engine is warm when it was called so often,
 * or has run for so long as loops need, and then for as long again as it took to its last leap. Both take turns, as what they share is compiled for both. Where one
 * is not warm in time, three times as long on a busy machine, there is no verdict.
 */
const WARM_CALLS = 50_000;
const WARM_MS = 20;
const STEADY_MS = 2;
const LEAP = 0.9;
const MOST_WARM_UP_MS = 300;
/** Rounds are taken in batches: where the medians of two batches differ by more, of either engine, it may still be compiled, and goes on. */
const BATCH = 8;
const UNSTEADY = 1.2;
const MOST_ROUNDS = 64;
/** Of what was asked for, to be compared: three quarters of them are enough for that. */
export const ROUNDS_TO_COMPARE = 28;

/**
 * The environment's `FAST_LITELLM_CALIBRATE` before the option before `on`.
 * @throws InvalidConfigurationError naming the variable or the option.
 */
export function readCalibrationMode(option: unknown, env: Readonly<Record<string, string | undefined>> = process.env): CalibrationMode {
  const fromOption = optional(option, 'on', (value) =>
    typeof value === 'boolean' ? (value ? 'on' : 'off') : checkOneOf('calibrate', value, MODES),
  );
  return optional(env[VARIABLE]?.trim().toLowerCase(), fromOption, (value) => checkOneOf(VARIABLE, value, MODES));
}

/**
 * Measures both engines side by side after boot, a little in each turn of the event loop, and judges which is faster. What fails or finds no time is not judged.
 * Without a recorder nothing is recorded. Returns what ends it early; `onEnd` is called when it is over, either way.
 */
export function calibrate(
  subjects: readonly CalibrationSteps[],
  mode: CalibrationMode,
  recorder: CallRecorder = SILENT_RECORDER,
  onEnd: () => void = () => {},
): () => void {
  if (mode === 'off') return () => {};
  // In turn: while one waits, what it has run is compiled.
  const work = subjects.map((steps) => steps(recorder));
  let spentMs = 0;
  let next: NodeJS.Timeout | undefined;
  const turn = (): void => {
    const start = performance.now();
    const steps = work.shift();
    if (steps === undefined) return onEnd();
    let isDone = false;
    while (!isDone && performance.now() - start < TURN_MS) isDone = steps.next().done === true;
    if (!isDone) work.push(steps);
    spentMs += performance.now() - start;
    if (mode === 'full' || spentMs < BUDGET_MS) wait();
    else end();
  };
  const end = (): void => {
    clearTimeout(next);
    for (const steps of work.splice(0)) steps.return(undefined);
    onEnd();
  };
  // Not an immediate: one that does not keep the process is not kept awake for either, and would wait for a request to come in.
  const wait = (): void => void (next = setTimeout(turn, PAUSE_MS).unref());
  wait();
  return end;
}

/**
 * The steps of one capability; none where there is no native engine to compare with.
 * @param fewestRounds two batches at least
 */
export function calibrationOf<E extends object>(
  subject: CalibrationSubject<E>,
  cases: readonly CalibrationCase<E>[],
  fewestRounds = 2 * BATCH,
): CalibrationSteps {
  return function* steps(recorder) {
    const { native } = subject;
    const open: CalibrationRun[] = [];
    for (const each of native === null ? [] : cases) {
      try {
        yield* measureCase({ ...subject, native: native as E }, each, fewestRounds, recorder, open);
      } catch {
        // An engine that fails here fails where it is used, too, and there it is counted.
      } finally {
        for (const { end } of open.splice(0)) end?.();
      }
    }
  };
}

function* measureCase<E extends object>(
  { feature, native, typescript, speeds, apart }: CalibrationSubject<E> & { readonly native: E },
  { operation, sizeClass, prepare, twinMs }: CalibrationCase<E>,
  fewestRounds: number,
  recorder: CallRecorder,
  open: CalibrationRun[],
): Generator<undefined> {
  const on = (engine: E): Sampler => {
    const prepared = prepare(engine);
    open.push(prepared);
    return new Sampler(prepared.run);
  };
  const nativeCalls = on(native);
  if (twinMs !== undefined) {
    yield* warmUp([nativeCalls], twinMs);
    if (nativeCalls.fastestMs >= twinMs) apart?.();
    return;
  }
  const typescriptCalls = on(typescript);
  const areWarm = yield* warmUp([nativeCalls, typescriptCalls]);
  const [natives, typescripts]: [number[], number[]] = [[], []];
  const isSteady = (): boolean => [natives, typescripts].every(agrees);
  const isOver = (): boolean => nativeCalls.spentMs + typescriptCalls.spentMs > CASE_MS || natives.length >= MOST_ROUNDS;
  while (natives.length < fewestRounds || natives.length % BATCH !== 0 || !(isSteady() || isOver())) {
    yield undefined;
    natives.push(nativeCalls.take());
    typescripts.push(typescriptCalls.take());
  }
  const verdict = areWarm ? verdictOf(natives, typescripts) : null;
  for (const times of [natives, typescripts]) times.splice(0, times.length - fewestRounds);
  const component = (engine: EngineName): string => componentOf(capabilityOf(feature), engine);
  for (const [engine, times] of [['native', natives] as const, ['typescript', typescripts] as const]) {
    const series = recorder.series(component(engine), CALIBRATION + operation);
    for (const ms of undisturbed(times)) series.record(ms);
  }
  if (verdict !== null) speeds.judge(sizeClass, verdict.nativeMs, verdict.typescriptMs, 'calibration');
}

/**
 * What the last two batches say: nothing where they contradict each other, otherwise the one of them that speaks more for native, so that it takes both to set it
 * aside. Milliseconds of rounds in which both were called, two batches at least.
 */
export function verdictOf(
  natives: readonly number[],
  typescripts: readonly number[],
): { readonly nativeMs: number; readonly typescriptMs: number } | null {
  const batch = (from: number, to?: number) => ({
    nativeMs: median(natives.slice(from, to)),
    typescriptMs: median(typescripts.slice(from, to)),
  });
  const [before, last] = [batch(-2 * BATCH, -BATCH), batch(-BATCH)];
  if (before.nativeMs < before.typescriptMs !== last.nativeMs < last.typescriptMs) return null;
  return before.nativeMs * last.typescriptMs < last.nativeMs * before.typescriptMs ? before : last;
}

/** Runs them in turns until each is as fast as it gets, or faster than `enoughMs`. Returns whether they all are. */
function* warmUp(samplers: readonly Sampler[], enoughMs = 0): Generator<undefined, boolean> {
  const isReady = (sampler: Sampler): boolean => sampler.isWarm || sampler.fastestMs < enoughMs;
  const hasTime = ({ ranMs, spentMs }: Sampler): boolean => ranMs < MOST_WARM_UP_MS && spentMs < 3 * MOST_WARM_UP_MS;
  while (!samplers.every(isReady) && samplers.every(hasTime)) {
    // Each has its share of the time.
    samplers.reduce((first, other) => (other.ranMs < first.ranMs ? other : first)).warmUp();
    yield undefined;
  }
  const areReady = samplers.every(isReady);
  for (const sampler of samplers) sampler.spentMs = 0;
  return areReady;
}

/** Whether the last batch came out as the one before it. */
function agrees(times: readonly number[]): boolean {
  const [before, last] = [median(times.slice(-2 * BATCH, -BATCH)), median(times.slice(-BATCH))];
  return Math.max(before, last) <= Math.min(before, last) * UNSTEADY;
}

/** Without the slowest quarter: there the machine did something else. */
function undisturbed(times: readonly number[]): number[] {
  return [...times].sort((a, b) => a - b).slice(0, Math.ceil(times.length * 0.75));
}

/** Takes times of a call, run as often at a time as the clock needs. */
class Sampler {
  /** What all of it took, since the warm-up. */
  spentMs = 0;
  /** What the warm-up took, without what the machine did meanwhile. */
  ranMs = 0;
  /** Of one call, in any sample: on a busy machine the others tell of the neighbours. */
  fastestMs = Infinity;
  private times = 1;
  private calls = 0;
  private readonly batch: number[] = [];
  private leastMs = Infinity;
  private leaptAtMs = 0;

  constructor(private readonly call: () => void) {}

  /** Whether it is as fast as it gets, as far as can be told. */
  get isWarm(): boolean {
    const hasRun = this.calls >= WARM_CALLS || this.ranMs >= WARM_MS;
    return hasRun && this.leastMs < Infinity && this.ranMs - this.leaptAtMs >= Math.max(STEADY_MS, this.leaptAtMs);
  }

  /** A sample, after which the next one has the length that it should. */
  warmUp(): void {
    const perCallMs = this.take();
    this.ranMs += this.times * Math.min(perCallMs, 2 * this.leastMs);
    if (this.times * perCallMs >= SAMPLE_MS / 2 || this.times === MOST_TIMES) this.batch.push(perCallMs);
    if (this.batch.length === BATCH) {
      const middleMs = median(this.batch.splice(0));
      if (middleMs < this.leastMs * LEAP) [this.leastMs, this.leaptAtMs] = [middleMs, this.ranMs];
    }
    this.times = Math.min(MOST_TIMES, this.times * 2, Math.max(1, Math.round(SAMPLE_MS / perCallMs)));
  }

  /** Milliseconds of one call. */
  take(): number {
    const start = performance.now();
    for (let i = 0; i < this.times; i++) this.call();
    const tookMs = performance.now() - start;
    this.spentMs += tookMs;
    this.calls += this.times;
    const perCallMs = tookMs / this.times;
    this.fastestMs = Math.min(this.fastestMs, perCallMs);
    return perCallMs;
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
