import { randomUUID } from 'node:crypto';
import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { usageFrom } from '../../http/answer-usage.js';
import { NO_COST } from '../answer/answer-cost.js';
import type { CallFacts } from '../answer/call-facts.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import { bridgeOf } from '../../apis/bridges.js';
import type { Operation } from '../../providers/protocol.js';
import type { ApiCallRequest } from '../call-request.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import { eventOf } from '../../providers/events/event-translator.js';
import { LlmStream } from '../stream/llm-stream.js';
import type { RequestVerdict } from './call-hook.js';
import { WrittenStream } from './written-stream.js';

type Given = Extract<RequestVerdict, { readonly answer: unknown }>['answer'];

const DONE = 'data: [DONE]\n\n';
const NAME = 'call_hook';
const WITH_TEXT: readonly Operation[] = ['chat', 'completions', 'responses', 'messages', 'generateContent'];
/** Their events have a name. */
const WITH_NAMES: readonly Operation[] = ['responses', 'messages'];
/** Their streams end without `[DONE]`. */
const WITHOUT_DONE: readonly Operation[] = [...WITH_NAMES, 'generateContent'];

/**
 * The answer that a hook gives instead of a provider.
 * @throws InvalidArgumentError if it does not fit the client's request
 */
export function answerOfHook(given: Given, operation: Operation, request: ApiCallRequest): LlmAnswer | LlmStream {
  const answer = writtenAnswer(given, operation, request, factsOf(request));
  return answer instanceof LlmAnswer ? answer : new LlmStream(answer.call, answer);
}

/** The same, as written to the client. */
export function writtenAnswer(given: Given, operation: Operation, request: ApiCallRequest, facts: CallFacts): LlmAnswer | WrittenStream {
  const { stream, forwarded } = request;
  if (typeof given === 'string') return textAnswer(given, operation, request, facts);
  if (forwarded !== undefined && forwarded.answer !== 'json') {
    throw new InvalidArgumentError('onRequest().answer', given, 'must not be an object, because this endpoint does not return JSON');
  }
  if (Array.isArray(given) !== stream) {
    throw new InvalidArgumentError(
      'onRequest().answer',
      given,
      stream ? 'must be a string or an array of events' : 'must be a string or an object',
    );
  }
  if (!stream) return wholeOf(Buffer.from(JSON.stringify(given)), given as Fields, facts);
  const events = given as readonly Fields[];
  const isNamed = WITH_NAMES.includes(operation);
  const written = events.map((event) => eventOf(event, isNamed && typeof event.type === 'string' ? event.type : undefined));
  return new WrittenStream(facts, StreamEvents.of(written.join('') + (WITHOUT_DONE.includes(operation) ? '' : DONE)));
}

/** A text in the client's format: a chat completion, bridged for clients of other APIs. */
function textAnswer(text: string, operation: Operation, request: ApiCallRequest, facts: CallFacts): LlmAnswer | WrittenStream {
  if (!WITH_TEXT.includes(operation))
    throw new InvalidArgumentError('onRequest().answer', text, `must not be a string, because ${operation} has no text`);
  const { body, stream } = request;
  const bridged = bridgeOf(operation)?.answer(body);
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: request.model };
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  if (!stream) {
    const message = { role: 'assistant', content: text, refusal: null };
    const choices = [{ index: 0, message, finish_reason: 'stop', logprobs: null }];
    const chat = Buffer.from(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
    const bytes = bridged?.whole(chat) ?? chat;
    return wholeOf(bytes, JSON.parse(bytes.toString()) as Fields, facts);
  }
  const chunk = (choices: readonly object[], more: object = {}): string =>
    eventOf({ ...head, object: 'chat.completion.chunk', choices, ...more });
  const { stream_options: options } = body as { readonly stream_options?: { readonly include_usage?: unknown } | null };
  const asksUsage = bridged !== undefined || options?.include_usage === true;
  const events =
    chunk([{ index: 0, delta: { role: 'assistant', content: text }, finish_reason: null }]) +
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) +
    (asksUsage ? chunk([], { usage }) : '') +
    DONE;
  const chat = StreamEvents.of(events);
  return new WrittenStream(facts, bridged === undefined ? chat : StreamEvents.of(bridged.events(chat) + bridged.end()));
}

function wholeOf(bytes: Buffer, { usage }: Fields, facts: CallFacts): LlmAnswer {
  return new LlmAnswer(bytes, usageFrom(usage), facts);
}

function factsOf({ model, startedAtMs }: ApiCallRequest): CallFacts {
  const durationMs = performance.now() - startedAtMs;
  const none = { attempts: 0, retries: 0, fallbacks: 0, failures: [] };
  return {
    deploymentId: NAME,
    provider: NAME,
    group: model,
    model,
    ...none,
    durationMs,
    overheadMs: durationMs,
    costUsd: 0,
    cost: NO_COST,
  };
}
