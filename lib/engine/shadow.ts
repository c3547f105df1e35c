import { isDeepStrictEqual, types } from 'node:util';
import { FastLiteLLMError } from '../common/errors.js';

/** One shadow run. Contains no text of users: results are described, not quoted. */
export interface ShadowObservation {
  readonly feature: string;
  readonly operation: string;
  readonly typescriptMs: number;
  readonly nativeMs: number;
  /** Both returned the same result, or failed with the same code or an error of the same name. */
  readonly equal: boolean;
  readonly typescript: string;
  readonly native: string;
}

/** Receives shadow runs: the performance monitor. Its errors are ignored. */
export interface ShadowRecorder {
  /** Takes one shadow run. */
  recordShadow(observation: ShadowObservation): void;
}

/** The outcome of one call of one engine. */
export interface Outcome {
  readonly result?: unknown;
  readonly error?: unknown;
  readonly failed: boolean;
  readonly ms: number;
}

/** Totals of all shadow runs since the start. Times are in milliseconds. */
export interface ShadowSummary {
  readonly runs: number;
  readonly differences: number;
  readonly typescriptMs: number;
  readonly nativeMs: number;
  /** The latest first. */
  readonly lastDifferences: readonly ShadowObservation[];
}

const KEPT_DIFFERENCES = 20;

/** Totals of shadow runs, in constant memory. */
export class ShadowLog {
  private readonly totals = { runs: 0, differences: 0, typescriptMs: 0, nativeMs: 0 };
  private readonly last: ShadowObservation[] = [];

  add(observation: ShadowObservation): void {
    const { totals, last } = this;
    totals.runs++;
    totals.typescriptMs += observation.typescriptMs;
    totals.nativeMs += observation.nativeMs;
    if (observation.equal) return;
    totals.differences++;
    last.unshift(observation);
    last.length = Math.min(last.length, KEPT_DIFFERENCES);
  }

  summary(): ShadowSummary {
    return { ...this.totals, lastDifferences: [...this.last] };
  }
}

/**
 * Times a call and returns the result of `end` for its outcome; for a promise, a promise of it.
 */
export function outcomeOf<R>(call: () => R, end: (outcome: Outcome) => R): R {
  const start = performance.now();
  const succeed = (result: unknown): R => end({ result, failed: false, ms: performance.now() - start });
  const fail = (error: unknown): R => end({ error, failed: true, ms: performance.now() - start });
  let result: R;
  try {
    result = call();
  } catch (error) {
    return fail(error);
  }
  return types.isPromise(result) ? (result.then(succeed, fail) as R) : succeed(result);
}

export function observe(feature: string, operation: string, typescript: Outcome, native: Outcome): ShadowObservation {
  const [ours, theirs] = [describeOutcome(typescript), describeOutcome(native)];
  const isEqual =
    typescript.failed || native.failed
      ? typescript.failed === native.failed && ours === theirs
      : isDeepStrictEqual(typescript.result, native.result);
  return { feature, operation, typescriptMs: typescript.ms, nativeMs: native.ms, equal: isEqual, typescript: ours, native: theirs };
}

function describeOutcome({ failed, error, result }: Outcome): string {
  if (!failed) return describeResult(result);
  if (error instanceof FastLiteLLMError) return `threw ${error.code}`;
  return `threw ${types.isNativeError(error) ? error.name : `a ${typeof error}`}`;
}

function describeResult(result: unknown): string {
  if (typeof result === 'string') return `a string of ${result.length} characters`;
  if (ArrayBuffer.isView(result)) return `a ${result.constructor.name} of ${result.byteLength} bytes`;
  if (Array.isArray(result)) return `an array of ${result.length}`;
  return typeof result === 'object' && result !== null ? 'an object' : String(result);
}
