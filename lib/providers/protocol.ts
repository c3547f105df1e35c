import type { OpenAIErrorBody } from '../common/provider-error.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { JsonBody } from '../http/body/json-body.js';
import type { StreamEvents } from './events/event-reader.js';
import type { Forwarded, ForwardedOperation } from './forwarded/forwarded.js';
import type { ModelRequest } from './model-request.js';
import type { ProviderTransport, RequestBytes } from './provider-transport.js';

/** The APIs that clients may call. Each is named after the last part of its path. */
export type Operation = 'chat' | 'completions' | 'embeddings' | 'responses' | 'messages' | ForwardedOperation;

/** The APIs whose prompts a provider may count. */
export type CountedOperation = Extract<Operation, 'chat' | 'responses' | 'messages'>;

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

/** What is sent to one deployment. */
export interface SentRequest {
  readonly request: ClientRequest;
  /** The request's body, or what a bridge made of it. */
  readonly body: ModelRequest;
  /** The deployment's provider, as in the provider table. */
  readonly provider: string;
  /** The model as the provider knows it. */
  readonly model: string;
  /** Whether long fields of `body` are `RawField`s: the protocol hands them on as they came. */
  readonly passes?: boolean;
  /** What a fallback changes in the request. */
  readonly overrides: Readonly<Record<string, unknown>> | undefined;
  /** Whether the usage of a stream is asked for although the caller did not. */
  readonly addsUsage: boolean;
  /** The deployment's fields: those that the request overrides, and those that override it. */
  readonly defaults: Readonly<Record<string, unknown>> | undefined;
  readonly fixed: Readonly<Record<string, unknown>> | undefined;
  /** The client's `dropParams`, which the deployment and the request may override. */
  readonly dropParams: boolean;
  /** Parameters that a provider without them does not get, and that refuse no request. */
  readonly hints?: ReadonlySet<string>;
  /** `base_model`: the model behind a name of the operator's, as Azure's deployments have it. */
  readonly baseModel?: string;
  /** `mode` in the deployment's `model_info`: `chat`, `responses`. */
  readonly mode?: unknown;
  /** `supports_reasoning` in the deployment's `model_info`. */
  readonly supportsReasoning?: unknown;
  /** Whether the address is the provider's own, not a server of the operator's. */
  readonly isAtHome?: boolean;
  /** The deployment's `litellm_params`. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The deployment's headers, its key among them: names and values in turns. */
  readonly headers?: readonly string[];
  /** Most tokens that a model answers with, by the price list; `null`: unknown. */
  readonly maxOutputOf?: (model: string) => number | null;
}

/** A request in the provider's words, and how its answer is read. */
export interface WireCall {
  /** Behind the address's own path; may have a query. */
  readonly path: string;
  /** More headers, names and values in turns. They replace the deployment's of the same name. */
  readonly headers?: readonly string[];
  /** Default: POST. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Whether the provider's account is asked, and no model: the path never names one. */
  readonly isOfAccount?: boolean;
  /** As bytes if it is large; a list is sent one after the other. */
  readonly body: RequestBytes | Promise<RequestBytes>;
  /** Puts the answer into the words of the client's API. Absent: its bytes pass unchanged. */
  readonly translator?: AnswerTranslator;
  /** Reads the bytes behind the translator. */
  readonly reader: AnswerReader;
  /** The content type of a stream. Default: server-sent events. */
  readonly streamType?: RegExp;
  /** Content types of whole answers that are no JSON, and pass unread. */
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
 * Translates one answer. It throws what it cannot read (any `Error`): the answer counts as
 * malformed. An error in a stream becomes an event `data: {"error":{…}}` in OpenAI's shape, whose
 * `code` may be a status.
 */
export interface AnswerTranslator {
  /** Bytes that wait for the rest of their event. They are bounded by the exchange. */
  readonly pending: number;
  /**
   * Whether an event has ended the stream: nothing behind it is read. Absent: only the lines of
   * `AnswerReader.ends`, or the end of the connection, end it.
   */
  readonly isOver?: boolean;
  /** A whole answer. @throws Error for one that cannot be read */
  whole(answer: Buffer): Buffer;
  /**
   * The events that a chunk of a stream completes; may be empty. Nothing before the first content:
   * until then an error lets another deployment be tried.
   */
  chunk(bytes: Buffer): Buffer;
  /** @internal `chunk` for server-sent events that were read already. */
  translateEvents?(events: StreamEvents): StreamEvents;
  /** What is left at the end of a stream. @throws Error for a stream that was cut. */
  end(): Buffer;
}

/** What an answer of status 200 is instead: no answer at all, or an error as JSON. */
export type AnswerFault = 'malformed' | { readonly error: string };

/** What a stream begins with: too little to tell, an answer, or an error (as JSON) in its place. */
export type StreamOpening = 'undecided' | 'answer' | { readonly error: string };

/** Reads what the client must know of an answer that passes. */
export interface AnswerReader {
  /** What is wrong with a whole answer; `undefined`: nothing. */
  faultIn(answer: Buffer): AnswerFault | undefined;
  /**
   * How the lines begin that stand only in the event that ends a stream, such as `data: [DONE]`.
   * The answer ends behind that event, even if the provider keeps the connection open.
   */
  readonly ends?: readonly Buffer[];
  /** Whether `usageIn` needs the first bytes of a stream. Default: true. */
  readonly readsHead?: boolean;
  /** The usage in a whole answer, or in a stream by its last bytes and (8 KB of) its first. */
  usageIn(bytes: Buffer, head?: Buffer): AnswerUsage | undefined;
  /** Until a stream has begun with an answer, another deployment may be tried. */
  openingOf(bytes: Buffer): StreamOpening;
  /** The error that a stream ended with, as JSON. @param tail its last bytes */
  errorAtEnd(tail: Buffer): string | undefined;
  /** The event that ends a broken stream in the client's API. Default: chat's. */
  errorEvent?(error: OpenAIErrorBody): string;
}

/** An error as a provider states it. */
export interface StatedError extends Partial<OpenAIErrorBody> {
  /** In place of the answer's own status, which may be 200. */
  readonly status?: number;
  /** What its body asks to wait; the header counts first. */
  readonly retryAfterMs?: number;
}

/**
 * A wire protocol of providers. The client's inner language is OpenAI's chat: a protocol writes
 * such a request in its own words and reads the answers back. Each has a folder beside this file:
 * request, answer, stream, errors.
 */
export interface Protocol {
  readonly name: string;
  /**
   * Puts an operation into the provider's words; `undefined`: the provider does not have it. Then
   * the operation is bridged to `chat`, where a bridge exists.
   * @throws InvalidArgumentError for no JSON; UnsupportedRequestError for what it cannot express.
   */
  call(operation: Operation, sent: SentRequest): WireCall | undefined;
  /**
   * The request that lets the provider count the prompt of an operation; `undefined`: it has no
   * endpoint for that. Operations other than `chat` are bridged to it then.
   * @param sent its body, defaults and fixed fields without those that belong to the answer
   * @throws as `call`
   */
  count?(operation: CountedOperation, sent: SentRequest): CountCall | undefined;
  /**
   * The error that a body or a header states. A body that it throws for, such as a proxy's page,
   * states none. @param header by its name in lower case
   */
  errorIn(body: string, header?: (name: string) => string | undefined): StatedError;
  /** Whether a body states an error in the place of an answer. */
  hasError(body: string): boolean;
  /** Sends its requests in the place of the connection pool: a model in this process. */
  readonly transport?: ProviderTransport;
}
