import type { EngineRecipe } from '../../engine/provide-engine.js';
import { answersKnownQuestion } from './self-test.js';
import { TEXT_SIZES } from './calibration.js';
import type { EncodingName, TokenCounterEngine } from './engine.js';
import { NativeTokenCounterEngine } from './native.js';
import { TypeScriptTokenCounterEngine } from './typescript.js';

/** The native engine is asked about it at boot, and so has it loaded. */
export const CHECKED_ENCODING: EncodingName = 'cl100k_base';

/** How to come by the two engines that count tokens. */
export const TOKEN_COUNTER_RECIPE: EngineRecipe<TokenCounterEngine> = {
  feature: 'rust_token_counting',
  native: (binding) => new NativeTokenCounterEngine(binding),
  typescript: () => new TypeScriptTokenCounterEngine(),
  verify: (engine) => answersKnownQuestion(engine, CHECKED_ENCODING),
  sizes: TEXT_SIZES,
};
