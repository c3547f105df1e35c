import { checkOneOf, optional } from '../common/options.js';

/** `auto`: native where it works, otherwise TypeScript. `native`: an error at boot where it does not. `typescript`: the addon is never opened. */
export type EngineMode = 'auto' | 'native' | 'typescript';
export const ENGINE_MODES: readonly EngineMode[] = ['auto', 'native', 'typescript'];

/** Decides before the option does. */
export const ENGINE_VARIABLE = 'FAST_LITELLM_ENGINE';

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
  const fromVariable = optional(env[ENGINE_VARIABLE], undefined, (value) => checkOneOf(ENGINE_VARIABLE, value, ENGINE_MODES));
  return fromVariable === undefined ? { mode: fromOption, setBy: 'the option engine' } : { mode: fromVariable, setBy: ENGINE_VARIABLE };
}

/** Whether this process goes without the addon by its environment. */
export function isSwitchedOff(): boolean {
  return process.env[ENGINE_VARIABLE] === 'typescript';
}

/** Why a process without the addon goes without it, when that was asked for. */
export function switchedOff(setBy: string): string {
  return `${setBy} is typescript, so the addon stays closed`;
}
