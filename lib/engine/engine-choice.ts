import type { EngineName } from '../common/capability.js';

/**
 * The outcome of choosing between the native and the TypeScript engine for one capability, and the only place where a call moves from
 * one to the other. Built by `provideEngine`; a capability's service holds one and never looks at flags, the addon or the options itself.
 */
export interface EngineChoice<E extends object> {
  /** The flag that governs the native engine: `rust_token_counting`. */
  readonly feature: string;
  /** `null` when the addon is missing, refused by option, or cannot do this. */
  readonly native: E | null;
  readonly typescript: E;
  /** The engine that answers a request without an id right now. */
  readonly active: EngineName;
  /** Why that one, in a sentence for a log line, `/health` and the page. */
  readonly reason: string;
  /** Whether it answers, but not the way it was configured to: native errors keep the native engine off right now, or the addon was wrong about what is known. */
  readonly impaired: boolean;

  /**
   * The engine that answers *every* call at the moment, or `null` while that depends on the request (rollout) or on more than one engine (shadow).
   * For hot paths: `const e = choice.always; if (e !== null) try { return e.count(…) } catch (error) { return choice.recover(error, e, …) }`.
   */
  readonly always: E | null;

  /** `always` for work of this size: TypeScript below the feature's threshold in `SIZE_THRESHOLDS`. */
  alwaysFor(size: number): E | null;

  /**
   * The engine of a request by configuration, without running anything and whether or not errors have switched native off: for state that stays
   * where it began. `both`: TypeScript answers, native runs beside it.
   */
  assigned(requestId: string | undefined): EngineName | 'both';

  /**
   * Runs `call` on the engine this request belongs to, with shadow runs, error counting and fallback. `operation` names it for the monitor: `count`.
   * With a `size`, TypeScript answers below the feature's threshold in `SIZE_THRESHOLDS`.
   */
  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size?: number): R;

  /** The same for promises: a rejection of the native engine is counted, then TypeScript answers. */
  runAsync<R>(operation: string, requestId: string | undefined, call: (engine: E) => Promise<R>, size?: number): Promise<R>;

  /**
   * To be called with what `engine` threw. Errors of the caller (`FastLiteLLMError`) and of the TypeScript engine are thrown on; after a native failure TypeScript
   * answers the same call. Where it can, the failure is counted against the feature, which may trip it; what both fail at is the caller's.
   */
  recover<R>(error: unknown, engine: E, call: (engine: E) => R): R;
}
