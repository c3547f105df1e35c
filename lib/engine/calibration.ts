import type { EngineName } from '../common/capability.js';
import { SILENT_RECORDER, type CallRecorder } from '../common/recorder.js';
import { checkOneOf, optional } from '../common/options.js';
import { capabilityOf, componentOf } from './engine-series.js';
import type { EngineSpeeds } from './engine-speeds.js';

/** `off`: none, whoever asks. `on`: within 100 ms of work; an engine that costs much to load when it is asked for. `full`: all of it, after boot. */
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
const BUDGET_MS = 100;
const CASE_MS = 15;
const TURN_MS = 2;
/** Between two turns: V8 compiles what was run often in threads of its own, which want a processor too. */
const PAUSE_MS = 6;
/** Length of a sample: long enough for the clock. */
const SAMPLE_MS = 0.04;
const MOST_TIMES = 1 << 14;
/**
 * Code that was never run is slow, TypeScript's more so, and it becomes fast in leaps: an engine is warm when it has run for as long again without one, and for
 * `STEADY_MS` at least. One that is not by `MOST_WARM_UP_MS` is measured as it is.
 */
const STEADY_MS = 2;
const LEAP = 0.9;
const MOST_WARM_UP_MS = 24;
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
  yield* nativeCalls.warmUp();
  // The fastest of a few: on a busy machine the others tell of the neighbours.
  const fastestMs = Math.min(...Array.from({ length: 5 }, () => nativeCalls.take()));
  if (twinMs !== undefined) {
    if (fastestMs >= twinMs) apart?.();
    return;
  }
  const typescriptCalls = on(typescript);
  yield* typescriptCalls.warmUp();
  const [natives, typescripts]: [number[], number[]] = [[], []];
  const isSteady = (): boolean => [natives, typescripts].every(agrees);
  const isOver = (): boolean => nativeCalls.spentMs + typescriptCalls.spentMs > CASE_MS || natives.length >= MOST_ROUNDS;
  while (natives.length < fewestRounds || natives.length % BATCH !== 0 || !(isSteady() || isOver())) {
    yield undefined;
    natives.push(nativeCalls.take());
    typescripts.push(typescriptCalls.take());
  }
  const isFaster = (from: number, to?: number): boolean => median(natives.slice(from, to)) < median(typescripts.slice(from, to));
  const isJudged = isFaster(-2 * BATCH, -BATCH) === isFaster(-BATCH);
  for (const times of [natives, typescripts]) times.splice(0, times.length - fewestRounds);
  const component = (engine: EngineName): string => componentOf(capabilityOf(feature), engine);
  for (const [engine, times] of [['native', natives] as const, ['typescript', typescripts] as const]) {
    const series = recorder.series(component(engine), CALIBRATION + operation);
    for (const ms of undisturbed(times)) series.record(ms);
  }
  if (isJudged) speeds.judge(sizeClass, median(natives), median(typescripts), 'calibration');
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
  private times = 1;

  constructor(private readonly call: () => void) {}

  /** Runs it until it is as fast as it gets. */
  *warmUp(): Generator<undefined> {
    let [fastestMs, leaptAtMs] = [Infinity, 0];
    while (this.spentMs < MOST_WARM_UP_MS && this.spentMs - leaptAtMs < Math.max(STEADY_MS, leaptAtMs)) {
      const perCallMs = this.take();
      const isClear = this.times * perCallMs >= SAMPLE_MS / 2 || this.times === MOST_TIMES;
      if (isClear && perCallMs < fastestMs * LEAP) [fastestMs, leaptAtMs] = [perCallMs, this.spentMs];
      this.times = Math.min(MOST_TIMES, this.times * 2, Math.max(1, Math.round(SAMPLE_MS / perCallMs)));
      yield undefined;
    }
    this.spentMs = 0;
  }

  /** Milliseconds of one call. */
  take(): number {
    const start = performance.now();
    for (let i = 0; i < this.times; i++) this.call();
    const tookMs = performance.now() - start;
    this.spentMs += tookMs;
    return tookMs / this.times;
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
