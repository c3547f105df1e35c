import { types } from 'node:util';
import type * as Binding from '#native';
import { errorMessage } from '../common/errors.js';
import { checkOneOf, optional } from '../common/options.js';
import { VERSION } from '../common/version.js';

/** What the addon exports. */
export type NativeBinding = typeof Binding;

/** The addon, or in one sentence why it cannot be used. */
export type NativeBindingResult =
  { readonly binding: NativeBinding; readonly reason?: undefined } | { readonly binding: null; readonly reason: string };

/** `auto`: native where it works, otherwise TypeScript. `native`: an error at boot where it does not. `typescript`: the addon is never opened. */
export type EngineMode = 'auto' | 'native' | 'typescript';
export const ENGINE_MODES: readonly EngineMode[] = ['auto', 'native', 'typescript'];

const VARIABLE = 'FAST_LITELLM_ENGINE';

/** The mode, and who set it: the name of a variable or an option. */
export interface EngineSetting {
  readonly mode: EngineMode;
  readonly setBy: string;
}

/**
 * The environment's `FAST_LITELLM_ENGINE` before the option before `auto`.
 * @throws InvalidConfigurationError naming the variable or the option.
 */
export function readEngineMode(option: unknown, env: Readonly<Record<string, string | undefined>> = process.env): EngineSetting {
  const fromOption = optional(option, 'auto', (value) => checkOneOf('engine', value, ENGINE_MODES));
  const fromVariable = optional(env[VARIABLE], undefined, (value) => checkOneOf(VARIABLE, value, ENGINE_MODES));
  return fromVariable === undefined ? { mode: fromOption, setBy: 'the option engine' } : { mode: fromVariable, setBy: VARIABLE };
}

let opened: NativeBindingResult | undefined;

/** Opens the addon, once per thread; not at all under `FAST_LITELLM_ENGINE=typescript`. Never throws. The only place that opens `native/`. */
export function openNativeBinding(): NativeBindingResult {
  if (isSwitchedOff()) return { binding: null, reason: switchedOff(VARIABLE) };
  return (opened ??= open());
}

/** Whether this process goes without the addon by its environment. */
export function isSwitchedOff(): boolean {
  return process.env[VARIABLE] === 'typescript';
}

/** Why a process without the addon goes without it, when that was asked for. */
export function switchedOff(setBy: string): string {
  return `${setBy} is typescript, so the addon stays closed`;
}

function open(): NativeBindingResult {
  try {
    const binding = require('#native') as NativeBinding;
    const version = binding.version();
    // An addon of another release may take other arguments under the same names, and answer nonsense.
    if (version !== VERSION) return { binding: null, reason: `the addon is of version ${version}, this package of ${VERSION}` };
    return { binding };
  } catch (error) {
    return { binding: null, reason: whyNot(error) };
  }
}

/** The loader tries each place in turn and chains what went wrong there. A missing file is only a place passed over, yet its own message blames npm for it. */
function whyNot(error: unknown): string {
  const platform = `${process.platform}-${process.arch}`;
  const causes: NodeJS.ErrnoException[] = [];
  for (let cause = error; types.isNativeError(cause); cause = cause.cause) causes.push(cause);
  const [whole = error, ...tried] = causes;
  // The loader copies what it catches into errors of its own, without the code.
  const broken = tried.find(({ code, message }) => code !== 'MODULE_NOT_FOUND' && !message.startsWith('Cannot find module'));
  if (tried.length > 0 && broken === undefined) return `there is no addon for ${platform}`;
  return `the addon cannot be opened on ${platform} (${errorMessage(broken ?? whole)})`;
}
