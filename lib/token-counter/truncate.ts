import type { TokenCounterEngine } from './engine/engine.js';

/**
 * The start of `text`, cut at a token, as long as can be with not more than `maxTokens` tokens, counted by itself.
 *
 * The first tokens of a text can count differently alone, because the cut changes what the tokenizer's pattern sees behind it; hence the re-count.
 */
function truncateText(text: string, maxTokens: number, engine: TokenCounterEngine, handle: number): string {
  // The steps double: hostile text must not make this a loop over every token.
  for (let tokens = maxTokens, step = 1; tokens > 0; tokens -= step, step *= 2) {
    const prefix = text.slice(0, engine.prefixLength(text, handle, tokens));
    if (engine.countUpTo(prefix, handle, maxTokens) <= maxTokens) return prefix;
  }
  return '';
}

/** The same of a text that was split at its special tokens, or not: of these each is one token, and never cut. */
export function truncateSegments(
  text: string,
  segments: readonly (string | number)[],
  maxTokens: number,
  engine: TokenCounterEngine,
  handle: number,
): string {
  if (segments.length === 1 && typeof segments[0] === 'string') return truncateText(text, maxTokens, engine, handle);
  let at = 0;
  let left = maxTokens;
  for (const segment of segments) {
    if (left === 0) break;
    if (typeof segment === 'number') {
      at = text.indexOf('|>', at) + 2;
      left -= 1;
      continue;
    }
    const tokens = engine.countUpTo(segment, handle, left);
    if (tokens > left) return text.slice(0, at) + truncateText(segment, left, engine, handle);
    at += segment.length;
    left -= tokens;
  }
  return text.slice(0, at);
}
