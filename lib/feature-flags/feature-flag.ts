import type { Clocks } from '../common/clock.js';
import { errorMessage, InvalidArgumentError } from '../common/errors.js';
import { rolloutPercentage, type FeatureName, type FeatureState } from './feature-flags.options.js';

/**
 * The position of an id, from 0 to below 100, the same on every machine and in every release. An id
 * has the feature at N per cent if its position is below N: raising N never drops one. FNV-1a over
 * the UTF-16 code units, finished by MurmurHash3's mixer, because the last characters barely change
 * FNV's high bits.
 */
export function rolloutPosition(featureSeed: number, id: string): number {
  return (mix(fnv1a(featureSeed, id)) / 0x1_0000_0000) * 100;
}

/** The start of a feature's hash, so that two features do not select the same ids. */
export function rolloutSeed(feature: string): number {
  return mix(fnv1a(0x811c9dc5, feature));
}

function fnv1a(seed: number, text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The configuration of a flag, all layers merged. */
export interface FeatureFlagConfig {
  readonly state: FeatureState;
  readonly errorThreshold: number;
  readonly coolOffMs: number;
  readonly autoDisableOnErrors: boolean;
  readonly performanceThresholdMs?: number;
}

/**
 * The engine of one call. `trial`: the call of a half-open circuit breaker, which must end with
 * `endTrial`.
 */
export interface Admission {
  readonly run: 'typescript' | 'native' | 'shadow';
  readonly trial: boolean;
}

/** Status of one feature. */
export interface FeatureStatus {
  /** The state in force: `disabled` while the circuit breaker is open. */
  readonly state: FeatureState;
  readonly configuredState: FeatureState;
  /** Whether any request gets the feature at the moment. */
  readonly enabled: boolean;
  readonly rolloutPercentage: number;
  readonly errorCount: number;
  /** The same as `errorCount`, under the name in fast-litellm. */
  readonly errors: number;
  readonly errorThreshold: number;
  /** `open`: tripped by errors. `half_open`: one call tests whether the engine works again. */
  readonly breaker: 'closed' | 'open' | 'half_open';
  readonly lastError?: string;
  /**
   * When a call can test the engine again, in milliseconds since 1970; absent if only `resetErrors`
   * closes the breaker.
   */
  readonly disabledUntilMs?: number;
  readonly performanceThresholdMs?: number;
}

/**
 * One feature: its rollout, and the circuit breaker that disables it after too many native errors.
 */
export class FeatureFlag {
  /** `true` or `false` while all calls go the same way, `null` while each has to `admit`. */
  always: boolean | null = false;
  /** Whether TypeScript answers and the native engine runs in addition. */
  readonly isShadow: boolean;

  private readonly seed: number;
  private readonly percentage: number;
  private errors = 0;
  private lastError: string | undefined = undefined;
  /** When the next trial may start; `Infinity`: never; `undefined`: the breaker is closed. */
  private retryAtMs: number | undefined = undefined;
  private trialSinceMs: number | undefined = undefined;

  constructor(
    readonly name: FeatureName,
    readonly config: FeatureFlagConfig,
    private readonly clocks: Clocks,
    /** After each trip, recovery and reset. */
    private readonly onChange: (flag: FeatureFlag, event: 'tripped' | 'recovered' | 'reset') => void,
  ) {
    this.seed = rolloutSeed(name);
    this.percentage = rolloutPercentage(config.state);
    this.isShadow = config.state === 'shadow';
    this.moveBreaker(undefined);
  }

  /** Whether the circuit breaker is open or half-open. */
  get isTripped(): boolean {
    return this.retryAtMs !== undefined;
  }

  /**
   * Whether `id` gets the feature. `false` while the breaker is not closed and, without an id, in a
   * partial rollout.
   */
  isEnabled(id?: string): boolean {
    return !this.isTripped && this.covers(id);
  }

  /**
   * Whether `id` is in the configured share, also while errors keep the feature disabled: for state
   * that must not move between engines.
   */
  covers(id: string | undefined): boolean {
    if (this.percentage === 100) return true;
    if (this.percentage === 0 || id === undefined || id === null) return false;
    if (typeof id !== 'string') throw new InvalidArgumentError('requestId', id, 'must be a string');
    return rolloutPosition(this.seed, id) < this.percentage;
  }

  /**
   * The engine of this call. After the cool-off of a tripped feature, one call at a time is a
   * trial.
   */
  admit(id?: string): Admission {
    const run = this.isShadow ? 'shadow' : this.covers(id) ? 'native' : 'typescript';
    if (this.retryAtMs === undefined || run === 'typescript') return { run, trial: false };
    const nowMs = this.clocks.now();
    // A trial that never ends must not keep the feature disabled forever.
    const isTried = this.trialSinceMs !== undefined && nowMs - this.trialSinceMs < this.config.coolOffMs;
    if (isTried || nowMs < this.retryAtMs) return { run: 'typescript', trial: false };
    this.trialSinceMs = nowMs;
    return { run, trial: true };
  }

  /** Counts a native error; the Nth trips the feature. */
  recordError(error: unknown): void {
    const { state, errorThreshold, autoDisableOnErrors } = this.config;
    const text = errorMessage(error);
    this.lastError = text.length > 200 ? `${text.slice(0, 200)}…` : text;
    if (++this.errors < errorThreshold || !autoDisableOnErrors || state === 'disabled' || this.isTripped) return;
    this.trip();
    this.onChange(this, 'tripped');
  }

  /**
   * Ends a trial. `inconclusive`: the caller's arguments were wrong, so the next call is a trial
   * again.
   */
  endTrial(outcome: 'success' | 'failure' | 'inconclusive', error?: unknown): void {
    if (outcome === 'failure') this.recordError(error);
    // A reset ends the trial, too.
    if (this.trialSinceMs === undefined) return;
    this.trialSinceMs = undefined;
    if (outcome === 'failure') this.trip();
    else if (outcome === 'success') this.close('recovered');
  }

  /** Clears the errors; a tripped feature returns to its configured state. */
  reset(): void {
    this.close('reset');
  }

  status(): FeatureStatus {
    const { errors, isTripped, retryAtMs = Infinity, percentage, lastError, clocks } = this;
    const { state: configuredState, errorThreshold, performanceThresholdMs } = this.config;
    return {
      state: isTripped ? 'disabled' : configuredState,
      configuredState,
      enabled: !isTripped && percentage > 0,
      rolloutPercentage: percentage,
      errorCount: errors,
      errors,
      errorThreshold,
      breaker: !isTripped ? 'closed' : this.trialSinceMs === undefined ? 'open' : 'half_open',
      ...(lastError !== undefined && { lastError }),
      // By the current wall clock.
      ...(retryAtMs !== Infinity && { disabledUntilMs: clocks.wall() + retryAtMs - clocks.now() }),
      ...(performanceThresholdMs !== undefined && { performanceThresholdMs }),
    };
  }

  private trip(): void {
    const { coolOffMs } = this.config;
    this.moveBreaker(coolOffMs > 0 ? this.clocks.now() + coolOffMs : Infinity);
  }

  private close(event: 'recovered' | 'reset'): void {
    const { isTripped } = this;
    this.errors = 0;
    this.lastError = this.trialSinceMs = undefined;
    if (!isTripped) return;
    this.moveBreaker(undefined);
    this.onChange(this, event);
  }

  private moveBreaker(retryAtMs: number | undefined): void {
    this.retryAtMs = retryAtMs;
    if (retryAtMs !== undefined) this.always = retryAtMs === Infinity ? false : null;
    else this.always = this.isShadow ? null : this.percentage === 100 ? true : this.percentage === 0 ? false : null;
  }
}
