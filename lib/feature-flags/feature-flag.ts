import type { Clocks } from '../common/clock.js';
import { errorMessage, InvalidArgumentError } from '../common/errors.js';
import { rolloutPercentage, type FeatureName, type FeatureState } from './feature-flags.options.js';
import { rolloutPosition, rolloutSeed } from './rollout.js';

/** What a flag consists of once all layers are merged. */
export interface FeatureFlagConfig {
  readonly state: FeatureState;
  readonly errorThreshold: number;
  readonly coolOffMs: number;
  readonly autoDisableOnErrors: boolean;
  readonly performanceThresholdMs?: number;
}

/** Which way one call goes. `trial`: it is the one call that a tripped feature may make; its end has to be told to `endTrial`. */
export interface Admission {
  readonly run: 'typescript' | 'native' | 'shadow';
  readonly trial: boolean;
}

/** What `getFeatureStatus` says of one feature. */
export interface FeatureStatus {
  /** In force right now: `disabled` while errors keep it off. */
  readonly state: FeatureState;
  readonly configuredState: FeatureState;
  /** Whether any request gets the feature right now. */
  readonly enabled: boolean;
  readonly rolloutPercentage: number;
  readonly errorCount: number;
  /** The same as `errorCount`, under the name of the reference's documentation. */
  readonly errors: number;
  readonly errorThreshold: number;
  /** `open`: switched off by errors. `half_open`: one call is trying whether it works again. */
  readonly breaker: 'closed' | 'open' | 'half_open';
  readonly lastError?: string;
  /** Milliseconds since 1970 from which one call may try again; absent when only `resetErrors` brings it back. */
  readonly disabledUntilMs?: number;
  readonly performanceThresholdMs?: number;
}

const TYPESCRIPT: Admission = { run: 'typescript', trial: false };
const NATIVE: Admission = { run: 'native', trial: false };
const SHADOW: Admission = { run: 'shadow', trial: false };
const NATIVE_TRIAL: Admission = { run: 'native', trial: true };
const SHADOW_TRIAL: Admission = { run: 'shadow', trial: true };

/** One feature: who gets it, and the breaker that takes it away after too many native errors. */
export class FeatureFlag {
  /** `true` or `false` when every call gets the same answer at the moment, `null` when each has to `admit`. Changes are announced to `onChange`. */
  always: boolean | null = false;

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
    this.update();
  }

  /** Whether `id` gets the feature. Asking starts no trial: a feature that errors switched off says `false`. Without an id, a partial rollout says `false`. */
  isEnabled(id?: string): boolean {
    if (this.always !== null) return this.always;
    return !this.tripped && this.covers(id);
  }

  /** Which way this call goes. While tripped, the first call after the cool-off, and one at a time, is a trial. */
  admit(id?: string): Admission {
    const shadow = this.config.state === 'shadow';
    if (this.tripped) {
      if (!(shadow || this.covers(id)) || !this.startTrial()) return TYPESCRIPT;
      return shadow ? SHADOW_TRIAL : NATIVE_TRIAL;
    }
    if (shadow) return SHADOW;
    return this.covers(id) ? NATIVE : TYPESCRIPT;
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

  /** The end of a trial. `inconclusive`: the call failed through its caller's fault, so the next one tries. */
  endTrial(outcome: 'success' | 'failure' | 'inconclusive', error?: unknown): void {
    if (outcome === 'failure') this.recordError(error);
    // A reset may have come in between: then there is nothing left to decide.
    if (this.trialSinceMs === null) return;
    this.trialSinceMs = null;
    if (outcome === 'failure') this.trip();
    else if (outcome === 'success') this.close('recovered');
  }

  /** Forgets the errors; a tripped feature returns to its configured state. */
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

  /** By the wall clock as it is set now. */
  private shownRetryMs(): number {
    const { now, wall } = this.clocks;
    return wall() + this.retryAtMs - now();
  }

  /** Whether `id` is in the configured share, also while errors keep the feature off: for state that must not move between engines. */
  covers(id: string | undefined): boolean {
    if (this.percentage === 100) return true;
    if (this.percentage === 0 || id === undefined || id === null) return false;
    if (typeof id !== 'string') throw new InvalidArgumentError('requestId', id, 'must be a string');
    return rolloutPosition(this.seed, id) < this.percentage;
  }

  private startTrial(): boolean {
    const nowMs = this.clocks.now();
    // A trial that never ended must not keep the feature off for good.
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
    else if (this.config.state === 'shadow') this.always = null;
    else this.always = this.percentage === 100 ? true : this.percentage === 0 ? false : null;
  }
}

function describeError(error: unknown): string {
  const text = errorMessage(error);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
