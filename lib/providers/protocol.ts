import type { OpenAIErrorBody } from '../common/provider-error.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { JsonBody } from '../http/body/json-body.js';
import type { StreamEvents } from './events/event-reader.js';
import type { Forwarded, ForwardedOperation } from './forwarded/forwarded.js';
import type { ModelRequest } from './model-request.js';
import type { ProviderTransport, RequestBytes } from './provider-transport.js';

/** The APIs that clients can call. Most are named after the last part of their path. */
export type Operation = 'chat' | 'completions' | 'embeddings' | 'responses' | 'messages' | 'generateContent' | ForwardedOperation;

/** The APIs whose prompts a provider can count. */
export type CountedOperation = Extract<Operation, 'chat' | 'responses' | 'messages' | 'generateContent'>;

/** The parts of a client's request that protocols read. */
export interface ClientRequest {
  readonly body: ModelRequest;
  /** The body's bytes, if it has them: a protocol that passes it on sends these. */
  readonly json: JsonBody | undefined;
  /** Whether writing the body takes turns of the event loop of its own. */
  readonly isLarge: boolean;
  readonly stream: boolean;
  /** Set if the request passes through as it is. */
  readonly forwarded: Forwarded | undefined;
  /** Whether it has fields that are not sent to providers. */
  readonly hasOwnFields: boolean;
  /** Whether its `metadata` has tags for the router. */
  readonly hasTags: boolean;
  /** Whether its `fallbacks` are for Anthropic, not for the router. */
  readonly sendsFallbacks: boolean;
  /** `request`: the HTTP request that is answered. */
  readonly options: { readonly request?: object };
}

/** A request to one deployment. */
export interface SentRequest {
  readonly request: ClientRequest;
  /** The request's body, possibly rewritten by a bridge. */
  readonly body: ModelRequest;
  /** The deployment's provider, as in the provider table. */
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
  /** Whether long fields of `body` are `RawField`s: the protocol forwards them unchanged. */
  readonly passes?: boolean;
  /** Changes that a fallback makes to the request. */
  readonly overrides: Readonly<Record<string, unknown>> | undefined;
  /** Whether to request the usage of a stream although the caller did not. */
  readonly addsUsage: boolean;
  /**
   * The deployment's fields: defaults that the request overrides, and fields that override the
   * request.
   */
  readonly defaults: Readonly<Record<string, unknown>> | undefined;
  readonly fixed: Readonly<Record<string, unknown>> | undefined;
  /** The client's `dropParams`; the deployment and the request can override it. */
  readonly dropParams: boolean;
  /** Optional parameters: dropped, not rejected, if the provider does not support them. */
  readonly hints?: ReadonlySet<string>;
  /** `base_model`: the real model if the operator has given it another name, as on Azure. */
  readonly baseModel?: string;
  /** `mode` in the deployment's `model_info`: `chat`, `responses`. */
  readonly mode?: unknown;
  /** `supports_reasoning` in the deployment's `model_info`. */
  readonly supportsReasoning?: unknown;
  /** Whether the address is the provider's own, and not a server run by the operator. */
  readonly isAtHome?: boolean;
  /** The deployment's `litellm_params`. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The deployment's headers, including its key: names and values alternate. */
  readonly headers?: readonly string[];
  /** Returns the maximum number of output tokens of a model, by the price list; `null`: unknown. */
  readonly maxOutputOf?: (model: string) => number | null;
}

/** A request in the provider's format, and how to read its answer. */
export interface WireCall {
  /** Path relative to the deployment's address; can include a query. */
  readonly path: string;
  /**
   * Additional headers, names and values alternate. They replace headers of the deployment with the
   * same name.
   */
  readonly headers?: readonly string[];
  /** Default: POST. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /**
   * Whether the request concerns the provider's account instead of a model: its path never names
   * one.
   */
  readonly isOfAccount?: boolean;
  /** Bytes if the body is large; the buffers of a list are sent one after the other. */
  readonly body: RequestBytes | Promise<RequestBytes>;
  /** Translates the answer into the client's API. Absent: its bytes are forwarded unchanged. */
  readonly translator?: AnswerTranslator;
  /** Reads the answer after the translator. */
  readonly reader: AnswerReader;
  /** The content type of a stream. Default: server-sent events. */
  readonly streamType?: RegExp;
  /** Content types of whole answers that are not JSON and are forwarded unread. */
  readonly textType?: RegExp;
  /** Whether the stream is bytes instead of events. */
  readonly isBytes?: boolean;
}

