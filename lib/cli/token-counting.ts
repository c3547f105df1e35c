import { readEngineMode } from '../engine/engine-mode.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { TOKEN_COUNTER_ENGINES } from '../token-counter/engine/engine-provider.js';
import { resolveTokenCounterOptions, type TokenCounterOptions } from '../token-counter/token-counter.options.js';
import { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { CommandIo } from './command.js';
import { writeLines } from './output/lines.js';
import { provideEngine } from '../engine/engine-choice.js';

/** Opens the token counter alone: commands start without Nest, router and pool. */
export function openTokenCounter(options: TokenCounterOptions, { stderr, env }: CommandIo): TokenCounterService {
  const warn = (message: string): void => writeLines(stderr, message.split('\n'));
  const logger = { log: () => {}, warn, error: warn };
  const flags = new FeatureFlagsService({}, { logger, env });
  const engines = provideEngine(TOKEN_COUNTER_ENGINES, { setting: readEngineMode(undefined, env), flags, logger });
  // The command writes errors of `ready` itself.
  const quiet = { ...logger, error: () => {} };
  return new TokenCounterService(engines, resolveTokenCounterOptions(options), engines, quiet);
}
