import type { TokenCounterEngine } from './token-counter.engine.js';

/**
 * The start of `text`, cut at a token, as long as can be with not more than `maxTokens` tokens, counted by itself.
 *
 * The first tokens of a text can count differently alone, because the cut changes what the tokenizer's pattern sees behind it; hence the re-count.
 */
export function truncateText(text: string, maxTokens: number, engine: TokenCounterEngine, handle: number): string {
  // The steps double: hostile text must not make this a loop over every token.
  for (let tokens = maxTokens, step = 1; tokens > 0; tokens -= step, step *= 2) {
    const prefix = text.slice(0, engine.prefixLength(text, handle, tokens));
    if (engine.countUpTo(prefix, handle, maxTokens) <= maxTokens) return prefix;
  }
  return '';
}
