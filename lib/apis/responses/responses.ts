import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { Bridge, BridgedAnswer } from '../bridge.js';
import { completionIn } from '../chat-answers.js';
import { ResponseFrame, responseOf } from './answer.js';
import { KEPT_ITEMS, type KeptItems } from '../../providers/openai/responses/kept-items.js';
import { chatRequestOf } from './request.js';
import { ResponseStream } from './stream.js';

/** OpenAI's Responses by chat. */
export const RESPONSES_BRIDGE: Bridge = {
  // Agents send the same request to every model.
  hints: new Set(['parallel_tool_calls', 'reasoning_effort', 'verbosity']),
  request: (body, sent) => chatRequestOf(body, sent, KEPT_ITEMS),
  answer: (body) => new BridgedResponse(body, KEPT_ITEMS),
};

/** One response created from a chat completion. */
export class BridgedResponse implements BridgedAnswer {
  private readonly frame: ResponseFrame;
  private readonly stream: ResponseStream;

  constructor(
    body: ModelRequest,
    private readonly kept: KeptItems,
  ) {
    this.frame = new ResponseFrame(body);
    this.stream = new ResponseStream(this.frame, (item) => kept.keep(item));
  }

  whole(chat: Buffer): Buffer {
    const { response, output } = responseOf(completionIn(chat), this.frame);
    if (this.frame.isStored) for (const item of output) this.kept.keep(item);
    return Buffer.from(JSON.stringify(response));
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
