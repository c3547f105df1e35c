import type { OpenAIErrorBody } from '../common/provider-error.js';
import type { StreamEvents } from '../providers/events/event-reader.js';
import type { SentRequest } from '../providers/protocol.js';
import type { ModelRequest } from '../providers/model-request.js';

/**
 * Serves another API of clients by OpenAI's chat, for providers that do not have that API
 * themselves. Each has a folder next to this file: request, answer, stream.
 */
export interface Bridge {
  /** Chat parameters that represent hints of the client's API: they never cause a rejection. */
  readonly hints?: ReadonlySet<string>;
  /**
   * The request as one of chat, its `stream_options.include_usage` set where it streams.
   * @param sent of the deployment, for errors and `drop_params`
   * @throws InvalidArgumentError naming a field that is wrong, or has no equivalent;
   * UnsupportedRequestError if another deployment may offer it.
   */
  request(body: ModelRequest, sent: SentRequest): ModelRequest;
  /** @param body the client's request */
  answer(body: ModelRequest): BridgedAnswer;
}

/** Puts one answer of OpenAI's chat into the words of the client's API. */
export interface BridgedAnswer {
  /** @param chat a whole chat completion */
  whole(chat: Buffer): Buffer;
  /** The client's events for those of chat; may be empty. */
  events(chat: StreamEvents): string;
  /** The events that end the stream. */
  end(): string;
  /** An event without a meaning, for a silent stream; empty if none may be written now. */
  ping?(): string;
  /** The event that ends a broken stream. @param status for the client */
  error(error: OpenAIErrorBody, status: number): string;
}