/** A request to a provider's counting endpoint. */
export interface CountCall extends Pick<WireCall, 'path' | 'headers' | 'body'> {
  /** The field of the answer that has the tokens: `input_tokens`. */
  readonly field: string;
}

/**
 * Translates one answer. Throws any `Error` for an answer that it cannot read, which then counts as
 * malformed. In a stream the error becomes an event `data: {"error":{…}}` in OpenAI's format, whose
 * `code` can be a status.
 */
export interface AnswerTranslator {
  /** Bytes of an incomplete event. The exchange limits them. */
  readonly pending: number;
  /**
   * Whether an event has ended the stream; anything after it is ignored. Absent: only the lines of
   * `AnswerReader.ends`, or the end of the connection, end it.
   */
  readonly isOver?: boolean;
  /**
   * Translates a whole answer.
   * @throws Error if it cannot be read
   */
  whole(answer: Buffer): Buffer;
  /**
   * Returns the events that a chunk of a stream completes; can be empty. Returns nothing before the
   * first content: until then, an error allows another deployment to be tried.
   */
  chunk(bytes: Buffer): Buffer;
  /** @internal `chunk` for parsed server-sent events. */
  translateEvents?(events: StreamEvents): StreamEvents;
  /**
   * Returns the remaining events at the end of a stream.
   * @throws Error if the stream was cut.
   */
  end(): Buffer;
}

/** The fault in an answer with status 200: no content, or an error as JSON. */
export type AnswerFault = 'malformed' | { readonly error: string };

/** The beginning of a stream: undecided, an answer, or an error (as JSON) instead. */
export type StreamOpening = 'undecided' | 'answer' | { readonly error: string };

/** Extracts the facts that the client needs from a forwarded answer. */
export interface AnswerReader {
  /** Returns the fault in a whole answer; `undefined`: none. */
  faultIn(answer: Buffer): AnswerFault | undefined;
  /**
   * Prefixes of the lines that occur only in the event that ends a stream, such as `data: [DONE]`.
   * The answer ends after that event, even if the provider keeps the connection open.
   */
  readonly ends?: readonly Buffer[];
  /** Whether `usageIn` needs the first bytes of a stream. Default: true. */
  readonly readsHead?: boolean;
  /**
   * Returns the usage in a whole answer, or in the last bytes of a stream and (8 KB of) its first
   * ones.
   */
  usageIn(bytes: Buffer, head?: Buffer): AnswerUsage | undefined;
  /**
   * Classifies the beginning of a stream: until it is an answer, another deployment can be tried.
   */
  openingOf(bytes: Buffer): StreamOpening;
  /**
   * Returns the error that a stream ended with, as JSON.
   * @param tail its last bytes
   */
  errorAtEnd(tail: Buffer): string | undefined;
  /** Returns the event that ends a broken stream in the client's API. Default: chat's. */
  errorEvent?(error: OpenAIErrorBody): string;
}

/** An error reported by a provider. */
export interface StatedError extends Partial<OpenAIErrorBody> {
  /** Replaces the answer's own status, which can be 200. */
  readonly status?: number;
  /** The wait requested in the body; the header takes precedence. */
  readonly retryAfterMs?: number;
}

/**
 * A wire protocol of providers. Internally, requests use OpenAI's chat format: a protocol
 * translates such a request into its own format, and the answers back. Each protocol has a folder
 * next to this file: request, answer, stream, errors.
 */
export interface Protocol {
  readonly name: string;
  /**
   * Translates an operation into the provider's format; `undefined` if the provider does not
   * support it. It is then bridged to `chat`, if a bridge exists.
   * @throws InvalidArgumentError for invalid JSON; UnsupportedRequestError for a request that the
   * provider does not support.
   */
  call(operation: Operation, sent: SentRequest): WireCall | undefined;
  /**
   * Returns the request that makes the provider count the prompt of an operation; `undefined` if it
   * has no such endpoint. Operations other than `chat` are then bridged to it.
   * @param sent its body, defaults and fixed fields without those that only affect the answer
   * @throws as `call`
   */
  count?(operation: CountedOperation, sent: SentRequest): CountCall | undefined;
  /**
   * Returns the error in a body or a header. If it throws, for example for a proxy's HTML page,
   * there is none.
   * @param header by its name in lower case
   */
  errorIn(body: string, header?: (name: string) => string | undefined): StatedError;
  /** Whether a body contains an error instead of an answer. */
  hasError(body: string): boolean;
  /** Sends the requests instead of the connection pool, for example to a model in this process. */
  readonly transport?: ProviderTransport;
}
