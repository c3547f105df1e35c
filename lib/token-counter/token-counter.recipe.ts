import type { EngineRecipe } from '../engine/provide-engine.js';
import { answersKnownQuestion } from './known-question.js';
import { TEXT_SIZES } from './token-counter.calibration.js';
import type { EncodingName, TokenCounterEngine } from './token-counter.engine.js';
import { NativeTokenCounterEngine } from './token-counter.native.js';
import { TypeScriptTokenCounterEngine } from './token-counter.typescript.js';

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
