import { fieldsOf, listOf, objectIn, type Fields } from '../../common/objects.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import type { SendAttempt } from '../attempt.js';
import type { ModelCallHook } from '../hooks/call-hook.js';

/** Longer streams are truncated. */
const MOST_EVENTS = 5_000;

interface Captured {
  answer: unknown;
  events: Fields[] | undefined;
}

/** Fields of an answer other than its text. */
export interface AnswerFacts {
  readonly responseId: string | undefined;
  readonly finishReasons: readonly string[] | undefined;
}

/**
 * Keeps each answer as the client receives it, after all hooks, until the call is recorded. Large
 * and slow compared with a record, so active only if a listener requests bodies.
 */
export class BodyCapture {
  private readonly captured = new Map<string, Captured>();

  /** Observes stream events. */
  readonly hook: ModelCallHook = {
    onEvent: ({ id }, event) => {
      const captured = this.captured.get(id);
      if (captured === undefined) return;
      captured.events ??= [];
      if (captured.events.length < MOST_EVENTS) captured.events.push(event);
    },
  };

  begin(id: string): void {
    this.captured.set(id, { answer: undefined, events: undefined });
  }

  /** Sends a request and keeps an answer that is not streamed. */
  capturing<R>(send: SendAttempt<R>): SendAttempt<R> {
    return async (attempt) => {
      const answer = await send(attempt);
      const captured = attempt.call.id === undefined ? undefined : this.captured.get(attempt.call.id);
      if (captured !== undefined && !attempt.call.stream) captured.answer = answer;
      return answer;
    };
  }

  /** Returns the answer of a finished call: JSON, the events of a stream, or nothing. */
  take(id: string): unknown {
    const captured = this.captured.get(id);
    this.captured.delete(id);
    if (captured?.answer instanceof LlmAnswer) {
      const text = captured.answer.bytes.toString('utf8');
      return objectIn(text) ?? text;
    }
    return captured?.answer ?? captured?.events;
  }
}

/**
 * Reads OpenAI's `id` and `finish_reason`, Anthropic's `stop_reason`, or their counterparts in
 * Responses.
 */
export function answerFactsOf(answer: unknown): AnswerFacts {
  let responseId: string | undefined;
  const reasons: string[] = [];
  const take = (value: unknown): void => {
    if (typeof value === 'string' && value !== '' && reasons.length < 20) reasons.push(value);
  };
  for (const part of Array.isArray(answer) ? answer : [answer]) {
    const fields = fieldsOf(part);
    for (const each of [fields, fieldsOf(fields.message), fieldsOf(fields.response), fieldsOf(fields.delta)]) {
      if (responseId === undefined && typeof each.id === 'string' && each !== fields.delta) responseId = each.id;
      take(each.stop_reason);
    }
    for (const choice of listOf(fields.choices)) take(fieldsOf(choice).finish_reason);
  }
  return { responseId, finishReasons: reasons.length === 0 ? undefined : reasons };
}
