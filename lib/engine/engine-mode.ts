import { oneOf, type Option } from '../common/option.js';
import { refuseOption } from '../common/options.js';

/**
 * `auto`: the native engine if it works, otherwise TypeScript. `native`: an error at boot if it
 * does not work. `typescript`: the addon is never opened.
 */
export type EngineMode = 'auto' | 'native' | 'typescript';

/** Takes precedence over the option. */
export const ENGINE_VARIABLE = 'FAST_LITELLM_ENGINE';

export const ENGINE: Option<EngineMode, EngineMode> = oneOf(['auto', 'native', 'typescript'], { default: 'auto', env: ENGINE_VARIABLE });

/** The mode, and the variable or option that set it. */
export interface EngineSetting {
  readonly mode: EngineMode;
  readonly setBy: string;
}

/**
 * Reads the engine mode: `FAST_LITELLM_ENGINE`, else the option, else `auto`.
 * @throws InvalidConfigurationError naming the variable or the option.
 */
export function readEngineMode(option: unknown, env: Readonly<Record<string, string | undefined>> = process.env): EngineSetting {
  const ofOption = option === undefined ? 'auto' : ENGINE.check('engine', option, refuseOption);
  const text = env[ENGINE_VARIABLE];
  if (text === undefined) return { mode: ofOption, setBy: 'the option engine' };
  return { mode: ENGINE.check(ENGINE_VARIABLE, text, refuseOption), setBy: ENGINE_VARIABLE };
}

/** Whether the environment keeps the addon closed for the whole process. */
export function isSwitchedOff(): boolean {
  return process.env[ENGINE_VARIABLE] === 'typescript';
}

/** The reason where the TypeScript engines were asked for. */
export function switchedOff(setBy: string): string {
  return `addon not loaded: ${setBy} is typescript`;
}
