import type { EngineName } from '../common/capability.js';
import { FastLiteLLMError } from '../common/errors.js';
import type { FeatureFlag } from '../feature-flags/feature-flag.js';
import type { FeatureName } from '../feature-flags/feature-flags.options.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import type { EngineChoice } from './engine-choice.js';
import { attempt, attemptAsync, observe, ShadowLog, type Outcome, type ShadowRecorder, type ShadowSummary } from './shadow.js';

/** The choice that `provideEngine` makes: two engines and the flag that moves calls between them. */
export class SwitchingEngine<E extends object> implements EngineChoice<E> {
  always: E | null = null;

  private readonly flag: FeatureFlag;
  private readonly shadowLog = new ShadowLog();
  private failures = 0;

  constructor(
    readonly feature: FeatureName,
    readonly native: E | null,
    readonly typescript: E,
    private readonly bootReason: string,
    private readonly flags: FeatureFlagsService,
    private readonly recorder?: ShadowRecorder,
  ) {
    this.flag = flags.flag(feature);
    flags.onChange(feature, () => this.update());
    this.update();
  }

  /** The same engines under another feature's flag. */
  under(feature: FeatureName): SwitchingEngine<E> {
    return new SwitchingEngine(feature, this.native, this.typescript, this.bootReason, this.flags, this.recorder);
  }

  get active(): EngineName {
    return this.native !== null && this.flag.isEnabled() ? 'native' : 'typescript';
  }

  get reason(): string {
    if (this.native === null || this.active === 'native') return this.bootReason;
    const { state, breaker, errorCount, rolloutPercentage } = this.flag.status();
    if (breaker !== 'closed') return `${this.feature} is switched off after ${errorCount} native errors`;
    if (state === 'shadow') return `${this.feature} is shadow: native runs beside it`;
    if (rolloutPercentage > 0) return `${this.feature} is ${state}: native for that share of the request ids`;
    return `${this.feature} is disabled`;
  }

  get tripped(): boolean {
    return this.native !== null && this.flag.status().breaker !== 'closed';
  }

  /** Native failures that TypeScript made good, shadow runs included, since the start. */
  get nativeErrors(): number {
    return this.failures;
  }

  /** What shadow runs have shown so far. */
  get shadow(): ShadowSummary {
    return this.shadowLog.summary();
  }

  assigned(requestId: string | undefined): EngineName | 'both' {
    if (this.native === null) return 'typescript';
    if (this.flag.status().state === 'shadow') return 'both';
    return this.flag.isEnabled(requestId) ? 'native' : 'typescript';
  }

  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R): R {
    const { native, typescript } = this;
    if (native === null) return call(typescript);
    const { run, trial } = this.flag.admit(requestId);
    if (run === 'typescript') return call(typescript);
    if (run === 'shadow') {
      const answer = attempt(() => call(typescript));
      const beside = attempt(() => call(native));
      this.compare(operation, answer, beside, trial);
      return unwrap(answer);
    }
    let result: R;
    try {
      result = call(native);
    } catch (error) {
      this.absorb(error, trial);
      return call(typescript);
    }
    if (trial) this.flag.endTrial('success');
    return result;
  }

  async runAsync<R>(operation: string, requestId: string | undefined, call: (engine: E) => Promise<R>): Promise<R> {
    const { native, typescript } = this;
    if (native === null) return call(typescript);
    const { run, trial } = this.flag.admit(requestId);
    if (run === 'typescript') return call(typescript);
    if (run === 'shadow') {
      const answer = await attemptAsync(() => call(typescript));
      // The caller does not wait for the comparison.
      void attemptAsync(() => call(native)).then((beside) => this.compare(operation, answer, beside, trial));
      return unwrap(answer);
    }
    let result: R;
    try {
      result = await call(native);
    } catch (error) {
      this.absorb(error, trial);
      return call(typescript);
    }
    if (trial) this.flag.endTrial('success');
    return result;
  }

  recover<R>(error: unknown, engine: E, call: (engine: E) => R): R {
    if (engine !== this.native) throw error;
    this.absorb(error, false);
    return call(this.typescript);
  }

  /** Counts a native failure; throws on what is the caller's own fault. */
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
    if (native.failed && !(native.error instanceof FastLiteLLMError)) this.absorb(native.error, trial);
    else if (trial) this.flag.endTrial('success');
    const observation = observe(this.feature, operation, typescript, native);
    this.shadowLog.recordShadow(observation);
    try {
      this.recorder?.recordShadow(observation);
    } catch {
      // A broken observer is no reason to fail a call that has been answered.
    }
  }

  private update(): void {
    if (this.native === null || this.flag.always === false) this.always = this.typescript;
    else this.always = this.flag.always ? this.native : null;
  }
}

function unwrap<R>({ failed, error, result }: Outcome<R>): R {
  if (failed) throw error;
  return result as R;
}
