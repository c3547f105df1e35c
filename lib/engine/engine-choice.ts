import { counted } from '../common/plural.js';
import type { EngineName, CapabilityHealth } from '../common/capability.js';
import { FastLiteLLMError, errorMessage, NativeEngineUnavailableError } from '../common/errors.js';
import type { CallSeries } from '../common/recorder.js';
import type { FeatureFlag } from '../feature-flags/feature-flag.js';
import type { FeatureName } from '../feature-flags/feature-flags.options.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { capabilityOf, engineSeries, observe, outcomeOf, type EngineRecorder, type EngineSeries, type Outcome } from './engine-recorder.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { lazy } from '../common/lazy.js';
import { switchedOff, type EngineSetting } from './engine-mode.js';
import { openNativeBinding, type NativeBinding, type NativeBindingResult } from './native-binding.js';
import type { ComparisonCase } from './comparison.js';
import { nativeFrom } from './size-thresholds.js';

/** The two engines of a capability. */
export interface EngineProvider<E extends object> {
  /** For log lines: `Token counter`. */
  readonly name: string;
  readonly feature: FeatureName;
  readonly native: (binding: NativeBinding) => E;
  /** Called when the engine first answers. */
  readonly typescript: () => E;
  /** The native engine is used only if it passes. */
  readonly selfTest: SelfTest<E>;
  /** Work that `compareImplementations` times on both. */
  readonly comparison: readonly ComparisonCase<E>[];
}

export interface EngineContext {
  /** Default `auto`. */
  readonly setting?: EngineSetting;
  readonly flags: FeatureFlagsService;
  /** Records the calls and the shadow runs of the engines. */
  readonly recorder?: EngineRecorder;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
  /** Default: the addon of this package. */
  readonly openBinding?: () => NativeBindingResult;
}

/**
 * Chooses the engine of a capability at boot, and logs which and why. `auto`: native if the addon
 * opens and passes the self-test. Afterwards the flag of the feature moves calls between the two
 * engines.
 *
 * @throws NativeEngineUnavailableError with the mode `native`, when the addon cannot be used.
 */
export function provideEngine<E extends object>(provider: EngineProvider<E>, context: EngineContext): EngineChoice<E> {
  const {
    setting = { mode: 'auto', setBy: 'the default' },
    flags,
    recorder,
    logger = defaultLog(),
    openBinding = openNativeBinding,
  } = context;
  const { name, feature } = provider;
  const opened = setting.mode === 'typescript' ? { native: null, reason: switchedOff(setting.setBy) } : openEngine(provider, openBinding);
  if (opened.native === null && setting.mode === 'native') throw new NativeEngineUnavailableError(opened.reason);
  const typescript = lazy(provider.typescript);
  const engines: Engines<E> = {
    ...opened,
    get typescript() {
      return typescript();
    },
    nativeFrom: setting.mode === 'native' ? 0 : nativeFrom(feature),
  };
  const choice = new EngineChoice(feature, engines, flags, recorder);
  logger.log(`${name}: uses the ${choice.active === 'native' ? 'native' : 'TypeScript'} engine (${choice.reason})`);
  return choice;
}

/**
 * Asks an engine a question whose answer is known, and returns whether it is right. Runs at boot
 * and in health checks.
 */
export type SelfTest<E> = (engine: E) => boolean;

/** Why the engine fails its self-test, or `undefined`. */
export function faultOf<E>(selfTest: SelfTest<E>, engine: E): string | undefined {
  try {
    return selfTest(engine) ? undefined : 'self-test failed: wrong answer';
  } catch (error) {
    return `self-test failed: ${errorMessage(error)}`;
  }
}

function openEngine<E extends object>(
  { native, selfTest }: EngineProvider<E>,
  openBinding: () => NativeBindingResult,
): Pick<Engines<E>, 'native' | 'reason' | 'isRefused'> {
  const { binding, reason } = openBinding();
  if (binding === null) return { native: null, reason };
  const refused = (fault: string) => ({ native: null, reason: `addon rejected, ${fault}`, isRefused: true });
  try {
    const engine = native(binding);
    const fault = faultOf(selfTest, engine);
    return fault === undefined ? { native: engine, reason: 'addon loaded, self-test passed' } : refused(fault);
  } catch (error) {
    return refused(errorMessage(error));
  }
}

/** Shadow runs since the start, and those whose engines differed. */
export interface ShadowCounts {
  readonly runs: number;
  readonly differences: number;
}

/** An engine choice, for metrics and the dashboard. */
export interface EngineState {
  readonly capability: string;
  /** The engine that answers a request without an id. */
  readonly active: EngineName;
  readonly reason: string;
  /** Native failures after which TypeScript answered. */
  readonly nativeErrors: number;
  readonly shadow: ShadowCounts;
}

