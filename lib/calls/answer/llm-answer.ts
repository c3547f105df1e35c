import type { AnswerUsage } from '../../http/answer-usage.js';
import { factHeaders } from './answer-headers.js';
import { AnswerModel } from './answer-model.js';
import type { CallFacts } from './call-facts.js';
import type { AnswerForm } from '../stream/answer-forms.js';

/** Express's response, Node's own, or Fastify's reply. */
export interface AnswerTarget {
  readonly raw?: unknown;
  /** Fastify's: after this call, the caller writes to `raw`. */
  hijack?(): unknown;
  /** Headers that are already set. */
  getHeaders?(): Readonly<Record<string, number | string | string[] | undefined>>;
  headers?: unknown;
  /** Fastify's: sets the status, which Nest has set to 201 for a POST. */
  code?(status: number): unknown;
  /** Fastify's: sets a header. */
  header?(name: string, value: string): unknown;
  /** Fastify's: sends the body. */
  send?(body: Buffer): unknown;
  /** Node's: writes status and headers. */
  writeHead?(status: number, headers: Record<string, number | string | string[]>): unknown;
  /** Node's: sends the last part of the body. */
  end?(body?: Buffer): unknown;
}

/** How an answer is sent to a client. */
export interface SendOptions {
  /** The `model` shown in the answer. Default: the provider's name. */
  readonly model?: string;
  /**
   * Whether a whole answer gets a header for each part of its cost, as in LiteLLM. Default false.
   */
  readonly costHeaders?: boolean;
}

/** Never the provider's content type: a browser could run its answer on the gateway's origin. */
export const JSON_ANSWER = 'application/json';
export const EVENT_STREAM_ANSWER = 'text/event-stream; charset=utf-8';

/**
 * A provider's complete answer, with its bytes unchanged. `Json` is the type that `json()` returns.
 */
export class LlmAnswer<Json = Record<string, unknown>> {
  constructor(
    readonly bytes: Buffer,
    /** The answer's usage, if it has one. */
    readonly usage: AnswerUsage | undefined,
    readonly call: CallFacts,
    /** The content type of `bytes`: JSON, or of a text such as a transcript. */
    readonly contentType: string = JSON_ANSWER,
  ) {}

  /**
   * Parses the answer, for example as a `ChatCompletion`.
   * @throws SyntaxError if it is not JSON
   */
  json<T = Json>(): T {
    return JSON.parse(this.bytes.toString('utf8')) as T;
  }

  /**
   * Sends the bytes as the response to an HTTP request, with `nosniff` and the headers of `call`.
   * Only `model` can change; the provider's headers are not forwarded.
   */
  sendTo(target: AnswerTarget, { model, costHeaders }: SendOptions = {}, form?: AnswerForm): Promise<void> {
    const named = model === undefined ? this.bytes : new AnswerModel(model).whole(this.bytes);
    const bytes = form?.whole === undefined ? named : form.whole(named);
    // Express has `header()` too.
    const headers = factHeaders(this.call, costHeaders);
    headers['content-type'] = this.contentType;
    if (typeof target.headers === 'function') {
      for (const name in headers) target.header?.(name, headers[name]);
      target.code?.(200);
      target.send?.(bytes);
    } else {
      target.writeHead?.(200, { ...headers, 'content-length': bytes.length });
      target.end?.(bytes);
    }
    return Promise.resolve();
  }
}
