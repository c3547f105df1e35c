import { fieldsOf, listOf, objectIn, type Fields } from '../../common/objects.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import type { SendAttempt } from '../attempt.js';
import type { ModelCallHook } from '../hooks/call-hook.js';

/** Longer streams are cut. */
const MOST_EVENTS = 5_000;

interface Captured {
  answer: unknown;
  events: Fields[] | undefined;
}

/** What is in an answer besides its texts. */
export interface AnswerFacts {
  readonly responseId: string | undefined;
  readonly finishReasons: readonly string[] | undefined;
}

/**
 * Keeps the answers of calls until their records, as the client gets them: after all hooks. Large
 * and slow compared with a record, so only where a listener asks for bodies.
 */
export class BodyCapture {
  private readonly captured = new Map<string, Captured>();

  /** Observes the events of streams. */
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

  /** Sends, and keeps a whole answer. */
  capturing<R>(send: SendAttempt<R>): SendAttempt<R> {
    return async (attempt) => {
      const answer = await send(attempt);
      const captured = attempt.call.id === undefined ? undefined : this.captured.get(attempt.call.id);
      if (captured !== undefined && !attempt.call.stream) captured.answer = answer;
      return answer;
    };
  }

  /** The answer of a call that is over: JSON, the events of a stream, or nothing. */
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

/** OpenAI's `id` and `finish_reason`, Anthropic's `stop_reason`, those of Responses. */
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