/** The two engines of a capability, as found at boot. */
export interface Engines<E extends object> {
  readonly native: E | null;
  /** The first read can load the engine. */
  readonly typescript: E;
  /** Why the native engine is available or not, for logs and health. */
  readonly reason: string;
  /** The addon opened, but failed its self-test. */
  readonly isRefused?: boolean;
  /** The smallest size, if given, for which the native engine is used. Default 0. */
  readonly nativeFrom?: number;
}

/**
 * The choice between the native and the TypeScript engine of one capability, and the only place
 * where a call moves from one to the other. A service holds one and never reads flags or opens the
 * addon itself.
 */
export class EngineChoice<E extends object> {
  /** `null` if the addon is missing, fails its self-test, or is not wanted. */
  readonly native: E | null;
  /**
   * The engine that answers every call at the moment; `null` in a partial rollout, a shadow run or
   * while the circuit breaker is half-open. A hot path calls it directly and passes its errors to
   * `recover`.
   */
  always: E | null = null;
  /** Native failures since the start, shadow runs included. */
  nativeErrors = 0;
  readonly shadow: { -readonly [K in keyof ShadowCounts]: number } = { runs: 0, differences: 0 };

  private readonly flag: FeatureFlag;
  private readonly kept = new Map<string, EngineSeries>();

  constructor(
    /** The flag that governs the native engine: `rust_token_counting`. */
    readonly feature: FeatureName,
    private readonly engines: Engines<E>,
    private readonly flags: FeatureFlagsService,
    private readonly recorder?: EngineRecorder,
  ) {
    this.native = engines.native;
    this.flag = flags.flag(feature);
    const update = (): void => {
      const { always } = this.flag;
      this.always = this.native === null || always === false ? this.typescript : always === true ? this.native : null;
    };
    flags.onChange(feature, update);
    update();
  }

  /** The same engines under another feature's flag. */
  under(feature: FeatureName): EngineChoice<E> {
    return new EngineChoice(feature, this.engines, this.flags, this.recorder);
  }

  get typescript(): E {
    return this.engines.typescript;
  }

  /** `always` for work of this size: TypeScript below the feature's size in `NATIVE_FROM`. */
  alwaysFor(size: number): E | null {
    return this.always === this.native && this.isSmall(size) ? this.typescript : this.always;
  }

  /** The name of the engine that currently answers a request without an id. */
  get active(): EngineName {
    return this.native !== null && this.flag.isEnabled() ? 'native' : 'typescript';
  }

  /** The engine that currently answers a request without an id. */
  get activeEngine(): E {
    return this.native !== null && this.flag.isEnabled() ? this.native : this.typescript;
  }

  /** Why that engine is used, for the log, `/health` and the dashboard. */
  get reason(): string {
    if (this.native === null || this.flag.isEnabled()) return this.engines.reason;
    const { state, breaker, errorCount, rolloutPercentage } = this.flag.status();
    if (breaker !== 'closed') return `the circuit breaker of ${this.feature} tripped after ${counted(errorCount, 'native error')}`;
    if (state === 'shadow') return `${this.feature} is in shadow mode: the native engine runs in addition to TypeScript`;
    if (rolloutPercentage > 0) return `${this.feature} is ${state}: the native engine answers this percentage of the request ids`;
    return `${this.feature} is disabled`;
  }

  /** Whether errors or a failed self-test keep the native engine off. */
  get impaired(): boolean {
    return this.native === null ? this.engines.isRefused === true : this.flag.isTripped;
  }

  /**
   * The engine of a request by configuration, whether or not errors keep native off: for state that
   * stays in one engine. `both`: a shadow run.
   */
  assigned(requestId: string | undefined): EngineName | 'both' {
    if (this.native === null) return 'typescript';
    if (this.flag.isShadow) return 'both';
    return this.flag.covers(requestId) ? 'native' : 'typescript';
  }

  /** The series of an operation, for hot paths to keep. */
  series(operation: string): EngineSeries {
    let series = this.kept.get(operation);
    if (series === undefined) this.kept.set(operation, (series = engineSeries(this.recorder, capabilityOf(this.feature), operation)));
    return series;
  }

