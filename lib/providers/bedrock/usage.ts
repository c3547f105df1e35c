import { fieldsOf, isObject } from '../../common/objects.js';
import type { ChatUsage } from '../openai/chat-chunks.js';

/** @param more `additionalModelResponseFields`, which may have the tokens of the thinking */
export function usageOf(usage: unknown, more: unknown): ChatUsage | undefined {
  // Without figures, the usage is estimated.
  if (!isObject(usage) || !(isAmount(usage.inputTokens) || isAmount(usage.outputTokens))) return undefined;
  const read = amount(usage.cacheReadInputTokens);
  const write = amount(usage.cacheWriteInputTokens);
  const prompt = amount(usage.inputTokens) + read + write;
  const completion = amount(usage.outputTokens);
  const thinking = Math.min(amount(fieldsOf(fieldsOf(fieldsOf(more).usage).output_tokens_details).thinking_tokens), completion);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(read + write > 0 && {
      prompt_tokens_details: { cached_tokens: read, cache_creation_tokens: write },
      cache_read_input_tokens: read,
      cache_creation_input_tokens: write,
      cache_creation: cacheCreation(usage.cacheDetails),
    }),
    ...(thinking > 0 && { completion_tokens_details: { reasoning_tokens: thinking } }),
  };
}

/** Written tokens by how long the cache keeps them. */
function cacheCreation(details: unknown): ChatUsage['cache_creation'] {
  if (!Array.isArray(details) || details.length === 0) return undefined;
  const sum = (ttl: string): number =>
    (details as readonly unknown[]).reduce<number>(
      (total, each) => total + (fieldsOf(each).ttl === ttl ? amount(fieldsOf(each).inputTokens) : 0),
      0,
    );
  return { ephemeral_5m_input_tokens: sum('5m'), ephemeral_1h_input_tokens: sum('1h') };
}

function amount(value: unknown): number {
  return isAmount(value) ? value : 0;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
