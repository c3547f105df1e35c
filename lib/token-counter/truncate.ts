import { specialUnits, type AllowedSpecial, type Segments } from './bpe/special-tokens.js';
import type { TokenCounterEngine } from './engine/engine.js';
import type { CountingModel } from './counting-model.js';

/**
 * The longest start of `text`, cut at a token, that has at most `maxTokens` tokens.
 *
 * Cutting can change how the pre-tokenizer splits the end of the start, so the result is counted
 * again.
 */
function truncateText(text: string, maxTokens: number, engine: TokenCounterEngine, handle: number): string {
  // Doubling steps: hostile text must not turn this into a loop over every token.
  for (let tokens = maxTokens, step = 1; tokens > 0; tokens -= step, step *= 2) {
    const prefix = text.slice(0, engine.prefixLength(text, handle, tokens));
    if (engine.countUpTo(prefix, handle, maxTokens) <= maxTokens) return prefix;
  }
  return '';
}

/** A text and its parts. */
export interface SplitText {
  readonly text: string;
  readonly segments: Segments;
  readonly allowedSpecial: AllowedSpecial | undefined;
}

/** `truncateText` for a text split at special tokens, which are one token each and never cut. */
export function truncateSegments(
  { text, segments, allowedSpecial }: SplitText,
  maxTokens: number,
  engine: TokenCounterEngine,
  model: CountingModel,
): string {
  const handle = model.handle(engine, allowedSpecial);
  const prefix = typeof segments[0] === 'string' && !text.startsWith(segments[0]) ? 1 : 0;
  if (segments.length === 1 && typeof segments[0] === 'string') return truncateText(segments[0], maxTokens, engine, handle).slice(prefix);
  let at = 0;
  let left = maxTokens;
  for (const segment of segments) {
    if (left === 0) break;
    if (typeof segment === 'number') {
      at += specialUnits(segment, text, at, model.encoding);
      left -= 1;
      continue;
    }
    const tokens = engine.countUpTo(segment, handle, left);
    const added = at === 0 ? prefix : 0;
    if (tokens > left) return text.slice(0, at) + truncateText(segment, left, engine, handle).slice(added);
    at += segment.length - added;
    left -= tokens;
  }
  return text.slice(0, at);
}
