import type { EngineName } from '../common/capability.js';
import { defaultLog } from '../common/default-log.js';
import { errorMessage, NativeEngineUnavailableError } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import type { FeatureName } from '../feature-flags/feature-flags.options.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { switchedOff, type EngineSetting } from './engine-mode.js';
import { openNativeBinding, type NativeBinding, type NativeBindingResult } from './native-binding.js';
import { capabilityOf, componentOf, type EngineRecorder } from './engine-series.js';
import { EngineSpeeds, ONE_SIZE, type SizeClasses } from './engine-speeds.js';
import { SwitchingEngine } from './switching-engine.js';

/** How to come by the two engines of one capability. */
export interface EngineRecipe<E extends object> {
  readonly feature: FeatureName;
  readonly native: (binding: NativeBinding) => E;
  readonly typescript: () => E;
  /** Asks the native engine a question whose answer is known. `false`, or anything thrown, keeps it out. */
  readonly verify: (engine: E) => boolean;
  /** Sizes whose speeds are told apart. Default: none. */
  readonly sizes?: SizeClasses;
}

export interface EngineContext {
  /** Default `auto`. */
  readonly setting?: EngineSetting;
  readonly flags: FeatureFlagsService;
  /** Keeps what the engines did where the choice calls them, and shadow runs, beside the choice's own log. */
  readonly recorder?: EngineRecorder;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
  /** Default: the addon of this package. */
  readonly openBinding?: () => NativeBindingResult;
}

const AUTO: EngineSetting = { mode: 'auto', setBy: 'the default' };

/** An engine's abstract class: its name is what the log line says. */
type EngineToken<E> = (abstract new (...args: never[]) => E) & { readonly name: string };

/**
 * The only native-or-TypeScript decision. `auto` takes native if the addon opens and answers what it should, `native` fails if it does not,
 * `typescript` never opens it. Says which and why in one log line. After that the feature's flag moves calls between the two.
 *
 * @throws NativeEngineUnavailableError with the mode `native`, when the addon cannot be used.
 */
export function provideEngine<E extends object>(
  token: EngineToken<E>,
  recipe: EngineRecipe<E>,
  context: EngineContext,
): SwitchingEngine<E> {
  const { setting = AUTO, flags, recorder, logger = defaultLog(), openBinding = openNativeBinding } = context;
  const { native, reason, isRefused } =
    setting.mode === 'typescript'
      ? { native: null, reason: switchedOff(setting.setBy), isRefused: false }
      : openEngine(recipe, openBinding);
  if (native === null && setting.mode === 'native') throw new NativeEngineUnavailableError(reason);
  const speeds = new EngineSpeeds(componentOf(capabilityOf(recipe.feature), 'native'), recipe.sizes ?? ONE_SIZE, setting.mode !== 'native');
  const choice = new SwitchingEngine(recipe.feature, native, recipe.typescript(), reason, flags, recorder, speeds, isRefused);
  logger.log(`${token.name}: ${choice.active satisfies EngineName}, ${choice.reason}`);
  return choice;
}

/** `isRefused`: there is an addon, but what it says is not to be trusted. */
interface OpenedEngine<E> {
  readonly native: E | null;
  readonly reason: string;
  readonly isRefused: boolean;
}

function openEngine<E extends object>(recipe: EngineRecipe<E>, openBinding: () => NativeBindingResult): OpenedEngine<E> {
  const { binding, reason } = openBinding();
  if (binding === null) return { native: null, reason, isRefused: false };
  const refused = (why: string): OpenedEngine<E> => ({ native: null, reason: `the addon ${why}`, isRefused: true });
  try {
    const native = recipe.native(binding);
    if (recipe.verify(native)) return { native, reason: 'the addon is loaded and answers as it should', isRefused: false };
    return refused('gives a wrong answer to a known question');
  } catch (error) {
    return refused(`fails on a known question (${errorMessage(error)})`);
  }
}
