import { fieldsOf, objectIn } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import { isError } from '../../providers/openai/errors.js';
import { eventOf } from '../../providers/events/event-translator.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import { errorIn, listOf, UNFINISHED_STREAM, UNREADABLE_EVENT } from '../chat-answers.js';
import type { TextCompletion } from './answer.js';

const DONE = '[DONE]';

/** Converts the events of a chat completion to those of a text completion. */
export class CompletionStream {
  private isFinished = false;
  private hasFailed = false;

  /** @param showsUsage Whether the client asked for the event with the usage. */
  constructor(
    private readonly completion: TextCompletion,
    private readonly showsUsage: boolean,
  ) {}

  events(chat: StreamEvents): string {
    let written = '';
    for (const data of chat.data) if (data !== DONE && !this.hasFailed) written += this.event(data);
    return written;
  }

  end(): string {
    if (this.hasFailed) return '';
    return this.isFinished ? `data: ${DONE}\n\n` : this.fail(UNFINISHED_STREAM);
  }

  fail(error: OpenAIErrorBody): string {
    if (this.hasFailed) return '';
    this.hasFailed = true;
    return eventOf({ error });
  }

  private event(data: string): string {
    const chunk = objectIn(data);
    if (chunk === undefined) return this.fail(UNREADABLE_EVENT);
    if (isError(chunk.error)) return this.fail(errorIn(chunk.error));
    const choices = listOf(chunk.choices).map((choice) => fieldsOf(choice));
    this.isFinished ||= choices.some(({ finish_reason: finish }) => typeof finish === 'string');
    return choices.length > 0 || this.showsUsage ? eventOf(this.completion.of(chunk)) : '';
  }
}
