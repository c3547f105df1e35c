/**
 * Records the calls of one operation of one component. Get it once and keep it.
 *
 * For calls that take microseconds or less, call `sampled` before you read a clock; it counts the
 * call either way. Longer calls (a request, a connection, a provider's answer) can all be recorded
 * without it.
 *
 * @example
 * if (!series.sampled()) return pick();
 * const start = performance.now();
 * const picked = pick();
 * series.record(performance.now() - start, true);
 */
export interface CallSeries {
  /** Returns whether to measure the next call. After `true`, call `record` once. */
  sampled(): boolean;

  /**
   * Adds one measured call. Invalid durations (negative, not finite) are ignored.
   * @param ok Whether it succeeded. Default `true`.
   * @param inputSize Characters, tokens or bytes of the input, if meaningful.
   * @param outputSize The same for the output.
   */
  record(durationMs: number, ok?: boolean, inputSize?: number, outputSize?: number): void;
}

/** Receives recorded calls. Implemented by the performance monitor. */
export interface CallRecorder {
  /**
   * Returns the series for these names, always the same one. Get it once, not for every call.
   * @param component `routing`, `connection_pooling`, `llm_client`; for an engine's work
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
