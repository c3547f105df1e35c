import { SILENT_RECORDER, type CallRecorder } from '../common/recorder.js';
import { checkOneOf, optional } from '../common/options.js';
import { capabilityOf, componentOf } from './engine-series.js';
import type { EngineSpeeds } from './engine-speeds.js';

/** `off`: none. `on`: within 50 ms of work, loading nothing that costs much. `full`: both engines in any case, whatever it takes to load them. */
export type CalibrationMode = 'off' | 'on' | 'full';

/** Something to be measured on both engines. */
export interface CalibrationCase<E extends object> {
  /** Names the series: `count_2048`. */
  readonly operation: string;
  /** The class that it speaks for, of the capability's `SizeClasses`. */
  readonly sizeClass: number;
  /** Makes ready on an engine: what is to be measured, and what ends it. */
  readonly prepare: (engine: E) => CalibrationRun;
  /** The TypeScript engine costs much to load and never takes less than this, in milliseconds: below it, it need not be asked. */
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
  readonly speeds: EngineSpeeds;
}

/** Work that stops for breath. */
export type CalibrationSteps = (mode: CalibrationMode, recorder: CallRecorder) => Generator<undefined>;

/** Names of the operations that calibration records under begin so. */
export const CALIBRATION = 'calibration_';

const VARIABLE = 'FAST_LITELLM_CALIBRATE';
const MODES: readonly CalibrationMode[] = ['off', 'on', 'full'];

/** All the work there may be, of one case, and in one turn of the event loop, in milliseconds. */
const BUDGET_MS = 50;
const CASE_MS = 15;
const TURN_MS = 2;
/** Length of a sample: long enough for the clock. */
const SAMPLE_MS = 0.04;
const MOST_ROUNDS = 24;
const FEWEST_ROUNDS = 3;

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
 * Without a recorder nothing is recorded. Returns what ends it early.
 */
export function calibrate(
  subjects: readonly CalibrationSteps[],
  mode: CalibrationMode,
  recorder: CallRecorder = SILENT_RECORDER,
): () => void {
  if (mode === 'off') return () => {};
  const work = oneAfterTheOther(subjects, mode, recorder);
  let spentMs = 0;
  let next: NodeJS.Immediate | undefined;
  const turn = (): void => {
    const start = performance.now();
    let isDone = false;
    while (!isDone && performance.now() - start < TURN_MS) isDone = work.next().done === true;
    if (isDone) return;
    spentMs += performance.now() - start;
    if (mode === 'full' || spentMs < BUDGET_MS) next = setImmediate(turn).unref();
    else work.return(undefined);
  };
  next = setImmediate(turn).unref();
  return () => {
    clearImmediate(next);
    work.return(undefined);
  };
}

/** The steps of one capability; none where there is no native engine to compare with. */
export function calibrationOf<E extends object>(subject: CalibrationSubject<E>, cases: readonly CalibrationCase<E>[]): CalibrationSteps {
  return function* steps(mode, recorder) {
    const { native } = subject;
    const open: CalibrationRun[] = [];
    for (const each of native === null ? [] : cases) {
      try {
        yield* measureCase({ ...subject, native: native as E }, each, mode, recorder, open);
      } catch {
        // An engine that fails here fails where it is used, too, and there it is counted.
      } finally {
        for (const { end } of open.splice(0)) end?.();
      }
    }
  };
}

function* oneAfterTheOther(subjects: readonly CalibrationSteps[], mode: CalibrationMode, recorder: CallRecorder): Generator<undefined> {
  for (const steps of subjects) yield* steps(mode, recorder);
}

function* measureCase<E extends object>(
  { feature, native, typescript, speeds }: CalibrationSubject<E> & { readonly native: E },
  { operation, sizeClass, prepare, twinMs }: CalibrationCase<E>,
  mode: CalibrationMode,
  recorder: CallRecorder,
  open: CalibrationRun[],
): Generator<undefined> {
  const start = performance.now();
  const on = (engine: E): (() => number) => {
    const prepared = prepare(engine);
    open.push(prepared);
    return sampler(prepared.run);
  };
  const runNative = on(native);
  yield undefined;
  if (mode !== 'full' && twinMs !== undefined && median([runNative(), runNative(), runNative()]) < twinMs) return;
  const runTypescript = on(typescript);
  const [natives, typescripts]: [number[], number[]] = [[], []];
  const series = (['native', 'typescript'] as const).map((engine) =>
    recorder.series(componentOf(capabilityOf(feature), engine), CALIBRATION + operation),
  );
  do {
    yield undefined;
    const [nativeMs, typescriptMs] = [runNative(), runTypescript()];
    series[0].record(nativeMs);
    series[1].record(typescriptMs);
    natives.push(nativeMs);
    typescripts.push(typescriptMs);
  } while (natives.length < MOST_ROUNDS && (natives.length < FEWEST_ROUNDS || performance.now() - start < CASE_MS));
  speeds.judge(sizeClass, median(natives), median(typescripts), 'calibration');
}

/** Runs `call` as often as makes a sample, and gives the milliseconds of one. The warm-up finds out how often that is. */
function sampler(call: () => void): () => number {
  const run = (times: number): number => {
    const start = performance.now();
    for (let i = 0; i < times; i++) call();
    return performance.now() - start;
  };
  let times = 1;
  while (run(times) < SAMPLE_MS && times < 1 << 14) times *= 2;
  return () => run(times) / times;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