  /**
   * Runs `call` on the engine of this request, with shadow runs, error counting and fallback.
   * `operation` names it for the monitor: `count`. With a `size`, TypeScript answers below the
   * feature's size in `NATIVE_FROM`.
   */
  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size?: number): R {
    const engine = size === undefined ? this.always : this.alwaysFor(size);
    if (engine === null) return this.runAdmitted(operation, requestId, call, size);
    const series = this.seriesOf(operation, engine);
    if (series.sampled()) return this.recorded(series, engine, call, size);
    try {
      return call(engine);
    } catch (error) {
      return this.recover(error, engine, call);
    }
  }

  /** `run` for promises: a rejection of the native engine is counted, then TypeScript answers. */
  async runAsync<R>(operation: string, requestId: string | undefined, call: (engine: E) => Promise<R>, size?: number): Promise<R> {
    const engine = size === undefined ? this.always : this.alwaysFor(size);
    if (engine === null) return this.runAdmitted(operation, requestId, call, size);
    const series = this.seriesOf(operation, engine);
    if (series.sampled()) return this.recorded(series, engine, call, size);
    try {
      return await call(engine);
    } catch (error) {
      return this.recover(error, engine, call);
    }
  }

  /**
   * Handles an error of `engine`: rethrows errors of the caller (`FastLiteLLMError`) and of the
   * TypeScript engine; counts a native failure, and TypeScript answers. An error of both engines
   * counts as the caller's, such as a getter that throws.
   */
  recover<R>(error: unknown, engine: E, call: (engine: E) => R, isTrial = false): R {
    let isCounted = false;
    try {
      if (engine !== this.native || error instanceof FastLiteLLMError) throw error;
      const result = call(this.typescript);
      isCounted = true;
      return result;
    } finally {
      if (isCounted) this.countFailure(error, isTrial);
      else if (isTrial) this.flag.endTrial('inconclusive');
    }
  }

  /** `run` if the flag decides per request, so a native engine is available. */
  private runAdmitted<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size: number | undefined): R {
    const { native } = this;
    const { run, trial } = this.flag.admit(requestId);
    if (run === 'shadow' && native !== null) return this.runBoth(operation, native, call, trial);
    const isSmall = !trial && size !== undefined && this.isSmall(size);
    const engine = run === 'native' && native !== null && !isSmall ? native : this.typescript;
    const series = this.seriesOf(operation, engine);
    return this.recorded(series.sampled() ? series : undefined, engine, call, size, trial);
  }

  /** Calls an engine and records the call; TypeScript answers if the native engine fails. */
  private recorded<R>(series: CallSeries | undefined, engine: E, call: (engine: E) => R, size?: number, isTrial = false): R {
    return outcomeOf(
      () => call(engine),
      (outcome) => {
        series?.record(outcome.ms, !outcome.failed, size);
        if (outcome.failed) return this.recover(outcome.error, engine, call, isTrial);
        if (isTrial) this.flag.endTrial('success');
        return outcome.result as R;
      },
    );
  }

  /** A shadow run: TypeScript answers, and the caller does not wait for a native promise. */
  private runBoth<R>(operation: string, native: E, call: (engine: E) => R, isTrial: boolean): R {
    return outcomeOf(
      () => call(this.typescript),
      (answer) => {
        outcomeOf<unknown>(
          () => call(native),
          (shadow) => this.compare(operation, answer, shadow, isTrial),
        );
        if (answer.failed) throw answer.error;
        return answer.result as R;
      },
    );
  }

  private compare(operation: string, typescript: Outcome, native: Outcome, isTrial: boolean): void {
    if (native.failed && !typescript.failed && !(native.error instanceof FastLiteLLMError)) this.countFailure(native.error, isTrial);
    else if (isTrial) this.flag.endTrial(native.failed ? 'inconclusive' : 'success');
    const observation = observe(this.feature, operation, typescript, native);
    this.shadow.runs++;
    if (!observation.equal) this.shadow.differences++;
    try {
      this.recorder?.recordShadow(observation);
    } catch {
      // A failing recorder must not fail an answered call.
    }
  }

  private countFailure(error: unknown, isTrial: boolean): void {
    this.nativeErrors++;
    if (isTrial) this.flag.endTrial('failure', error);
    else this.flag.recordError(error);
  }

  private seriesOf(operation: string, engine: E): CallSeries {
    const series = this.kept.get(operation) ?? this.series(operation);
    return series[engine === this.native ? 'native' : 'typescript'];
  }

  private isSmall(size: number): boolean {
    return size < (this.engines.nativeFrom ?? 0);
  }
}

/**
 * Health of a capability by the self-test of its engine: `degraded` while native errors keep the
 * native engine off.
 */
export function engineHealth<E extends { readonly engine: EngineName }>(
  choice: EngineChoice<E>,
  selfTest: SelfTest<E>,
  engine = choice.activeEngine,
): CapabilityHealth {
  const fault = faultOf(selfTest, engine);
  if (fault !== undefined) return { status: 'down', engine: engine.engine, reason: `${engine.engine} engine ${fault}` };
  return { status: choice.impaired ? 'degraded' : 'ok', engine: engine.engine, reason: choice.reason };
}
