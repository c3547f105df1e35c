import type { AttemptFailure } from '../call/call.js';
import type { AnswerUsage } from '../../http/answer-usage.js';

/** How an answer came about. */
export interface CallFacts {
  /** The deployment that answered. */
  readonly deploymentId: string;
  readonly provider: string;
  /** The group it belongs to: after a fallback not the one that was asked for. */
  readonly group: string;
  /** The model, as the provider knows it. */
  readonly model: string;
  readonly attempts: number;
  readonly retries: number;
  readonly fallbacks: number;
  /** Attempts that failed before. */
  readonly failures: readonly AttemptFailure[];
  /** Until the answer was there, of a stream its first chunk. */
  readonly durationMs: number;
  /** Of that, what was not spent waiting for providers. */
  readonly overheadMs: number;
  /** What the provider calls the request, where it says so and the built-in sending was used: to be named to its support. */
  readonly providerRequestId?: string;
}

/** Express's response, Node's own, or Fastify's reply. */
export interface AnswerTarget {
  readonly raw?: unknown;
  /** Fastify's: the caller writes to `raw` from here on. */
  hijack?(): unknown;
  /** Headers that are set already. */
  getHeaders?(): Readonly<Record<string, number | string | string[] | undefined>>;
  headers?: unknown;
  /** Fastify's: sets a header. */
  header?(name: string, value: string): unknown;
  /** Fastify's: sends the body. */
  send?(body: Buffer): unknown;
  /** Node's: writes status and headers. */
  writeHead?(status: number, headers: Record<string, number | string | string[]>): unknown;
  /** Node's: sends the last part of the body. */
  end?(body?: Buffer): unknown;
}

/** Names of deployments and groups are whatever their file says; a header holds ASCII alone. */
const NO_HEADER_TEXT = /[^\x20-\x7e]/gu;

/** Content types of answers: never the provider's own, which could make a browser run what a provider wrote on the gateway's origin. */
export const JSON_ANSWER = 'application/json';
export const EVENT_STREAM_ANSWER = 'text/event-stream; charset=utf-8';

/** LiteLLM's name for a header that came from the provider. */
const PROVIDER_REQUEST_ID = 'llm_provider-x-request-id';

/**
 * Hands the headers of an answer to `set`, by LiteLLM's names. Node sends them as they are written, so in lower case. One by one: an object of them for
 * each answer V8 comes to allocate as old.
 */
export function setFacts(call: CallFacts, set: (name: string, value: string) => void): void {
  const { providerRequestId } = call;
  set('x-content-type-options', 'nosniff');
  set('x-litellm-model-id', headerText(call.deploymentId));
  set('x-litellm-model-group', headerText(call.group));
  set('x-litellm-attempted-retries', String(call.retries));
  set('x-litellm-attempted-fallbacks', String(call.fallbacks));
  set('x-litellm-response-duration-ms', call.durationMs.toFixed(3));
  set('x-litellm-overhead-duration-ms', call.overheadMs.toFixed(3));
  if (providerRequestId !== undefined) set(PROVIDER_REQUEST_ID, providerRequestId);
}

/** What is no ASCII as addresses have it: its bytes of UTF-8, `%E4`. */
function headerText(name: string): string {
  return name.replace(NO_HEADER_TEXT, percentEncoded);
}

function percentEncoded(character: string): string {
  return Buffer.from(character).toString('hex').replace(/../g, '%$&').toUpperCase();
}

/** The same as an object. */
export function factHeaders(call: CallFacts): Record<string, string> {
  const headers: Record<string, string> = {};
  setFacts(call, (name, value) => (headers[name] = value));
  return headers;
}

/** A provider's whole answer, its bytes as they came. */
export class LlmAnswer {
  /** What `bytes` are, whatever the provider called them. */
  readonly contentType = JSON_ANSWER;

  constructor(
    readonly bytes: Buffer,
    /** Of the answer, if it has one. */
    readonly usage: AnswerUsage | undefined,
    readonly call: CallFacts,
  ) {}

  /** The answer, parsed: a `ChatCompletion` of the OpenAI SDK, for one. @throws SyntaxError where it is no JSON after all. */
  json<T = Record<string, unknown>>(): T {
    return JSON.parse(this.bytes.toString('utf8')) as T;
  }

  /** Answers an HTTP request with it: its bytes unchanged, as JSON that no browser takes for anything else, with the headers of `call`. No header of the provider is passed on. */
  sendTo(target: AnswerTarget): Promise<void> {
    // Express has a `header` too.
    if (typeof target.headers === 'function') {
      setFacts(this.call, (name, value) => target.header?.(name, value));
      target.header?.('content-type', this.contentType);
      target.send?.(this.bytes);
    } else {
      const headers = factHeaders(this.call);
      target.writeHead?.(200, { ...headers, 'content-type': this.contentType, 'content-length': this.bytes.length });
      target.end?.(this.bytes);
    }
    return Promise.resolve();
  }
}
