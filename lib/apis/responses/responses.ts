import type { ModelRequest } from '../../providers/model-request.js';
import type { Bridge } from '../bridge.js';
import { completionIn } from '../chat-answers.js';
import { ResponseFrame, responseOf } from './answer.js';
import { KEPT_ITEMS, type KeptItems } from '../../providers/openai/responses/kept-items.js';
import { chatRequestOf } from './request.js';
import { ResponseStream } from './stream.js';

/** OpenAI's Responses by chat. */
export const RESPONSES_BRIDGE: Bridge = {
  // Agents send it to every model.
  hints: new Set(['parallel_tool_calls', 'reasoning_effort', 'verbosity']),
  request: (body, sent) => chatRequestOf(body, sent, KEPT_ITEMS),
  answer: (body) => new BridgedResponse(body, KEPT_ITEMS),
};

/** One response created from a chat completion, whole or as a stream. */
export class BridgedResponse extends ResponseStream {
  constructor(body: ModelRequest, kept: KeptItems) {
    super(new ResponseFrame(body), (item) => kept.keep(item));
  }

  whole(chat: Buffer): Buffer {
    const { response, output } = responseOf(completionIn(chat), this.frame);
    if (this.frame.isStored) for (const item of output) this.keep(item);
    return Buffer.from(JSON.stringify(response));
  }
}
