import { provideEngine, type EngineContext } from '../engine/provide-engine.js';
import { answersKnownQuestion } from './known-question.js';
import { TokenCounterEngine } from './token-counter.engine.js';
import { NativeTokenCounterEngine } from './token-counter.native.js';
import { resolveTokenCounterOptions, type TokenCounterOptions } from './token-counter.options.js';
import { TokenCounterService } from './token-counter.service.js';
import { TypeScriptTokenCounterEngine } from './token-counter.typescript.js';

/**
 * Builds token counting: options checked, engine chosen. What the Nest module and the plain class both call.
 * @throws InvalidConfigurationError, and NativeEngineUnavailableError with `mode: 'native'`.
 */
export function createTokenCounter(options: TokenCounterOptions | undefined, context: EngineContext): TokenCounterService {
  const resolved = resolveTokenCounterOptions(options);
  const choice = provideEngine(
    TokenCounterEngine,
    {
      feature: 'rust_token_counting',
      native: (binding) => new NativeTokenCounterEngine(binding),
      typescript: () => new TypeScriptTokenCounterEngine(),
      verify: (engine) => answersKnownQuestion(engine, 'cl100k_base'),
    },
    context,
  );
  return new TokenCounterService(choice, resolved);
}
