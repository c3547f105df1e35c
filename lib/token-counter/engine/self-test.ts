import type { EncodingName, TokenCounterEngine } from './engine.js';
import type { SelfTest } from '../../engine/engine-choice.js';

/** Scripts, a contraction, digits, whitespace, an emoji, a special token, a lone surrogate. */
const TEXT = "It's 12345 tokens:\n\n  naïve 东京 🦀<|endoftext|>\ud800";

// From tiktoken 1.0.22.
const TOKENS: Readonly<Record<EncodingName, number>> = {
  cl100k_base: 24,
  o200k_base: 21,
  o200k_harmony: 21,
  p50k_base: 25,
  p50k_edit: 25,
  r50k_base: 25,
  gpt2: 25,
};

/** Compares the count of a text with tiktoken's. Loads the encoding. */
export function selfTestOf(encoding: EncodingName): SelfTest<TokenCounterEngine> {
  return (engine) => engine.count(TEXT, engine.load(encoding)) === TOKENS[encoding];
}
