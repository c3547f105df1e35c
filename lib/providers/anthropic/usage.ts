import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';
import type { ChatUsage } from '../openai/chat-chunks.js';

/** A larger figure is a mistake. */
const LARGEST = 1e12;

/** Usage in a stream is cumulative: a later figure replaces the one before, `null` keeps it. */
export function mergedUsage(before: Fields, later: unknown): Fields {
  const merged: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(fieldsOf(later))) if (value !== null) merged[key] = value;
  return merged;
}

/** Anthropic's usage in OpenAI's words; `undefined`: it has no figures. */
export function chatUsage(usage: Fields): ChatUsage | undefined {
  // The figures beside the iterations leave out what compaction used.
  const parts = Array.isArray(usage.iterations) && usage.iterations.length > 0 ? usage.iterations.map(fieldsOf) : [usage];
  if (!parts.some((part) => isFigure(part.input_tokens) || isFigure(part.output_tokens))) return undefined;
  const sum = (read: (part: Fields) => unknown): number => parts.reduce((total, part) => total + tokens(read(part)), 0);
  const created = sum((part) => part.cache_creation_input_tokens);
  const cached = sum((part) => part.cache_read_input_tokens);
  const prompt = sum((part) => part.input_tokens) + created + cached;
  const completion = sum((part) => part.output_tokens);
  const ofParts = sum((part) => fieldsOf(part.output_tokens_details).thinking_tokens);
  const thought = Math.min(ofParts > 0 ? ofParts : tokens(fieldsOf(usage.output_tokens_details).thinking_tokens), completion);
  const longLived = sum((part) => fieldsOf(part.cache_creation).ephemeral_1h_input_tokens);
  const { server_tool_use: tools } = usage;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, cache_creation_tokens: created },
    completion_tokens_details: { reasoning_tokens: thought },
    cache_creation_input_tokens: created,
    cache_read_input_tokens: cached,
    ...(longLived > 0 && {
      cache_creation: { ephemeral_5m_input_tokens: Math.max(created - longLived, 0), ephemeral_1h_input_tokens: longLived },
    }),
    ...(isObject(tools) && { server_tool_use: tools }),
  };
}

/** Anthropic's usage for limits and costs; `undefined`: it has no figures. */
export function answerUsage(usage: Fields): AnswerUsage | undefined {
  return usageFrom(chatUsage(usage));
}

function tokens(value: unknown): number {
  return isFigure(value) ? value : 0;
}

function isFigure(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LARGEST;
}
