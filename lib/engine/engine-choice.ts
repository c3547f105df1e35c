import type { EngineName } from '../common/capability.js';

/**
 * The choice between the native and the TypeScript engine of one capability, and the only place
 * where a call moves from one to the other. A service holds one and never reads flags or opens the
 * addon itself.
 */
export interface EngineChoice<E extends object> {
  /** The flag that governs the native engine: `rust_token_counting`. */
  readonly feature: string;
  /** `null` if the addon is missing, fails its self-test, or is not wanted. */
  readonly native: E | null;
  readonly typescript: E;
  /** The engine that answers a request without an id at the moment. */
  readonly active: EngineName;
  /** Why that engine, for the log, `/health` and the dashboard. */
  readonly reason: string;
  /** Whether native errors keep the native engine off, or it has failed its self-test. */
  readonly impaired: boolean;

  /**
   * The engine that answers every call at the moment; `null` in a partial rollout, a shadow run or
   * while the circuit breaker is half-open. A hot path calls it directly and passes its errors to
   * `recover`.
   */
  readonly always: E | null;

  /**
   * `always` for work of this size: TypeScript below the feature's threshold in `SIZE_THRESHOLDS`.
   */
  alwaysFor(size: number): E | null;

  /**
   * The engine of a request by configuration, whether or not errors keep native off: for state that
   * stays in one engine. `both`: a shadow run.
   */
  assigned(requestId: string | undefined): EngineName | 'both';

  /**
   * Runs `call` on the engine of this request, with shadow runs, error counting and fallback.
   * `operation` names it for the monitor: `count`. With a `size`, TypeScript answers below the
   * feature's threshold in `SIZE_THRESHOLDS`.
   */
  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size?: number): R;

  /** `run` for promises: a rejection of the native engine is counted, then TypeScript answers. */
  runAsync<R>(operation: string, requestId: string | undefined, call: (engine: E) => Promise<R>, size?: number): Promise<R>;

  /**
   * Handles an error of `engine`: rethrows errors of the caller (`FastLiteLLMError`) and of the
   * TypeScript engine; counts a native failure, and TypeScript answers. An error of both engines
   * counts as the caller's.
   */
  recover<R>(error: unknown, engine: E, call: (engine: E) => R): R;
}
