import { usdText } from '../../common/nano-usd.js';
import type { AttemptFailure } from '../call.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { CostPart, CostParts } from '../../common/token-cost.js';
import type { AnswerCost } from './answer-cost.js';
import { AnswerModel } from './answer-model.js';

/** How an answer was produced. */
export interface CallFacts {
  /** The deployment that answered. */
  readonly deploymentId: string;
  readonly provider: string;
  /** The deployment's model group; after a fallback, not the requested one. */
  readonly group: string;
  /** The provider's name for the model. */
  readonly model: string;
  readonly attempts: number;
  readonly retries: number;
  readonly fallbacks: number;
  /** The failed attempts before this answer. */
  readonly failures: readonly AttemptFailure[];
  /** Time until the answer arrived; for a stream, until its first chunk. */
  readonly durationMs: number;
  /** The part of `durationMs` that was not spent waiting for providers, connections and retries. */
  readonly overheadMs: number;
  /** Cost of the answer in USD, as in `cost`. */
  readonly costUsd?: number;
  /**
   * Cost of the answer by part, and the source of the price. Absent without a price or a usage, and
   * for a stream, which has it in its own `cost` at the end.
   */
  readonly cost?: AnswerCost;
  /** Whether the answer is a mock (`mock_response`), so that no provider was called. */
  readonly isMocked?: boolean;
  /** The provider's id of the request, for support cases. Absent with a caller's own `send`. */
  readonly providerRequestId?: string;
}

/** Express's response, Node's own, or Fastify's reply. */
export interface AnswerTarget {
  readonly raw?: unknown;
  /** Fastify's: from here on, the caller writes to `raw`. */
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

/** Deployments and groups may have any name; a header holds ASCII only. */
const NO_HEADER_TEXT = /[^\x20-\x7e]/gu;

/** Never the provider's content type: a browser could run its answer on the gateway's origin. */
export const JSON_ANSWER = 'application/json';
export const EVENT_STREAM_ANSWER = 'text/event-stream; charset=utf-8';

/** LiteLLM's name for a header of the provider. */
const PROVIDER_REQUEST_ID = 'llm_provider-x-request-id';

/** Parts that a header names; those of 0 have none. */
const COST_HEADERS: readonly (readonly [part: CostPart, name: string])[] = [
  ['cacheRead', 'x-litellm-response-cost-cache-read'],
  ['cacheCreation', 'x-litellm-response-cost-cache-creation'],
  ['reasoning', 'x-litellm-response-cost-reasoning'],
  ['audio', 'x-litellm-response-cost-audio'],
  ['image', 'x-litellm-response-cost-image'],
  ['toolUsage', 'x-litellm-response-cost-tool-usage'],
  ['request', 'x-litellm-response-cost-request'],
  ['other', 'x-litellm-response-cost-other'],
];

/**
 * The headers of an answer, with LiteLLM's names.
 * @param withCostParts Whether they name the parts of its cost, too.
 */
export function factHeaders(call: CallFacts, withCostParts = false): Record<string, string> {
  const { providerRequestId, cost } = call;
  const headers: Record<string, string> = {
    'x-content-type-options': 'nosniff',
    'x-litellm-model-id': headerText(call.deploymentId),
    'x-litellm-model-group': headerText(call.group),
    'x-litellm-model-name': headerText(call.model),
    'x-litellm-attempted-retries': String(call.retries),
    'x-litellm-attempted-fallbacks': String(call.fallbacks),
    'x-litellm-response-duration-ms': call.durationMs.toFixed(3),
    'x-litellm-overhead-duration-ms': call.overheadMs.toFixed(3),
  };
  if (cost !== undefined) {
    headers['x-litellm-response-cost'] = usdText(cost.nanoUsd);
    if (withCostParts) addCostParts(cost.parts, headers);
  }
  if (providerRequestId !== undefined) headers[PROVIDER_REQUEST_ID] = providerRequestId;
  return headers;
}

/** As LiteLLM's: `-input` without cached tokens, `-output` with the reasoning. */
function addCostParts(parts: CostParts, headers: Record<string, string>): void {
  headers['x-litellm-response-cost-input'] = usdText(parts.input ?? 0);
  headers['x-litellm-response-cost-output'] = usdText((parts.output ?? 0) + (parts.reasoning ?? 0));
  for (const [part, name] of COST_HEADERS) if ((parts[part] ?? 0) > 0) headers[name] = usdText(parts[part] ?? 0);
}

/** Percent-encodes what is not ASCII, as in URLs: `%E4`. */
export function headerText(name: string): string {
  return name.replace(NO_HEADER_TEXT, percentEncoded);
}

function percentEncoded(character: string): string {
  return Buffer.from(character).toString('hex').replace(/../g, '%$&').toUpperCase();
}

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
   * Answers an HTTP request with the bytes, in which only `model` can change, with `nosniff` and
   * the headers of `call`. No header of the provider is forwarded.
   */
  sendTo(target: AnswerTarget, { model, costHeaders }: SendOptions = {}): Promise<void> {
    const bytes = model === undefined ? this.bytes : new AnswerModel(model).whole(this.bytes);
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
