import type { AttemptFailure } from './llm-call.js';
import type { AnswerUsage } from './usage-scan.js';

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
}

/** Express's response, Node's own, or Fastify's reply. */
export interface AnswerTarget {
  readonly raw?: unknown;
  hijack?(): unknown;
  getHeaders?(): Readonly<Record<string, number | string | string[] | undefined>>;
  headers?: unknown;
  send?(body: Buffer): unknown;
  writeHead?(status: number, headers: Record<string, number | string | string[]>): unknown;
  end?(body?: Buffer): unknown;
}

/** The headers of an answer: LiteLLM's names. Node sends them as they are written, so in lower case. */
export function factHeaders({ deploymentId, group, retries, fallbacks, durationMs, overheadMs }: CallFacts): Record<string, string> {
  return {
    'x-litellm-model-id': deploymentId,
    'x-litellm-model-group': group,
    'x-litellm-attempted-retries': String(retries),
    'x-litellm-attempted-fallbacks': String(fallbacks),
    'x-litellm-response-duration-ms': durationMs.toFixed(3),
    'x-litellm-overhead-duration-ms': overheadMs.toFixed(3),
  };
}

/** A provider's whole answer, its bytes as they came. */
export class LlmAnswer {
  constructor(
    readonly bytes: Buffer,
    readonly contentType: string,
    /** Of the answer, if it has one. */
    readonly usage: AnswerUsage | undefined,
    readonly call: CallFacts,
  ) {}

  /** The answer, parsed: a `ChatCompletion` of the OpenAI SDK, for one. @throws SyntaxError where it is no JSON after all. */
  json<T = Record<string, unknown>>(): T {
    return JSON.parse(this.bytes.toString('utf8')) as T;
  }

  /** Answers an HTTP request with it: unchanged, and with the headers of `call`. */
  sendTo(target: AnswerTarget): Promise<void> {
    const headers = { ...factHeaders(this.call), 'content-type': this.contentType };
    if (typeof target.headers === 'function') {
      (target.headers as (headers: object) => unknown).call(target, headers);
      target.send?.(this.bytes);
    } else {
      target.writeHead?.(200, { ...headers, 'content-length': this.bytes.length });
      target.end?.(this.bytes);
    }
    return Promise.resolve();
  }
}
