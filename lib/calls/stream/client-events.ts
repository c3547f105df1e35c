import { HttpException } from '@nestjs/common';
import { CallDeniedError, CallHookFailedError } from '../../common/http-errors.js';
import { fieldsOf, isObject, jsonIn } from '../../common/objects.js';
import { usdOf } from '../../common/nano-usd.js';
import { ProviderError, type OpenAIErrorBody } from '../../common/provider-error.js';
import { dataOf, StreamEvents } from '../../providers/events/event-reader.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import type { AnswerModel } from '../answer/answer-model.js';
import type { ClientBytes } from './response-writer.js';
import type { StreamSource } from './stream-origin.js';

type CostSoFar = () => AnswerCost | undefined;
/** A usage to be changed. */
type OwnUsage = Record<string, unknown>;

const NONE = Buffer.alloc(0);
/** An event, and the empty lines after it. */
const SEPARATOR = /((?:\r?\n){2,})/;
const [SPACE, COLON, QUOTE, FIRST_OF_NULL] = Buffer.from(' :"n');
/** Without its first quote: a search stops at each byte like the first, and events have many. */
const USAGE = Buffer.from('usage"');

/**
 * The events of a stream as the client requested them: its API and model, no usage unless
 * requested, and the cost if configured. Events that need no change are forwarded as the original
 * bytes.
 */
export class ClientEvents implements ClientBytes {
  readonly ping: (() => Buffer) | undefined;

  constructor(
    private readonly source: StreamSource,
    private readonly model: AnswerModel | undefined,
  ) {
    const { bridged } = source;
    this.ping = bridged?.ping === undefined ? undefined : () => Buffer.from(bridged.ping?.() ?? '');
  }

  of(arrived: StreamEvents): Buffer {
    const { source, model } = this;
    const { bridged, hidesUsage, writesCost } = source;
    let events = hidesUsage && arrived.text === undefined ? withoutUsage(arrived) : arrived;
    if (bridged !== undefined) events = StreamEvents.of(bridged.events(events));
    if (writesCost && events.text === undefined) events = withCost(events, () => source.costSoFar());
    return model === undefined ? events.bytes : model.events(events.bytes);
  }

  last(error: Error | undefined): Buffer {
    const { source, model } = this;
    const { bridged, exchange, writesCost } = source;
    let last: Buffer;
    if (error === undefined) {
      if (bridged === undefined) return NONE;
      const end = StreamEvents.of(bridged.end());
      last = (writesCost ? withCost(end, () => source.costSoFar()) : end).bytes;
    } else {
      const body = errorBodyOf(error);
      if (bridged === undefined) return Buffer.from(exchange.errorEvent(body) ?? errorEvent(body));
      last = Buffer.from(bridged.error(body, error instanceof HttpException ? error.getStatus() : 500));
    }
    return model?.events(last) ?? last;
  }
}

/**
 * The events without those that carry only the usage, because clients that did not ask for it may
 * fail on an event without choices.
 */
export function withoutUsage(events: StreamEvents): StreamEvents {
  return hasUsage(events.bytes) ? edited(events, (event) => (carriesOnlyUsage(event) ? undefined : event)) : events;
}

/** The events with `usage.cost` in USD, as LiteLLM's `include_cost_in_streaming_usage` adds it. */
export function withCost(events: StreamEvents, costSoFar: CostSoFar): StreamEvents {
  return hasUsage(events.bytes) ? edited(events, (event) => pricedEvent(event, costSoFar)) : events;
}

/** Adds the cost to the usage of an event that has one. Returns whether it has. */
export function addCost(event: unknown, costSoFar: CostSoFar): boolean {
  const usage = usageIn(event);
  const cost = usage && costSoFar();
  if (usage === undefined || cost === undefined) return false;
  usage.cost = usdOf(cost.nanoUsd);
  return true;
}

/** Whether an event of chat has nothing but the usage. */
export function isUsageOnly(event: unknown): boolean {
  const { choices, usage } = fieldsOf(event);
  return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
}

/** @param edit returns the event to write; `undefined` leaves it out */
function edited(events: StreamEvents, edit: (event: string) => string | undefined): StreamEvents {
  const parts = events.bytes.toString('utf8').split(SEPARATOR);
  let written = '';
  // Every second part is a separator.
  for (let at = 0; at < parts.length; at += 2) {
    const event = edit(parts[at]);
    if (event !== undefined) written += event + (parts[at + 1] ?? '');
  }
  return StreamEvents.of(written);
}

/** Whether it has a `"usage"` other than `null`, which OpenAI writes into every event. */
function hasUsage(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(USAGE); at >= 0; at = bytes.indexOf(USAGE, at)) {
    const isKey = bytes[at - 1] === QUOTE;
    at += USAGE.length;
    while (bytes[at] === SPACE || bytes[at] === COLON) at++;
    if (isKey && bytes[at] !== FIRST_OF_NULL) return true;
  }
  return false;
}

function carriesOnlyUsage(event: string): boolean {
  return /"choices": *\[\]/.test(event) && isUsageOnly(jsonIn(dataOf(event) ?? ''));
}

function pricedEvent(event: string, costSoFar: CostSoFar): string {
  const data = event.includes('"usage"') ? jsonIn(dataOf(event) ?? '') : undefined;
  if (!addCost(data, costSoFar)) return event;
  const others = event.split(/\r?\n/).filter((line) => !line.startsWith('data:'));
  return [...others, `data: ${JSON.stringify(data)}`].join('\n');
}

/**
 * The usage that counts the reply: for chat and completions next to `choices`, for Messages in
 * `message_delta`, of Responses in the whole response at the end.
 */
function usageIn(event: unknown): OwnUsage | undefined {
  const { choices, type, usage, response } = fieldsOf(event);
  const counted = Array.isArray(choices) || type === 'message_delta' ? usage : fieldsOf(response).usage;
  return isObject(counted) ? counted : undefined;
}

function errorBodyOf(error: Error): OpenAIErrorBody {
  if (error instanceof ProviderError || error instanceof CallDeniedError || error instanceof CallHookFailedError) return error.error;
  return { message: 'The stream ended early.', type: 'server_error', param: null, code: null };
}

/** The last event of a broken stream, which no client takes for a normal end. */
function errorEvent(error: OpenAIErrorBody): string {
  return `data: ${JSON.stringify({ error })}\n\n`;
}
