import type * as Binding from '#native';
import { errorMessage } from '../common/errors.js';
import { checkOneOf, optional } from '../common/options.js';

/** What the addon exports. */
export type NativeBinding = typeof Binding;

/** The addon, or in one sentence why it cannot be used. */
export type NativeBindingResult =
  { readonly binding: NativeBinding; readonly reason?: undefined } | { readonly binding: null; readonly reason: string };

/** `auto`: native where it works, otherwise TypeScript. `native`: an error at boot where it does not. `typescript`: the addon is never opened. */
export type EngineMode = 'auto' | 'native' | 'typescript';
export const ENGINE_MODES: readonly EngineMode[] = ['auto', 'native', 'typescript'];

const VARIABLE = 'FAST_LITELLM_ENGINE';

/**
 * The environment's `FAST_LITELLM_ENGINE` before the option before `auto`.
 * @throws InvalidConfigurationError naming the variable or the option.
 */
export function readEngineMode(option: unknown, env: Readonly<Record<string, string | undefined>> = process.env): EngineMode {
  const fromOption = optional(option, 'auto', (value) => checkOneOf('engine', value, ENGINE_MODES));
  return optional(env[VARIABLE], fromOption, (value) => checkOneOf(VARIABLE, value, ENGINE_MODES));
}

let opened: NativeBindingResult | undefined;

/** Opens the addon, once per thread; not at all under `FAST_LITELLM_ENGINE=typescript`. Never throws. The only place that opens `native/`. */
export function openNativeBinding(): NativeBindingResult {
  if (process.env[VARIABLE] === 'typescript') return { binding: null, reason: `${VARIABLE}=typescript switches the addon off` };
  return (opened ??= open());
}

function open(): NativeBindingResult {
  try {
    return { binding: require('#native') as NativeBinding };
  } catch (error) {
    return { binding: null, reason: `the addon cannot be opened on ${process.platform}-${process.arch} (${errorMessage(error)})` };
  }
}
