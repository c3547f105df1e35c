import type { EngineName } from '../common/capability.js';
import { FastLiteLLMError } from '../common/errors.js';
import type { CallSeries } from '../common/recorder.js';
import type { Admission, FeatureFlag } from '../feature-flags/feature-flag.js';
import type { FeatureName } from '../feature-flags/feature-flags.options.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import type { EngineChoice } from './engine-choice.js';
import { capabilityOf, EngineSeries, type EngineRecorder } from './engine-series.js';
import { attempt, attemptAsync, observe, ShadowLog, type Outcome, type ShadowSummary } from './shadow.js';

const TYPESCRIPT: Admission = { run: 'typescript', trial: false };

/** An engine choice as metrics and the dashboard show it. */
export interface EngineState {
  readonly capability: string;
  /** The engine that answers a request without an id. */
  readonly active: EngineName;
  readonly reason: string;
  /** Native failures after which TypeScript answered. */
  readonly nativeErrors: number;
  readonly shadow: Pick<ShadowSummary, 'runs' | 'differences'>;
}

/** The two engines of a capability, as they were found at boot. */
export interface Engines<E extends object> {
  readonly native: E | null;
  /** May load the engine when it is first read. */
  readonly typescript: E;
  /** Why native is there or not, for logs and health. */
  readonly reason: string;
  /** The addon opened, but failed its self-test. */
  readonly isRefused?: boolean;
  /** The smallest size that native answers, where a size is given. Default 0. */
  readonly nativeFrom?: number;
}

/**
 * The choice that `provideEngine` makes: two engines and the flag that moves calls between them.
 */
export class SwitchingEngine<E extends object> implements EngineChoice<E> {
  readonly native: E | null;
  always: E | null = null;

  private readonly flag: FeatureFlag;
  private readonly shadowLog = new ShadowLog();
  private readonly series = new Map<string, EngineSeries>();
  private failures = 0;

  constructor(
    readonly feature: FeatureName,
    private readonly engines: Engines<E>,
    private readonly flags: FeatureFlagsService,
    private readonly recorder?: EngineRecorder,
  ) {
    this.native = engines.native;
    this.flag = flags.flag(feature);
    flags.onChange(feature, () => this.update());
    this.update();
  }

  get typescript(): E {
    return this.engines.typescript;
  }

  /** The same engines under another feature's flag. */
  under(feature: FeatureName): SwitchingEngine<E> {
    return new SwitchingEngine(feature, this.engines, this.flags, this.recorder);
  }

  alwaysFor(size: number): E | null {
    return this.always === this.native && this.isSmall(size) ? this.typescript : this.always;
  }

  get active(): EngineName {
    return this.native !== null && this.flag.isEnabled() ? 'native' : 'typescript';
  }

  get reason(): string {
    if (this.native === null) return this.engines.reason;
    if (this.active === 'native') return this.engines.reason;
    const { state, breaker, errorCount, rolloutPercentage } = this.flag.status();
    if (breaker !== 'closed') return `${this.feature} is tripped after ${errorCount} native errors`;
    if (state === 'shadow') return `${this.feature} is shadow: native runs beside it`;
    if (rolloutPercentage > 0) return `${this.feature} is ${state}: native for that share of the request ids`;
    return `${this.feature} is disabled`;
  }

  get impaired(): boolean {
    return this.native === null ? this.engines.isRefused === true : this.flag.status().breaker !== 'closed';
  }

  /** Native failures since the start, shadow runs included. */
  get nativeErrors(): number {
    return this.failures;
  }

  /** Results of shadow runs so far. */
  get shadow(): ShadowSummary {
    return this.shadowLog.summary();
  }

