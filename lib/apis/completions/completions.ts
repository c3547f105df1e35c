import { fieldsOf } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { Bridge, BridgedAnswer } from '../bridge.js';
import { completionIn } from '../chat-answers.js';
import { TextCompletion } from './answer.js';
import { chatRequestOf } from './request.js';
import { CompletionStream } from './stream.js';

/** OpenAI's completions by chat. */
export const COMPLETIONS_BRIDGE: Bridge = {
  request: chatRequestOf,
  answer: (body) => new BridgedCompletion(body),
};

class BridgedCompletion implements BridgedAnswer {
  private readonly completion: TextCompletion;
  private readonly stream: CompletionStream;

  constructor({ model, stream_options: options }: ModelRequest) {
    this.completion = new TextCompletion(model);
    this.stream = new CompletionStream(this.completion, fieldsOf(options).include_usage === true);
  }

  whole(chat: Buffer): Buffer {
    return Buffer.from(JSON.stringify(this.completion.of(completionIn(chat))));
  }

  events(chat: StreamEvents): string {
    return this.stream.events(chat);
  }

  end(): string {
    return this.stream.end();
  }

  error(error: OpenAIErrorBody): string {
    return this.stream.fail(error);
  }
}
