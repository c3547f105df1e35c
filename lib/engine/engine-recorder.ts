import { isDeepStrictEqual, types } from 'node:util';
import { FastLiteLLMError } from '../common/errors.js';
import type { EngineName } from '../common/capability.js';
import { SILENT_RECORDER, type CallRecorder, type CallSeries } from '../common/recorder.js';

/** Records the calls and shadow runs of engines: the performance monitor. */
export interface EngineRecorder extends CallRecorder {
  /** Takes one shadow run. Its errors are ignored. */
  recordShadow(observation: ShadowObservation): void;
}

/** The series of one operation, by the engine that answers. */
export type EngineSeries = Readonly<Record<EngineName, CallSeries>>;

/** `token_counting`, of `rust_token_counting` and `batch_token_counting`. */
export function capabilityOf(feature: string): string {
  return feature.replace(/^(rust|batch)_/, '');
}

/** The component that an engine's calls are recorded under: `rust_token_counting`. */
export function componentOf(capability: string, engine: EngineName): string {
  return `${engine === 'native' ? 'rust' : 'typescript'}_${capability}`;
}

/** The series of one operation, for callers to keep. Measures nothing without a recorder. */
export function engineSeries(recorder: CallRecorder = SILENT_RECORDER, capability: string, operation: string): EngineSeries {
  return {
    native: recorder.series(componentOf(capability, 'native'), operation),
    typescript: recorder.series(componentOf(capability, 'typescript'), operation),
  };
}

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

/** The outcome of one call of one engine. */
export interface Outcome {
  readonly result?: unknown;
  readonly error?: unknown;
  readonly failed: boolean;
  readonly ms: number;
}

/** Times a call and returns the result of `end` for its outcome; for a promise, a promise of it. */
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
