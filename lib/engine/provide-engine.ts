import { defaultLog, type LogSink } from '../common/log-sink.js';
import { errorMessage, NativeEngineUnavailableError } from '../common/errors.js';
import { lazy } from '../common/lazy.js';
import type { FeatureName } from '../feature-flags/feature-flags.options.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { switchedOff, type EngineSetting } from './engine-mode.js';
import { openNativeBinding, type NativeBinding, type NativeBindingResult } from './native-binding.js';
import type { ComparisonCase } from './comparison.js';
import type { EngineRecorder } from './engine-series.js';
import { faultOf, type SelfTest } from './self-test.js';
import { nativeFrom } from './size-thresholds.js';
import { EngineChoice, type Engines } from './engine-choice.js';

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

const AUTO: EngineSetting = { mode: 'auto', setBy: 'the default' };

/**
 * Chooses the engine of a capability at boot, and logs which and why. `auto`: native if the addon
 * opens and passes the self-test. Afterwards the flag of the feature moves calls between the two
 * engines.
 *
 * @throws NativeEngineUnavailableError with the mode `native`, when the addon cannot be used.
 */
export function provideEngine<E extends object>(provider: EngineProvider<E>, context: EngineContext): EngineChoice<E> {
  const { setting = AUTO, flags, recorder, logger = defaultLog(), openBinding = openNativeBinding } = context;
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
  logger.log(`${name}: ${choice.active === 'native' ? 'native' : 'TypeScript'} engine (${choice.reason})`);
  return choice;
}

function openEngine<E extends object>(
  { native, selfTest }: EngineProvider<E>,
  openBinding: () => NativeBindingResult,
): Pick<Engines<E>, 'native' | 'reason' | 'isRefused'> {
  const { binding, reason } = openBinding();
  if (binding === null) return { native: null, reason };
  const refused = (fault: string) => ({ native: null, reason: `addon refused, ${fault}`, isRefused: true });
  try {
    const engine = native(binding);
    const fault = faultOf(selfTest, engine);
    return fault === undefined ? { native: engine, reason: 'addon loaded, self-test passed' } : refused(fault);
  } catch (error) {
    return refused(errorMessage(error));
  }
}
