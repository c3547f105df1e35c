import type { ServerResponse } from 'node:http';
import type { ReceivedRequest } from './received-request.js';

/** A tool call in an answer. */
export interface ScriptedToolCall {
  readonly name: string;
  /** The arguments; a string is sent as it is, valid JSON or not. Default `{}`. */
  readonly arguments?: object | string;
  /** Default: an id in the protocol's format, `call_1`. */
  readonly id?: string;
}

/** Tokens that an answer reports. The figures of each side include their details. */
export interface ScriptedUsage {
  /** All tokens of the prompt, cached ones included. Default: a quarter of its characters. */
  readonly promptTokens?: number;
  /** All tokens of the answer, reasoning included. Default: a quarter of its characters. */
  readonly completionTokens?: number;
  /** Tokens of the prompt that were read from the provider's cache. Default 0. */
  readonly cacheReadTokens?: number;
  /** Tokens of the prompt that were written to the provider's cache. Default 0. */
  readonly cacheWriteTokens?: number;
  /** Tokens of the answer used for thinking. Default 0. */
  readonly reasoningTokens?: number;
}

/** Why an answer ends, in OpenAI's terms; it is translated for each protocol. */
export type ScriptedFinish = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/**
 * How a provider fails. In a stream, the fault comes after `afterChunks` chunks of content; a whole
 * answer is cut halfway.
 *
 * - `hang`: accepts the request and never answers
 * - `reset`: resets the connection before an answer
 * - `not_http`: answers with bytes that are not HTTP
 * - `garbage`: status 200 with an HTML page
 * - `error_in_200`: status 200 with an error instead of the answer, or as the only event
 * - `error_in_stream`: an error event instead of further chunks
 * - `garbage_in_stream`: an event that cannot be read
 * - `hang_in_stream`: sends nothing more and leaves the connection open
 * - `cut`: closes the connection between two events
 * - `cut_in_event`: closes the connection in the middle of an event
 * - `missing_end`: ends the stream properly, without its last events and its usage
 * - `length_too_long`: a `content-length` above the number of bytes sent
 * - `length_too_short`: a `content-length` below it
 */
export type ProviderFault =
  | 'hang'
  | 'reset'
  | 'not_http'
  | 'garbage'
  | 'error_in_200'
  | 'error_in_stream'
  | 'garbage_in_stream'
  | 'hang_in_stream'
  | 'cut'
  | 'cut_in_event'
  | 'missing_end'
  | 'length_too_long'
  | 'length_too_short';

/** One answer of a provider, independent of the protocol. All fields are optional. */
export interface ScriptedAnswer {
  /** Default `Hello from <name of the provider>.`, unless there are tool calls. */
  readonly text?: string;
  /** Thinking before the text; signed in protocols that sign it. */
  readonly thinking?: string;
  readonly toolCalls?: readonly ScriptedToolCall[];
  /** Text of a refusal: OpenAI's `refusal`, Anthropic's stop reason `refusal`. */
  readonly refusal?: string;
  /** Default `stop`, `tool_calls` with tool calls, `content_filter` with a refusal. */
  readonly finishReason?: ScriptedFinish;
  /** `null`: the answer reports none. */
  readonly usage?: ScriptedUsage | null;
  /**
   * A vector for each text of an embeddings request. Default: eight numbers derived from the text.
   */
  readonly embeddings?: readonly (readonly number[])[];
  /** Headers in addition to those of the protocol. */
  readonly headers?: Readonly<Record<string, string>>;

  /** Sent instead of all of the above: an object as JSON, a string or bytes unchanged. */
  readonly body?: object | string | Buffer;
  /** Events of a stream instead of all of the above: objects in the protocol's framing. */
  readonly events?: readonly (object | string | Buffer)[];
  /** Writes the answer itself. */
  readonly respond?: (response: ServerResponse, request: ReceivedRequest) => void | Promise<void>;

  /** Delay before the headers of the answer, in milliseconds. Default 0. */
  readonly delayMs?: number;
  /** Delay between the headers of a stream and its first event, in milliseconds. Default 0. */
  readonly firstChunkDelayMs?: number;
  /** Delay between two chunks of content, in milliseconds. Default 0. */
  readonly chunkDelayMs?: number;
  /** Characters in each chunk of a stream. Default: a word. */
  readonly chunkLength?: number;

  /** Status of an error, from 400. With a fault in the answer: the status stated in the error. */
  readonly status?: number;
  /** The error's message. Default: the provider's message for this status. */
  readonly message?: string;
  /** The error's code or type, in the provider's terms. Default: that of the status. */
  readonly code?: string;
  /** Why the request is rejected, in the provider's terms. Its status is 400 by default. */
  readonly reason?: 'context_window' | 'content_policy';
  /** The header `retry-after`: seconds, or a date as a string. */
  readonly retryAfter?: number | string;
  readonly fault?: ProviderFault;
  /** Chunks of content before the fault. Default 1. */
  readonly afterChunks?: number;
}

/** An answer; a string is used as its text. */
export type ScriptStep = string | ScriptedAnswer;

/**
 * How a provider answers: always the same, one step for each request (the last step repeats), or as
 * returned by a function.
 */
export type ProviderScript =
  ScriptStep | readonly ScriptStep[] | ((request: ReceivedRequest, index: number) => ScriptStep | Promise<ScriptStep>);

/** Plays a script. */
export class ScriptReader {
  private next = 0;

  /** @param cycles Whether a list begins again after its last step. */
  constructor(
    private readonly script: ProviderScript,
    private readonly cycles: boolean,
  ) {}

  async answerTo(request: ReceivedRequest): Promise<ScriptedAnswer> {
    const index = this.next++;
    const step = await this.stepAt(index, request);
    return typeof step === 'string' ? { text: step } : step;
  }

  private stepAt(index: number, request: ReceivedRequest): ScriptStep | Promise<ScriptStep> {
    const { script } = this;
    if (typeof script === 'function') return script(request, index);
    if (!Array.isArray(script)) return script as ScriptStep;
    const at = this.cycles ? index % script.length : Math.min(index, script.length - 1);
    return (script as readonly ScriptStep[])[at] ?? {};
  }
}
