import { usdOf } from '../../common/nano-usd.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import { hasUsage } from './event-filter.js';
import { dataOf } from '../../providers/events/sse-reader.js';

type CostSoFar = () => AnswerCost | undefined;

const SEPARATOR = /(\r?\n\r?\n)/;

/** The events with `usage.cost` in USD, as LiteLLM's `include_cost_in_streaming_usage` adds it. */
export function withCost(events: Buffer, costSoFar: CostSoFar): Buffer {
  if (!hasUsage(events)) return events;
  const parts = events.toString('utf8').split(SEPARATOR);
  // Every second one is a separator.
  return Buffer.from(parts.map((part, at) => (at % 2 === 0 ? pricedEvent(part, costSoFar) : part)).join(''));
}

/** Adds the cost to the usage of an event that has one. Returns whether it has. */
export function addCost(event: unknown, costSoFar: CostSoFar): boolean {
  const usage = usageIn(event);
  const cost = usage && costSoFar();
  if (usage === undefined || cost === undefined) return false;
  usage.cost = usdOf(cost.nanoUsd);
  return true;
}

function pricedEvent(event: string, costSoFar: CostSoFar): string {
  if (!event.includes('"usage"')) return event;
  const data = dataOf(event);
  let parsed: unknown;
  try {
    parsed = JSON.parse(data ?? '');
  } catch {
    return event;
  }
  if (!addCost(parsed, costSoFar)) return event;
  const others = event.split(/\r?\n/).filter((line) => !line.startsWith('data:'));
  return [...others, `data: ${JSON.stringify(parsed)}`].join('\n');
}

/**
 * The usage that counts the reply: of chat and completions beside `choices`, of Messages in
 * `message_delta`, of Responses in the whole response at the end.
 */
function usageIn(event: unknown): Record<string, unknown> | undefined {
  if (!isObject(event)) return undefined;
  const { type, usage, response } = event;
  if (Array.isArray(event.choices) || type === 'message_delta') return isObject(usage) ? usage : undefined;
  return isObject(response) && isObject(response.usage) ? response.usage : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
