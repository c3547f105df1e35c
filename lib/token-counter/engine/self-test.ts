import type { EncodingName, TokenCounterEngine } from './engine.js';

/** Letters of three scripts, a contraction, digits, white space, an emoji, what looks like a special token, and a lone surrogate. */
const QUESTION = "It's 12345 tokens:\n\n  naïve 东京 🦀<|endoftext|>\ud800";

// From tiktoken 1.0.22.
const ANSWERS: Readonly<Record<EncodingName, number>> = {
  cl100k_base: 24,
  o200k_base: 21,
  o200k_harmony: 21,
  p50k_base: 25,
  p50k_edit: 25,
  r50k_base: 25,
  gpt2: 25,
};

/** Whether the engine counts a text with a known answer right: for boot and health checks. Loads the encoding. */
export function answersKnownQuestion(engine: TokenCounterEngine, encoding: EncodingName): boolean {
  return engine.count(QUESTION, engine.load(encoding)) === ANSWERS[encoding];
}

/** What the engine does wrong, or `undefined`. */
export function faultOf(engine: TokenCounterEngine, encoding: EncodingName): string | undefined {
  try {
    return answersKnownQuestion(engine, encoding) ? undefined : 'gives a wrong answer to a known question';
  } catch (error) {
    return `fails on a known question (${(error as Error).message})`;
  }
}
