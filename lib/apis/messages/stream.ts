import type { Fields } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import { errorIn, isError } from '../../providers/openai/errors.js';
import type { ThinkingBlock } from '../../providers/openai/chat-types.js';
import { eventOf } from '../../providers/events/event-translator.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import { messageHead, NOT_STOPPED, stopOf, textIn, usageOf, type AnswerContext } from './answer.js';
import { ContentBlocks, type CallDelta } from './content-blocks.js';
import { messagesError } from './errors.js';

const DONE = '[DONE]';
const PING = eventOf({ type: 'ping' }, 'ping');
const CUT: OpenAIErrorBody = { message: 'The stream ended early.', type: 'api_error', param: null, code: null };

/** Fields of a chat chunk that a message needs. */
interface ChatDelta {
  readonly content?: unknown;
  readonly refusal?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly thinking_blocks?: readonly ThinkingBlock[] | null;
  readonly tool_calls?: readonly CallDelta[] | null;
}

interface ChatStreamChoice {
  readonly delta?: ChatDelta | null;
  readonly finish_reason?: unknown;
  readonly stop_reason?: unknown;
}

/** Converts the events of one chat to those of a message. */
export class MessageEvents {
  private readonly blocks: ContentBlocks;
  private state: 'waiting' | 'begun' | 'over' = 'waiting';
  private finish: unknown = undefined;
  private stop: unknown = undefined;
  private isRefused = false;
  private usage: unknown = undefined;

  constructor(private readonly context: AnswerContext) {
    this.blocks = new ContentBlocks(context.toolNames);
  }

  events(chat: StreamEvents): string {
    let written = '';
    for (const data of chat.data) if (this.state !== 'over') written += this.read(data);
    return written;
  }

  /** Without `[DONE]` and without a finish reason the stream was cut. */
  end(): string {
    if (this.state === 'over') return '';
    return this.finish === undefined ? this.failed(CUT, 500) : this.ended();
  }

  /** Clients accept none before `message_start` or after the end. */
  ping(): string {
    return this.state === 'begun' ? PING : '';
  }

  error(error: OpenAIErrorBody, status: number): string {
    return this.state === 'over' ? '' : this.failed(error, status);
  }

  private read(data: string): string {
    if (data === DONE) return this.ended();
    try {
      const event = JSON.parse(data) as Fields | null;
      return isError(event?.error) ? this.stated(data) : this.event(event ?? {});
    } catch {
      return this.failed({ ...CUT, message: 'The provider sent an event that is not a chat event.' }, 502);
    }
  }

  private event({ choices, usage, ...head }: Fields): string {
    if (typeof usage === 'object' && usage !== null) this.usage = usage;
    const choice = Array.isArray(choices) ? (choices as readonly ChatStreamChoice[])[0] : undefined;
    if (choice === undefined) return '';
    const { finish_reason: finish, stop_reason: stop, delta } = choice;
    const begun = this.begun(head);
    this.finish = finish ?? this.finish;
    this.stop = stop ?? this.stop;
    return delta === undefined || delta === null ? begun : begun + this.content(delta);
  }

  private begun(head: Fields): string {
    if (this.state !== 'waiting') return '';
    this.state = 'begun';
    const end = { content: [], ...NOT_STOPPED, usage: usageOf(this.usage) };
    const message = { ...messageHead(head, this.context), ...end };
    return eventOf({ type: 'message_start', message }, 'message_start') + PING;
  }

  private content({
    content,
    refusal,
    reasoning_content: reasoned,
    reasoning,
    thinking_blocks: signed,
    tool_calls: calls,
  }: ChatDelta): string {
    const { blocks } = this;
    const thought = textIn(reasoned) || textIn(reasoning);
    const parts: readonly ThinkingBlock[] = Array.isArray(signed) ? signed : [];
    // Both can contain the same text; only the blocks show where each one ends.
    const isInBlocks = parts.some(({ thinking = '' }) => thinking !== '');
    let written = isInBlocks ? '' : blocks.thinking(thought);
    for (const part of parts) written += blocks.thinkingBlock(part);
    const refused = textIn(refusal);
    this.isRefused ||= refused !== '';
    written += blocks.text(textIn(content)) + blocks.text(refused);
    if (Array.isArray(calls)) for (const call of calls as readonly CallDelta[]) written += blocks.call(call);
    return written;
  }

  /** Its last events: they wait for the chat's end, because usage may follow the finish reason. */
  private ended(): string {
    const begun = this.begun({});
    const written = this.blocks.end();
    this.state = 'over';
    const { finish, stop, isRefused, blocks, context } = this;
    const delta = stopOf({ finish_reason: finish, stop_reason: stop, hasCalls: blocks.hasCalls, isRefused }, context);
    const ending = eventOf({ type: 'message_delta', delta, usage: usageOf(this.usage) }, 'message_delta');
    return begun + written + ending + eventOf({ type: 'message_stop' }, 'message_stop');
  }

  /** An error that the stream itself states. */
  private stated(data: string): string {
    const { message = CUT.message, type = null, param = null, code = null } = errorIn(data);
    const status = Number(code);
    return this.failed({ message, type, param, code }, status >= 400 && status < 600 ? status : 500);
  }

  private failed(error: OpenAIErrorBody, status: number): string {
    this.state = 'over';
    return eventOf(messagesError(status, error), 'error');
  }
}
