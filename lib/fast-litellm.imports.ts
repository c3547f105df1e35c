import type { FactoryProvider, InjectionToken } from '@nestjs/common';
import { InvalidConfigurationError } from './common/errors.js';
import { checkObject } from './common/options.js';

/**
 * A provider of a module's options, which `forRoot` replaces. Without it, importing a module as a
 * bare class would fail with Nest's error about a private token.
 */
export function needsForRoot(token: InjectionToken, module: string): FactoryProvider {
  return {
    provide: token,
    useFactory: (): never => {
      const rule = 'must be imported once, with forRoot() or forRootAsync(); it is global, so other modules need no import';
      throw new InvalidConfigurationError(module, rule);
    },
  };
}

/**
 * Checks the providers that a module injects from `FastLiteLLMModule`. Otherwise Nest's error would
 * name a private token.
 * @throws InvalidConfigurationError where the app does not import `FastLiteLLMModule`
 */
export function fromMainModule<T>(llm: T | undefined, module: string): T {
  if (llm !== undefined) return llm;
  throw new InvalidConfigurationError(module, "requires FastLiteLLMModule; add FastLiteLLMModule.forRoot() to the app's imports");
}

const WAYS = ['useFactory', 'useClass', 'useExisting'] as const;

/**
 * Options of `forRootAsync`, which say where a module's options come from.
 * @throws InvalidConfigurationError unless there is one of `useFactory`, `useClass`, `useExisting`
 */
export function checkAsyncOptions<O extends object>(module: string, options: O): O {
  const given = checkObject(`${module}.forRootAsync`, options);
  const ways = WAYS.filter((way) => given[way] !== undefined);
  if (ways.length === 1) return options;
  throw new InvalidConfigurationError(
    `${module}.forRootAsync`,
    `requires exactly one of ${WAYS.join(', ')}, for example useFactory: () => ({ … }); got ${ways.join(' and ') || 'none'}`,
  );
}
