/**
 * Records the calls of one operation of one component. Get it once and keep it.
 *
 * Where a call takes microseconds or less, `sampled` decides before any clock is read; it counts
 * the call either way. Where it takes longer (a request, a connection, an answer of a provider),
 * every call may be recorded without asking.
 *
 * @example
 * if (!series.sampled()) return pick();
 * const start = performance.now();
 * const picked = pick();
 * series.record(performance.now() - start, true);
 */
export interface CallSeries {
  /** Whether the call about to be made is to be measured. `true` asks for one `record`. */
  sampled(): boolean;

  /**
   * Adds one measured call. What is no duration (negative, not finite) is ignored.
   * @param ok Whether it succeeded. Default `true`.
   * @param inputSize Characters, tokens or bytes that went in, where that means something.
   * @param outputSize The same of what came out.
   */
  record(durationMs: number, ok?: boolean, inputSize?: number, outputSize?: number): void;
}

/** Where capabilities record what they did; the performance monitor is one. */
export interface CallRecorder {
  /**
   * The series of these names, always the same one. Get it once, not for every call.
   * @param component `routing`, `connection_pooling`, `llm_client`; of an engine's work
   * `rust_routing`, `typescript_routing`.
   * @param operation `pick`, `acquire`, `execute`. Bounded sets only: never a key, a user, a raw
   * URL or a secret.
   */
  series(component: string, operation: string): CallSeries;
}

/** For those who are given no recorder: nothing is measured, nothing is kept. */
export const SILENT_RECORDER: CallRecorder = { series: () => SILENT_SERIES };

const SILENT_SERIES: CallSeries = { sampled: () => false, record: () => {} };

/** Makes a call that `sampled` has chosen, and records how long it took and how it ended. */
export function measure<R>(series: CallSeries, call: () => R, inputSize?: number, outputSize?: (result: R) => number): R {
  const start = performance.now();
  let result: R;
  try {
    result = call();
  } catch (error) {
    series.record(performance.now() - start, false, inputSize);
    throw error;
  }
  series.record(performance.now() - start, true, inputSize, outputSize?.(result));
  return result;
}
