import { type Fields, fieldsOf, isObject, jsonIn } from '../../common/objects.js';
import { usageFrom, type AnswerUsage } from '../../http/answer-usage.js';
import { dataOf } from '../events/event-reader.js';
import type { ChatUsage } from '../openai/chat-chunks.js';
import { lastUsageIn } from '../openai/usage.js';

/** A larger figure is a mistake. */
const LARGEST = 1e12;
/** A longer object is not a usage. Large, because it can list the iterations of an answer. */
const LONGEST_USAGE = 32 * 1024;
const END = /\r?\n\r?\n/;
/** Within a text their quotes would be escaped. */
const DELTA = Buffer.from('"message_delta"');
const START = Buffer.from('"message_start"');

/**
 * The usage of an answer of the Messages API.
 * @param bytes A whole answer, or the end of a stream.
 * @param head The beginning of a stream; absent for a whole answer.
 */
export function usageIn(bytes: Buffer, head?: Buffer): AnswerUsage | undefined {
  if (head !== undefined) return usageOfStream(bytes, head);
  return lastUsageIn(bytes, (usage) => answerUsage(fieldsOf(usage)), LONGEST_USAGE)?.usage;
}

/** `undefined` without the `message_delta` at the end: the one at the start counts no reply. */
function usageOfStream(tail: Buffer, head: Buffer): AnswerUsage | undefined {
  const delta = eventAt(tail, tail.lastIndexOf(DELTA));
  if (delta?.type !== 'message_delta' || !isObject(delta.usage)) return undefined;
  const start = eventAt(head, head.indexOf(START));
  return answerUsage(mergedUsage(fieldsOf(fieldsOf(start?.message).usage), delta.usage));
}

/** The data of the event around a byte. */
function eventAt(bytes: Buffer, at: number): Fields | undefined {
  if (at < 0) return undefined;
  const from = Math.max(bytes.lastIndexOf('\n\n', at), bytes.lastIndexOf('\r\n\r\n', at), 0);
  const [event] = bytes.toString('utf8', from).trimStart().split(END, 1);
  return fieldsOf(jsonIn(dataOf(event) ?? ''));
}

/** Usage in a stream is cumulative: a later figure replaces the one before, `null` keeps it. */
export function mergedUsage(before: Fields, later: unknown): Fields {
  const merged: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(fieldsOf(later))) if (value !== null) merged[key] = value;
  return merged;
}

/** Anthropic's usage in OpenAI's words; `undefined`: it has no figures. */
export function chatUsage(usage: Fields): ChatUsage | undefined {
  // The figures next to the iterations exclude the usage of compaction.
  const parts = Array.isArray(usage.iterations) && usage.iterations.length > 0 ? usage.iterations.map(fieldsOf) : [usage];
  let [read, completion, created, cached, thinking, longLived] = [0, 0, 0, 0, 0, 0];
  let hasFigures = false;
  for (const part of parts) {
    hasFigures ||= isFigure(part.input_tokens) || isFigure(part.output_tokens);
    read += tokens(part.input_tokens);
    completion += tokens(part.output_tokens);
    created += tokens(part.cache_creation_input_tokens);
    cached += tokens(part.cache_read_input_tokens);
    if (part.cache_creation !== undefined) longLived += tokens(fieldsOf(part.cache_creation).ephemeral_1h_input_tokens);
    if (part.output_tokens_details !== undefined) thinking += tokens(fieldsOf(part.output_tokens_details).thinking_tokens);
  }
  if (!hasFigures) return undefined;
  const prompt = read + created + cached;
  if (thinking === 0) thinking = tokens(fieldsOf(usage.output_tokens_details).thinking_tokens);
  const thought = Math.min(thinking, completion);
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
  return typeof value === 'number' && value >= 0 && value <= LARGEST ? value : 0;
}

function isFigure(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LARGEST;
}
