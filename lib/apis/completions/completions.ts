import { fieldsOf, objectIn, listOf } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import { eventOf } from '../../providers/events/event-translator.js';
import { isError } from '../../providers/openai/errors.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { Bridge, BridgedAnswer } from '../bridge.js';
import { completionIn, errorIn, UNFINISHED_STREAM, UNREADABLE_EVENT } from '../chat-answers.js';
import { TextCompletion } from './answer.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { isChatParameter } from '../../providers/parameters.js';
import type { SentRequest } from '../../providers/protocol.js';
import { COMPLETIONS_FIELDS, rejectFields } from '../client-fields.js';

const DONE = '[DONE]';

/** OpenAI's completions by chat. */
export const COMPLETIONS_BRIDGE: Bridge = {
  request: chatRequestOf,
  answer: (body) => new BridgedCompletion(body),
};

/** One text completion created from a chat completion, whole or as a stream. */
class BridgedCompletion implements BridgedAnswer {
  private readonly completion: TextCompletion;
  /** Whether the client asked for the event with the usage. */
  private readonly showsUsage: boolean;
  private isFinished = false;
  private hasFailed = false;

  constructor({ model, stream_options: options }: ModelRequest) {
    this.completion = new TextCompletion(model);
    this.showsUsage = fieldsOf(options).include_usage === true;
  }

  whole(chat: Buffer): Buffer {
    return Buffer.from(JSON.stringify(this.completion.of(completionIn(chat))));
  }

  events(chat: StreamEvents): string {
    let written = '';
    for (const data of chat.data) if (data !== DONE && !this.hasFailed) written += this.event(data);
    return written;
  }

  end(): string {
    if (this.hasFailed) return '';
    return this.isFinished ? `data: ${DONE}\n\n` : this.error(UNFINISHED_STREAM);
  }

  error(error: OpenAIErrorBody): string {
    if (this.hasFailed) return '';
    this.hasFailed = true;
    return eventOf({ error });
  }

  private event(data: string): string {
    const chunk = objectIn(data);
    if (chunk === undefined) return this.error(UNREADABLE_EVENT);
    if (isError(chunk.error)) return this.error(errorIn(chunk.error));
    const choices = listOf(chunk.choices).map((choice) => fieldsOf(choice));
    this.isFinished ||= choices.some(({ finish_reason: finish }) => typeof finish === 'string');
    return choices.length > 0 || this.showsUsage ? eventOf(this.completion.of(chunk)) : '';
  }
}

/**
 * Translates a completion request into a chat request, with the prompt as the user's message.
 * @throws InvalidArgumentError for no prompt; UnsupportedRequestError for several, or token ids.
 */
function chatRequestOf(body: ModelRequest, sent: SentRequest): ModelRequest {
  rejectFields(body, COMPLETIONS_FIELDS, sent);
  const { prompt, logprobs, ...others } = body;
  return {
    ...Object.fromEntries(Object.entries(others).filter(([name]) => isChatParameter(name))),
    model: body.model,
    messages: [{ role: 'user', content: promptIn(prompt, sent) }],
    ...(typeof logprobs === 'number' && { logprobs: true, top_logprobs: logprobs }),
    stream_options: body.stream === true ? { include_usage: true } : undefined,
  };
}

function promptIn(prompt: unknown, { provider, model }: SentRequest): string {
  if (typeof prompt === 'string') return prompt;
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw new InvalidArgumentError('prompt', prompt, 'must be a string, or an array of one string');
  const [first] = prompt as readonly unknown[];
  if (prompt.length === 1 && typeof first === 'string') return first;
  const what = typeof first === 'string' ? 'several prompts' : 'token ids';
  const reason = `${provider} serves ${model} through the chat API, which does not support ${what}`;
  throw new UnsupportedRequestError({ param: 'prompt', provider, reason, remedy: 'send one text' });
}