  assigned(requestId: string | undefined): EngineName | 'both' {
    if (this.native === null) return 'typescript';
    if (this.flag.config.state === 'shadow') return 'both';
    return this.flag.covers(requestId) ? 'native' : 'typescript';
  }

  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size?: number): R {
    const { native } = this;
    const { run, trial } = this.admit(requestId, size);
    if (native === null || run === 'typescript') return this.measured(operation, this.typescript, call);
    if (run === 'shadow') {
      const answer = attempt(() => call(this.typescript));
      const beside = attempt(() => call(native));
      this.compare(operation, answer, beside, trial);
      return unwrap(answer);
    }
    let result: R;
    try {
      result = this.measured(operation, native, call);
    } catch (error) {
      return this.answerInstead(error, trial, () => this.measured(operation, this.typescript, call));
    }
    if (trial) this.flag.endTrial('success');
    return result;
  }

  async runAsync<R>(operation: string, requestId: string | undefined, call: (engine: E) => Promise<R>, size?: number): Promise<R> {
    const { native } = this;
    const { run, trial } = this.admit(requestId, size);
    if (native === null || run === 'typescript') return this.measuredAsync(operation, this.typescript, call);
    if (run === 'shadow') {
      const answer = await attemptAsync(() => call(this.typescript));
      // The caller does not wait for the native engine.
      void attemptAsync(() => call(native)).then((beside) => this.compare(operation, answer, beside, trial));
      return unwrap(answer);
    }
    let result: R;
    try {
      result = await this.measuredAsync(operation, native, call);
    } catch (error) {
      this.absorb(error, trial);
      return this.measuredAsync(operation, this.typescript, call);
    }
    if (trial) this.flag.endTrial('success');
    return result;
  }

  recover<R>(error: unknown, engine: E, call: (engine: E) => R): R {
    if (engine !== this.native) throw error;
    return this.answerInstead(error, false, () => call(this.typescript));
  }

  private admit(requestId: string | undefined, size: number | undefined): Admission {
    if (this.native === null) return TYPESCRIPT;
    const admission = this.flag.admit(requestId);
    return size !== undefined && admission.run === 'native' && !admission.trial && this.isSmall(size) ? TYPESCRIPT : admission;
  }

  private isSmall(size: number): boolean {
    return size < (this.engines.nativeFrom ?? 0);
  }

  private seriesOf(operation: string, engine: E): CallSeries {
    let series = this.series.get(operation);
    if (series === undefined) this.series.set(operation, (series = new EngineSeries(this.recorder, capabilityOf(this.feature), operation)));
    return engine === this.native ? series.native : series.typescript;
  }

  private measured<R>(operation: string, engine: E, call: (engine: E) => R): R {
    const series = this.seriesOf(operation, engine);
    if (!series.sampled()) return call(engine);
    const outcome = attempt(() => call(engine));
    series.record(outcome.ms, !outcome.failed);
    return unwrap(outcome);
  }

  private async measuredAsync<R>(operation: string, engine: E, call: (engine: E) => Promise<R>): Promise<R> {
    const series = this.seriesOf(operation, engine);
    if (!series.sampled()) return call(engine);
    const outcome = await attemptAsync(() => call(engine));
    series.record(outcome.ms, !outcome.failed);
    return unwrap(outcome);
  }

  /**
   * TypeScript's answer after a native failure. If it fails too, the caller is at fault, such as by
   * a getter that throws.
   */
  private answerInstead<R>(error: unknown, trial: boolean, call: () => R): R {
    const outcome = error instanceof FastLiteLLMError ? { error, failed: true } : attempt(call);
    if (!outcome.failed) this.absorb(error, trial);
    else if (trial) this.flag.endTrial('inconclusive');
    return unwrap(outcome);
  }

  /** Counts a native failure; rethrows an error of the caller. */
  private absorb(error: unknown, trial: boolean): void {
    if (error instanceof FastLiteLLMError) {
      if (trial) this.flag.endTrial('inconclusive');
      throw error;
    }
    this.failures++;
    if (trial) this.flag.endTrial('failure', error);
    else this.flag.recordError(error);
  }

  private compare(operation: string, typescript: Outcome<unknown>, native: Outcome<unknown>, trial: boolean): void {
    if (native.failed && !typescript.failed && !(native.error instanceof FastLiteLLMError)) this.absorb(native.error, trial);
    else if (trial) this.flag.endTrial(native.failed ? 'inconclusive' : 'success');
    const observation = observe(this.feature, operation, typescript, native);
    this.shadowLog.recordShadow(observation);
    try {
      this.recorder?.recordShadow(observation);
    } catch {
      // A failing recorder must not fail a call that was answered.
    }
  }

  private update(): void {
    if (this.native === null || this.flag.always === false) this.always = this.typescript;
    else this.always = this.flag.always ? this.native : null;
  }
}

function unwrap<R>({ failed, error, result }: Omit<Outcome<R>, 'ms'>): R {
  if (failed) throw error;
  return result as R;
}
