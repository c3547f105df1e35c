import type { Clocks } from '../common/clock.js';
import { errorMessage, InvalidArgumentError } from '../common/errors.js';
import { rolloutPercentage, type FeatureName, type FeatureState } from './feature-flags.options.js';
import { rolloutPosition, rolloutSeed } from './rollout.js';

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
  /** The same as `errorCount`, under fast-litellm's name. */
  readonly errors: number;
  readonly errorThreshold: number;
  /** `open`: tripped by errors. `half_open`: one call tests whether it works again. */
  readonly breaker: 'closed' | 'open' | 'half_open';
  readonly lastError?: string;
  /**
   * When a call may test it again, in milliseconds since 1970; absent if only `resetErrors` closes
   * the breaker.
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
  private tripped = false;
  private retryAtMs = Infinity;
  private trialSinceMs: number | null = null;

  constructor(
    readonly name: FeatureName,
    readonly config: FeatureFlagConfig,
    private readonly clocks: Clocks,
    /** After each trip, retry and reset. */
    private readonly onChange: (flag: FeatureFlag, event: 'tripped' | 'recovered' | 'reset') => void,
  ) {
    this.seed = rolloutSeed(name);
    this.percentage = rolloutPercentage(config.state);
    this.isShadow = config.state === 'shadow';
    this.update();
  }

  /**
   * Whether `id` gets the feature. `false` while the breaker is not closed and, without an id, in a
   * partial rollout.
   */
  isEnabled(id?: string): boolean {
    return !this.tripped && this.covers(id);
  }

  /** Whether the circuit breaker is open or half-open. */
  get isTripped(): boolean {
    return this.tripped;
  }

  /**
   * The engine of this call. After the cool-off of a tripped feature, one call at a time is a
   * trial.
   */
  admit(id?: string): Admission {
    const run = this.isShadow ? 'shadow' : this.covers(id) ? 'native' : 'typescript';
    if (!this.tripped || run === 'typescript') return { run, trial: false };
    return this.startTrial() ? { run, trial: true } : { run: 'typescript', trial: false };
  }

  /** Counts a native error; the Nth trips the feature. */
  recordError(error: unknown): void {
    this.errors++;
    this.lastError = describeError(error);
    if (this.tripped || !this.config.autoDisableOnErrors || this.errors < this.config.errorThreshold || this.config.state === 'disabled')
      return;
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
    if (this.trialSinceMs === null) return;
    this.trialSinceMs = null;
    if (outcome === 'failure') this.trip();
    else if (outcome === 'success') this.close('recovered');
  }

  /** Clears the errors; a tripped feature returns to its configured state. */
  reset(): void {
    this.close('reset');
  }

  status(): FeatureStatus {
    const { state: configuredState, errorThreshold, performanceThresholdMs } = this.config;
    return {
      state: this.tripped ? 'disabled' : configuredState,
      configuredState,
      enabled: !this.tripped && this.percentage > 0,
      rolloutPercentage: this.percentage,
      errorCount: this.errors,
      errors: this.errors,
      errorThreshold,
      breaker: !this.tripped ? 'closed' : this.trialSinceMs === null ? 'open' : 'half_open',
      ...(this.lastError !== undefined && { lastError: this.lastError }),
      ...(this.tripped && this.retryAtMs !== Infinity && { disabledUntilMs: this.shownRetryMs() }),
      ...(performanceThresholdMs !== undefined && { performanceThresholdMs }),
    };
  }

  /** By the current wall clock. */
  private shownRetryMs(): number {
    const { now, wall } = this.clocks;
    return wall() + this.retryAtMs - now();
  }

  /**
   * Whether `id` is in the configured share, also while errors keep the feature off: for state that
   * must not move between engines.
   */
  covers(id: string | undefined): boolean {
    if (this.percentage === 100) return true;
    if (this.percentage === 0 || id === undefined || id === null) return false;
    if (typeof id !== 'string') throw new InvalidArgumentError('requestId', id, 'must be a string');
    return rolloutPosition(this.seed, id) < this.percentage;
  }

  private startTrial(): boolean {
    const nowMs = this.clocks.now();
    // A trial that never ends must not keep the feature disabled forever.
    const free = this.trialSinceMs === null || nowMs - this.trialSinceMs >= this.config.coolOffMs;
    if (nowMs < this.retryAtMs || !free) return false;
    this.trialSinceMs = nowMs;
    return true;
  }

  private trip(): void {
    this.tripped = true;
    this.retryAtMs = this.config.coolOffMs > 0 ? this.clocks.now() + this.config.coolOffMs : Infinity;
    this.update();
  }

  private close(event: 'recovered' | 'reset'): void {
    this.errors = 0;
    this.lastError = undefined;
    this.trialSinceMs = null;
    if (!this.tripped) return;
    this.tripped = false;
    this.update();
    this.onChange(this, event);
  }

  private update(): void {
    if (this.tripped) this.always = this.config.coolOffMs > 0 ? null : false;
    else if (this.isShadow) this.always = null;
    else this.always = this.percentage === 100 ? true : this.percentage === 0 ? false : null;
  }
}

function describeError(error: unknown): string {
  const text = errorMessage(error);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
